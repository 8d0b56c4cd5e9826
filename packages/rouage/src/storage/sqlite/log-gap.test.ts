import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { systemClock } from "../../clock.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { sqliteStorage } from "./sqlite.ts";

test("positions that nobody has are passed over at once, forwards, backwards and by who follows", async () => {
  const folder = await mkdtemp(join(tmpdir(), "rouage-gap-"));
  const path = join(folder, "store.db");
  await sqliteStorage({ path, clock: systemClock, log: silentLogger }).close();
  const connection = new DatabaseSync(path);
  // Window by window this would take years.
  const positions = [3, 7_000, 9e14, 9e14 + 1];
  for (const position of positions)
    connection.exec(
      `INSERT INTO log (position, time, resource, parent, id, action, revision) VALUES (${position}, 1, 'things', '', 'a', 'create', 7)`,
    );
  connection.close();
  const storage = sqliteStorage({ path, clock: systemClock, log: silentLogger });
  await storage.define([{ resource: "things", indexes: [], unique: [] }]);
  const found = async (query: Parameters<typeof storage.log>[0]) =>
    (await Array.fromAsync(storage.log(query))).map(({ position }) => position);
  assert.deepEqual(await found({}), positions);
  assert.deepEqual(await found({ resources: ["things"], after: 5 }), positions.slice(1));
  assert.deepEqual(await found({ reverse: true }), positions.toReversed());
  assert.deepEqual(await found({ resources: ["others"] }), []);
  assert.deepEqual(await found({ resources: ["others"], reverse: true, after: 4 }), []);
  const seen: number[] = [];
  for await (const { position } of storage.log({ follow: true, resources: ["things"] })) {
    seen.push(position);
    if (seen.length === 4)
      await storage.commit([
        { kind: "put", key: { resource: "things", parent: "", id: "b" }, body: "{}", expect: { kind: "any" } },
      ]);
    if (seen.length === 5) break;
  }
  assert.deepEqual(seen, [...positions, 9e14 + 2]);
  await storage.close();
  await rm(folder, { recursive: true });
});
