/**
 * A small service as a process of its own, for tests that do to it what may happen to it. Loads everything, waits for a line with its settings as JSON,
 * starts, and prints its origin.
 */
import { createInterface } from "node:readline";
import { Type } from "typebox";
import { everyone, resource, service } from "../../src/index.ts";
import { listen } from "../../src/runtime/node.ts";

const notes = resource("notes", {
  schema: Type.Object({ n: Type.Integer(), text: Type.String() }),
  access: { create: [everyone], read: [everyone], write: [everyone] },
});

for await (const line of createInterface({ input: process.stdin })) {
  // That the machine has too much to do is not what is tried here.
  const settings = { log_level: "silent", shed_event_loop_delay_ms: 0, ...JSON.parse(line) };
  const running = await service({ name: "notes", version: "1.0.0", resources: [notes] }).start({ settings });
  const { origin } = await listen(running);
  process.stdout.write(`${origin}\n`);
  break;
}
// Without whoever started it, it has nothing to do.
process.stdin.on("end", () => process.exit()).resume();
