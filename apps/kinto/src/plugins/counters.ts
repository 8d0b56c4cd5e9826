/** `GET /__counters__`: how many objects and tombstones there are of each kind. */
import { everyone, route } from "rouage";
import type { KintoPlugin } from "./kinto-plugin.ts";

export const counters: KintoPlugin = {
  includes: ["kinto.plugins.counters"],
  isOn: () => true,

  create: () => ({
    plugin: {
      name: "counters",
      capabilities: {
        counters_endpoint: {
          description: "The __counters__ endpoint exposes the number of objects and tombstones of each resource.",
          url: "https://kinto.readthedocs.io/en/latest/api/1.x/utilities.html",
        },
      },
      routes: ({ storage }) => [
        route("GET", "/__counters__", {
          access: [everyone],
          credentials: "optional",
          summary: "Numbers of objects and tombstones by resource",
          tag: "Utilities",
          handler: async () => {
            const totals = (await storage.totals()).filter(({ resource }) => counted.has(resource));
            const count = (of: "objects" | "tombstones") =>
              Object.fromEntries(totals.filter((total) => total[of] > 0).map((total) => [total.resource, total[of]]));
            return { objects: count("objects"), tombstones: count("tombstones") };
          },
        }),
      ],
    },
  }),
};

/** What clients know; what the service keeps for itself is not counted. */
const counted: ReadonlySet<string> = new Set([
  ...["account", "bucket", "collection", "group", "record"],
  ...["history", "attachments"],
]);
