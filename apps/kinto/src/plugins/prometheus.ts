/** The plugin `prometheus`: metrics where Kinto has them, at `/__metrics__`. */
import { everyone, reply, route } from "rouage";
import type { KintoPlugin } from "./kinto-plugin.ts";

export const prometheus: KintoPlugin = {
  includes: ["kinto.plugins.prometheus"],

  create: () => ({
    plugin: {
      name: "prometheus",
      capabilities: {
        prometheus: {
          description: "Prometheus metrics.",
          url: "https://kinto.readthedocs.io/en/latest/configuration/settings.html#prometheus",
        },
      },
      routes: ({ metrics }) => [
        route("GET", "/__metrics__", {
          access: [everyone],
          operational: true,
          summary: "Metrics as Prometheus text",
          tag: "Utilities",
          handler: () =>
            reply(200, metrics.expose(), {
              "content-type": "text/plain; version=0.0.4; charset=utf-8",
              "cache-control": "no-store",
            }),
        }),
      ],
    },
  }),
};
