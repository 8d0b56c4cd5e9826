/** Style, script, icons: read once, named by their content, cached for a year. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { everyone, type Route, reply, route, ServiceError } from "rouage";

const types: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
};

const names = ["urgence.css", "urgence.js", "icons.svg", "favicon.svg"] as const;
export type AssetName = (typeof names)[number];

interface Asset {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly type: string;
}

const assets: ReadonlyMap<AssetName, Asset> = new Map(names.map((name) => [name, load(name)]));
const byPath = new Map([...assets.values()].map((asset) => [asset.path, asset]));

/** The address of an asset, for example `/assets/urgence.4f1c….css`. */
export function assetPath(name: AssetName): string {
  return assets.get(name)?.path ?? "";
}

export const assetRoute: Route = route("GET", "/assets/{file}", {
  access: [everyone],
  unversioned: true,
  documented: false,
  handler: ({ params }) => {
    const asset = byPath.get(`/assets/${params.file}`);
    if (asset === undefined) throw new ServiceError("route-not-found");
    return reply(200, asset.bytes, {
      "content-type": asset.type,
      "cache-control": "public, max-age=31536000, immutable",
      "x-content-type-options": "nosniff",
      "cross-origin-resource-policy": "same-origin",
    });
  },
});

function load(name: AssetName): Asset {
  const bytes = readFileSync(new URL(`./assets/${name}`, import.meta.url));
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 12);
  const dot = name.lastIndexOf(".");
  const extension = name.slice(dot + 1);
  return {
    path: `/assets/${name.slice(0, dot)}.${hash}.${extension}`,
    bytes,
    type: types[extension] ?? "application/octet-stream",
  };
}
