import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, renameSync, rmSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { systemClock } from "../../clock.ts";
import { ServiceError } from "../../errors.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { sqliteStorage } from "./sqlite.ts";

describe("a file that is taken away from under an open store", () => {
  for (const [what, take] of [
    ["deleted", unlinkSync],
    ["moved", (path: string) => renameSync(path, `${path}.old`)],
    [
      "replaced",
      (path: string) => {
        copyFileSync(path, `${path}.new`);
        renameSync(`${path}.new`, path);
      },
    ],
  ] as const)
    test(`${what}, makes its health check fail, read-only or not`, async (t) => {
      const folder = mkdtempSync(join(tmpdir(), "rouage-gone-"));
      t.after(() => rmSync(folder, { recursive: true }));
      const path = join(folder, "store.db");
      const storage = sqliteStorage({ path, clock: systemClock, log: silentLogger });
      t.after(() => storage.close());
      await storage.check();
      await storage.check(true);
      take(path);
      const isTold = (error: unknown) =>
        ServiceError.is(error) &&
        error.code === "unavailable" &&
        /was deleted, moved or replaced/.test(String(error.cause));
      await assert.rejects(storage.check(), isTold);
      await assert.rejects(storage.check(true), isTold);
    });
});
