/** A process that commits as fast as it can, half of it in transactions of several commits, and says on standard output what was acknowledged; for tests that kill it. */
import { writeSync } from "node:fs";
import { systemClock } from "../../clock.ts";
import { silentLogger } from "../../telemetry/log.ts";
import type { Change, ChangeResult, Storage } from "../storage.ts";
import { sqliteStorage } from "./sqlite.ts";

/** What is printed for each acknowledged commit, as one JSON line. */
export interface Acknowledged {
  readonly id: string;
  readonly positions: readonly number[];
}

/** Every commit, or every transaction, makes these together: an object in either list and an event. */
export const lists = [
  { resource: "left", parent: "" },
  { resource: "right", parent: "/p" },
] as const;

if (import.meta.main) {
  const [path = "", name = "", commits = "1e9"] = process.argv.slice(2);
  const storage = sqliteStorage({ path, clock: systemClock, log: silentLogger });
  await storage.define(lists.map(({ resource }) => ({ resource, indexes: [["n"]], unique: [["name"]] })));
  let n = 0;
  await Promise.all(
    Array.from({ length: 16 }, async (_, worker) => {
      while (n < Number(commits)) {
        const id = `${name}-${n++}`;
        const body = JSON.stringify({ name: id, n, filler: "x".repeat((n * 997) % 6_000) });
        const puts = lists.map(
          (list) => ({ kind: "put", key: { ...list, id }, body, expect: { kind: "absent" } }) as const,
        );
        const key = { ...lists[0], id };
        const event = { kind: "event", key, type: "written", data: { id } } as const;
        const results =
          worker % 2 === 0
            ? await storage.commit([...puts, event])
            : await storage.transaction(() => oneByOne(storage, [...puts, event]));
        const line: Acknowledged = {
          id,
          positions: results.flatMap((result) => ("position" in result ? result.position : [])),
        };
        writeSync(1, `${JSON.stringify(line)}\n`);
      }
    }),
  );
  await storage.close();
}

/** In a transaction these are as much one step as in one commit. */
async function oneByOne(storage: Storage, changes: readonly Change[]): Promise<readonly ChangeResult[]> {
  const results: ChangeResult[] = [];
  for (const change of changes) {
    results.push(...(await storage.commit([change])));
    await new Promise(setImmediate);
  }
  return results;
}
