/** Routes that serve Swagger UI from the files of the installed package: nothing comes from elsewhere, nothing is inline. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { ServiceError } from "../../errors.ts";
import { everyone } from "../../operations/access.ts";
import { type Reply, type Route, reply, route } from "../../route.ts";

/** `/docs` and the files of the page, read when first asked for; it shows the `openapi.json` beside it. */
export function docsRoutes(title: string): readonly Route[] {
  const files = new Map<string, Promise<Uint8Array>>();
  const common = { access: [everyone], documented: false };
  return [
    route("GET", "/docs", { ...common, handler: () => page(title) }),
    route("GET", "/docs/{file}", { ...common, handler: ({ params }) => asset(params.file, files) }),
  ];
}

/** Everything is refused except our own files; Swagger UI draws its icons from `data:` and styles elements by script. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

function page(title: string): Reply {
  const name = title.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${name}</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" href="docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/initializer.js"></script>
</body>
</html>
`;
  return reply(200, html, {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": policy,
    "cache-control": "no-cache",
  });
}

/** Relative addresses: the page works behind a proxy that serves it below another path. */
const initializer = `SwaggerUIBundle({ url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true });\n`;

const types: Readonly<Record<string, string>> = {
  "swagger-ui.css": "text/css; charset=utf-8",
  "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
  "favicon-32x32.png": "image/png",
};

async function asset(name: string, files: Map<string, Promise<Uint8Array>>): Promise<Reply> {
  const headers = { "content-security-policy": policy, "cache-control": "public, max-age=86400" };
  if (name === "initializer.js")
    return reply(200, initializer, { ...headers, "content-type": "text/javascript; charset=utf-8" });
  const type = Object.hasOwn(types, name) ? types[name] : undefined;
  if (type === undefined) throw new ServiceError("route-not-found");
  let content = files.get(name);
  if (content === undefined) {
    content = readFile(join(swaggerFolder(), name));
    content.catch(() => files.delete(name));
    files.set(name, content);
  }
  return reply(200, await content, { ...headers, "content-type": type });
}

/** The published package carries the few files it serves; a work tree has them from the package of Swagger UI. */
function swaggerFolder(): string {
  const own = join(import.meta.dirname, "swagger-ui");
  if (existsSync(own)) return own;
  return dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));
}
