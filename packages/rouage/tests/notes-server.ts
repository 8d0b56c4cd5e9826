/** A small service as a process of its own, for tests that kill it. Takes the storage's URL, prints its origin. */
import { Type } from "typebox";
import { everyone, resource, service } from "../src/index.ts";
import { listen } from "../src/runtime/node.ts";

const notes = resource("notes", {
  schema: Type.Object({ n: Type.Integer(), text: Type.String() }),
  access: { create: [everyone], read: [everyone], write: [everyone] },
});

const [storage = "memory:"] = process.argv.slice(2);
const running = await service({ name: "notes", version: "1.0.0", resources: [notes] }).start({
  settings: { storage, log_level: "silent" },
});
const server = await listen(running);
process.stdout.write(`${server.origin}\n`);
