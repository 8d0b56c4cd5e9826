/** A main program for the tests of this folder: routes that wait, break, and reject behind the answer. */
import { everyone } from "../operations/access.ts";
import { route } from "../route.ts";
import { service } from "../service.ts";
import { run } from "./run.ts";

const access = [everyone];
const breaking = service({
  name: "breaking",
  version: "1.0.0",
  routes: [
    route("GET", "/slow", {
      access,
      handler: async ({ query }) => {
        await new Promise((resolve) => setTimeout(resolve, Number(query.ms ?? 20)));
        return { done: true };
      },
    }),
    route("GET", "/reject", {
      access,
      handler: () => {
        void Promise.reject(new Error("nobody waits for this"));
        return { done: true };
      },
    }),
    route("GET", "/break", {
      access,
      handler: () => {
        setImmediate(() => {
          throw new Error("broken for good");
        });
        return { done: true };
      },
    }),
  ],
});

await run(await breaking.start({ settings: { storage: "memory:", port: 0 }, environment: process.env }));
