/** The plugin `kinto.plugins.admin`: the page that is the npm package kinto-admin, at `/admin/`. */
import { join, resolve } from "node:path";
import { everyone, type HttpRequest, type Reply, type Route, reply, route, ServiceError } from "rouage";
import type { SettingsReader } from "../../settings/reader.ts";
import type { KintoPlugin } from "../kinto-plugin.ts";
import { type Asset, type Assets, readAssets } from "./assets.ts";

/** Of kinto-admin as `package.json` names it. */
const adminVersion = "1.31.1";

const built = join(import.meta.dirname, "../../../dist/admin");

export const admin: KintoPlugin = {
  includes: ["kinto.plugins.admin"],

  create({ reader }) {
    const own = reader.text("admin_assets_path");
    const folder = own === undefined ? built : resolve(own);
    const headers = headersFor(reader);
    let assets: Promise<Assets | undefined> | undefined;
    return {
      plugin: {
        name: "admin",
        capabilities: {
          admin: {
            description: "Serve the admin console.",
            url: "https://github.com/Kinto/kinto-admin/",
            ...(own === undefined && { version: adminVersion }),
          },
        },
        routes: ({ settings }) => {
          const path = `/v${Number.parseInt(settings.http_api_version, 10)}/admin`;
          const page = (name: string) => async (request: HttpRequest) => {
            assets ??= readAssets(folder);
            const found = await assets;
            if (found === undefined) {
              // It may be built while the service runs.
              assets = undefined;
              return reply(404, howToBuild(folder, own !== undefined), { "content-type": "text/plain; charset=utf-8" });
            }
            return answer(request, found.get(name), headers);
          };
          return [
            serving("/admin", async () => reply(307, undefined, { location: `${path}/` })),
            serving("/admin/", page("index.html")),
            serving("/admin/{a}", (request, { a = "" }) => page(a)(request)),
            serving("/admin/{a}/{b}", (request, { a = "", b = "" }) => page(`${a}/${b}`)(request)),
            serving("/admin/{a}/{b}/{c}", (request, { a = "", b = "", c = "" }) => page(`${a}/${b}/${c}`)(request)),
          ];
        },
      },
    };
  },
};

function serving(
  path: string,
  handler: (request: HttpRequest, params: Readonly<Record<string, string>>) => Promise<Reply>,
): Route {
  return route("GET", path, {
    access: [everyone],
    credentials: "optional",
    documented: false,
    summary: "The page for administrators",
    handler: ({ request, params }) => handler(request, params as Readonly<Record<string, string>>),
  });
}

function answer(request: HttpRequest, asset: Asset | undefined, headers: Readonly<Record<string, string>>): Reply {
  if (asset === undefined) throw new ServiceError("route-not-found");
  const { bytes, gzipped, type, etag, isImmutable } = asset;
  const common = {
    ...headers,
    etag,
    "cache-control": isImmutable ? "public, max-age=31536000, immutable" : "no-cache",
    ...(gzipped !== undefined && { vary: "Accept-Encoding" }),
  };
  if (request.header("if-none-match")?.includes(etag) === true) return reply(304, undefined, common);
  const isGzipped =
    gzipped !== undefined && /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(request.header("accept-encoding") ?? "");
  return reply(200, isGzipped ? gzipped : bytes, {
    ...common,
    "content-type": type,
    ...(isGzipped && { "content-encoding": "gzip" }),
  });
}

/**
 * Everything comes from here, and no script is inline. `unsafe-eval`: the library of forms compiles the schemas of collections into functions.
 * `unsafe-inline` of styles: notifications and the editor write stylesheets of their own into the page. Images may come from where attachments are.
 */
function headersFor(reader: SettingsReader): Readonly<Record<string, string>> {
  const elsewhere = ["attachment.base_url", "attachment.extra.base_url"].flatMap((key) => {
    const url = reader.text(key);
    return url !== undefined && URL.canParse(url) ? [new URL(url).origin] : [];
  });
  return {
    "content-security-policy": [
      "default-src 'none'",
      "script-src 'self' 'unsafe-eval'",
      "style-src 'self' 'unsafe-inline'",
      ["img-src 'self' data:", ...new Set(elsewhere)].join(" "),
      "font-src 'self'",
      "connect-src 'self'",
      "form-action 'self'",
      "base-uri 'none'",
      "frame-ancestors 'none'",
    ].join("; "),
    "referrer-policy": "no-referrer",
  };
}

function howToBuild(folder: string, isOwn: boolean): string {
  if (isOwn) return `There is no index.html in ${folder}, which the setting admin_assets_path names.\n`;
  return "The admin page has not been built yet. In the folder of the project:\n\n  npm install\n  npm run build-admin -w kinto-app\n";
}
