import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { manualClock } from "../../clock.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { openDatabase } from "./database.ts";
import { sqliteStorage } from "./sqlite.ts";

test("what is reached over several pages has every object once, with all of its permissions", async () => {
  const folder = await mkdtemp(join(tmpdir(), "rouage-reachable-"));
  const path = join(folder, "store.db");
  await using storage = sqliteStorage({ path, clock: manualClock(), log: silentLogger });
  try {
    // Nine rows an object, so that the end of a page is in the middle of one.
    const objects = 7_000;
    const names = ["a", "b", "c"];
    const principals = ["ann", "bob", "cy"];
    const { connection, close } = openDatabase(path);
    const insert = connection.prepare("INSERT INTO aces VALUES (?, 'things', ?, ?, ?)");
    connection.exec("BEGIN");
    for (let n = 0; n < objects; n++) {
      for (const principal of principals) {
        for (const name of names) insert.run(principal, `/${n % 2}`, `id${String(n).padStart(5, "0")}`, name);
      }
    }
    connection.exec("COMMIT");
    close();
    let seen = 0;
    let last = "";
    for await (const { key, permissions } of storage.permissions.reachable({ principals })) {
      const name = `${key.parent} ${key.id}`;
      assert.ok(name > last, `${name} behind ${last}`);
      assert.deepEqual(permissions, names);
      last = name;
      seen++;
    }
    assert.equal(seen, objects);
    assert.equal((await Array.fromAsync(storage.permissions.reachable({ principals, parent: "/1" }))).length, 3_500);
  } finally {
    await storage.close();
    await rm(folder, { recursive: true });
  }
});
