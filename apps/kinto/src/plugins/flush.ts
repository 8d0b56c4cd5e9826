/** The plugin `flush`: `POST /__flush__` empties everything. A help for tests: whoever can reach the service may call it. */
import { everyone, reply, route, type ServiceContext } from "rouage";
import type { KintoPlugin } from "./kinto-plugin.ts";

export const flush: KintoPlugin = {
  includes: ["kinto.plugins.flush"],

  create: () => ({
    plugin: {
      name: "flush",
      capabilities: {
        flush_endpoint: {
          description: "The __flush__ endpoint can be used to remove all data from all backends.",
          url: "https://kinto.readthedocs.io/en/latest/api/1.x/flush.html",
        },
      },
      routes: (context) => [
        route("POST", "/__flush__", {
          access: [everyone],
          credentials: "optional",
          summary: "Remove every object, permission and cached value",
          tag: "Utilities",
          handler: async () => {
            await flushAll(context);
            return reply(202, {}, { "cache-control": "no-cache, no-store" });
          },
        }),
      ],
    },
  }),
};

/** Objects, tombstones, permissions, the revisions of lists and the cache. */
async function flushAll({ storage, cache, log }: ServiceContext): Promise<void> {
  await storage.flush();
  await cache.flush();
  log.info({}, "server flushed");
}
