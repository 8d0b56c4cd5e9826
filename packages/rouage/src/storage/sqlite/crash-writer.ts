/** A process that commits as fast as it can and says on standard output what was acknowledged; for tests that kill it. */
import { writeSync } from "node:fs";
import { systemClock } from "../../clock.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { sqliteStorage } from "./sqlite.ts";

/** What is printed for each acknowledged commit, as one JSON line. */
export interface Acknowledged {
  readonly id: string;
  readonly positions: readonly number[];
}

/** Every commit makes these together: an object in either list and an event. */
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
    Array.from({ length: 16 }, async () => {
      while (n < Number(commits)) {
        const id = `${name}-${n++}`;
        const body = JSON.stringify({ name: id, n, filler: "x".repeat((n * 997) % 6_000) });
        const puts = lists.map(
          (list) => ({ kind: "put", key: { ...list, id }, body, expect: { kind: "absent" } }) as const,
        );
        const key = { ...lists[0], id };
        const results = await storage.commit([...puts, { kind: "event", key, type: "written", data: { id } }]);
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
