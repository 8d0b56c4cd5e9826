/** A service with work in the background, as a process of its own. Waits for a line with its settings as JSON, starts, and prints its origin. */
import { createInterface } from "node:readline";
import { Type } from "typebox";
import { consume, everyone, resource, service } from "../../src/index.ts";
import { listen } from "../../src/runtime/node.ts";

const access = { create: [everyone], read: [everyone], write: [everyone] };
const notes = resource("notes", {
  schema: Type.Object({ n: Type.Integer(), text: Type.String() }),
  access,
  retention: { tombstoneSeconds: 1 },
});
/** What the consumer made of each note: how often, and in which process. */
const copies = resource("copies", { schema: Type.Object({ times: Type.Integer(), by: Type.Integer() }), access });
/** Who tried, whatever came of it. */
const tries = resource("tries", { schema: Type.Object({ by: Type.Integer() }), access });

for await (const line of createInterface({ input: process.stdin })) {
  const settings = { log_level: "silent", ...JSON.parse(line) };
  const running = await service({
    name: "notes",
    version: "1.0.0",
    resources: [notes, copies, tries],
    tasks: [
      {
        name: "copy",
        once: true,
        start: ({ storage, clock, log, metrics }) =>
          consume({
            name: "copy",
            source: storage,
            resources: ["notes"],
            async handle({ action, id }, { commit }) {
              if (action !== "create") return;
              const tried = { resource: "tries", parent: "", id: `${process.pid}` };
              const by = JSON.stringify({ by: process.pid });
              await storage.commit([{ kind: "put", key: tried, body: by, expect: { kind: "any" } }]);
              const key = { resource: "copies", parent: "", id };
              const old = await storage.get(key);
              const times = old?.kind === "object" ? JSON.parse(old.body).times + 1 : 1;
              const body = JSON.stringify({ times, by: process.pid });
              await commit([{ kind: "put", key, body, expect: { kind: "any" } }]);
            },
          }).start({ storage, clock, log, metrics }),
      },
    ],
  }).start({ settings });
  const { origin } = await listen(running);
  process.stdout.write(`${origin}\n`);
  break;
}
// Without whoever started it, it has nothing to do.
process.stdin.on("end", () => process.exit()).resume();
