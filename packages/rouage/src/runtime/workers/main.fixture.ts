/** A main program of several workers, for the tests of this folder. */
import { existsSync, writeFileSync } from "node:fs";
import { Type } from "typebox";
import { everyone } from "../../operations/access.ts";
import { resource } from "../../resource.ts";
import { route } from "../../route.ts";
import { service } from "../../service.ts";
import { readServiceSettings } from "../../settings.ts";
import { run } from "../run.ts";
import { supervise } from "./supervise.ts";

const access = [everyone];
const notes = resource("notes", {
  schema: Type.Object({ text: Type.String() }),
  access: { create: access, read: access, write: access },
});

const several = service({
  name: "several",
  version: "1.0.0",
  resources: [notes],
  routes: [
    route("GET", "/who", { access, handler: () => ({ number: process.env.ROUAGE_WORKER ?? "", pid: process.pid }) }),
    route("GET", "/slow", {
      access,
      handler: async ({ query: { until } }) => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        while (until !== undefined && !existsSync(until)) await new Promise(setImmediate);
        return { done: true };
      },
    }),
    // Nothing else happens in the worker until a file is there; it says so by making another.
    route("GET", "/block", {
      access,
      handler: ({ query: { until = "" } }) => {
        writeFileSync(`${until}.${process.pid}`, "");
        while (!existsSync(until));
        return { done: true };
      },
    }),
    route("GET", "/wait", { access, handler: () => new Promise<never>(() => {}) }),
  ],
});

if (!supervise(readServiceSettings("several", { environment: process.env }))) {
  // One that never comes to serve.
  if (process.env.ROUAGE_WORKER === process.env.BROKEN_WORKER && process.env.BROKEN_WORKER !== undefined)
    process.exit(7);
  await run(await several.start({ environment: process.env }));
}
