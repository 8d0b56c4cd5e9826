import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../../clock.ts";
import { ServiceError } from "../../errors.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { sqliteStorage } from "./sqlite.ts";

test("on a full disk writes are refused as unavailable, nothing acknowledged is lost, and space brings it back", async (context) => {
  const folder = await mkdtemp(join(tmpdir(), "rouage-full-"));
  const ballast = join(folder, "ballast");
  try {
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m", "rouage-test", folder], { stdio: "pipe" });
    } catch (error) {
      // Needs a privileged user; a continuous integration run has to have one.
      if (process.env.CI === "true") throw error;
      context.skip("cannot mount a small file system here");
      return;
    }
    await writeFile(ballast, Buffer.alloc(3_000_000));
    const storage = sqliteStorage({ path: join(folder, "store.db"), clock: systemClock, log: silentLogger });
    await storage.define([{ resource: "things", indexes: [["n"]], unique: [] }]);
    const list = { resource: "things", parent: "" };
    const kept: string[] = [];
    let n = 0;
    const write = async (): Promise<unknown> => {
      const id = `id${n++}`;
      const body = JSON.stringify({ n, filler: "x".repeat(20_000) });
      try {
        await storage.commit([{ kind: "put", key: { ...list, id }, body, expect: { kind: "absent" } }]);
        kept.push(id);
        return undefined;
      } catch (error) {
        return error;
      }
    };
    const verify = async () => {
      for (const id of kept) assert.equal((await storage.get({ ...list, id }))?.kind, "object");
      const entries = await Array.fromAsync(storage.log());
      assert.deepEqual(entries.map(({ id }) => id).sort(), [...kept].sort());
      assert.equal(await storage.count(list), kept.length);
    };

    let refused = 0;
    while (refused < 20) {
      for (const error of await Promise.all(Array.from({ length: 8 }, write))) {
        if (error === undefined) continue;
        assert.ok(
          ServiceError.is(error) && error.code === "unavailable" && error.cause instanceof Error,
          String(error),
        );
        refused++;
      }
    }
    assert.ok(kept.length > 10);
    await verify();
    await storage.check(true);

    await rm(ballast);
    const before = kept.length;
    assert.deepEqual(await Promise.all(Array.from({ length: 16 }, write)), Array(16).fill(undefined));
    assert.equal(kept.length, before + 16);
    await verify();
    await storage.close();

    const again = sqliteStorage({ path: join(folder, "store.db"), clock: systemClock, log: silentLogger });
    await again.define([{ resource: "things", indexes: [["n"]], unique: [] }]);
    assert.equal(await again.count(list), kept.length);
    await again.close();
  } finally {
    try {
      execFileSync("umount", [folder], { stdio: "pipe" });
    } catch {
      // Nothing was mounted.
    }
    await rm(folder, { recursive: true });
  }
});
