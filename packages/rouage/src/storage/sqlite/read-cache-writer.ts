/** A process that replaces one object again and again and tells of each commit; for tests of what others see of it. */
import { once } from "node:events";
import { systemClock } from "../../clock.ts";
import { silentLogger } from "../../telemetry/log.ts";
import type { ListDefinition } from "../storage.ts";
import { sqliteStorage } from "./sqlite.ts";

export const list = { resource: "things", parent: "" } as const;
export const definition: ListDefinition = { resource: "things", indexes: [], unique: [] };

if (import.meta.main) {
  const [path = "", commits = "0"] = process.argv.slice(2);
  const storage = sqliteStorage({ path, clock: systemClock, log: silentLogger });
  await storage.define([definition]);
  for (let n = 1; n <= Number(commits); n++) {
    const key = { ...list, id: "shared" };
    await storage.commit([{ kind: "put", key, body: JSON.stringify({ n }), expect: { kind: "any" } }]);
    process.send?.(n);
    await once(process, "message");
  }
  await storage.close();
  process.disconnect?.();
}
