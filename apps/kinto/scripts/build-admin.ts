/**
 * Bundles the npm package kinto-admin into `dist/admin`: one script, one stylesheet, what they name, and the page. Run by `npm install`; with
 * `--if-possible` an installation without what it takes is none of its business.
 */
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, join, relative } from "node:path";
import type { Plugin } from "esbuild";

const app = join(import.meta.dirname, "..");
const target = join(app, "dist", "admin");
const fresh = `${target}-${process.pid}`;
const { build } = await import("esbuild").catch((error) => {
  if (!process.argv.includes("--if-possible")) throw error;
  process.stdout.write("the admin page is not built: esbuild is not installed\n");
  process.exit(0);
});
const { version } = JSON.parse(
  await readFile(createRequire(import.meta.url).resolve("kinto-admin/package.json"), "utf8"),
);

try {
  const { metafile } = await build({
    entryPoints: [join(app, "admin", "page.js")],
    outdir: fresh,
    bundle: true,
    minify: true,
    metafile: true,
    format: "iife",
    target: "es2022",
    entryNames: "[name]-[hash]",
    assetNames: "[name]-[hash]",
    loader: { ".svg": "file", ".png": "file" },
    define: {
      "process.env.NODE_ENV": '"production"',
      "process.env.REACT_APP_VERSION": "undefined",
      "process.env.KINTO_ADMIN_VERSION": JSON.stringify(version),
    },
    plugins: [asPublished()],
    logLevel: "error",
  });
  const files = Object.keys(metafile.outputs).map((path) => basename(path));
  const [script, style, icon] = [".js", ".css", ".png"].map((end) => files.find((file) => file.endsWith(end)));
  await writeFile(join(fresh, "version.txt"), `${version}\n`);
  await writeFile(
    join(fresh, "index.html"),
    `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Kinto Administration</title>
    <link rel="icon" href="${icon}">
    <link rel="stylesheet" href="${style}">
  </head>
  <body>
    <noscript>The administration needs JavaScript.</noscript>
    <div id="app"></div>
    <script src="${script}"></script>
  </body>
</html>
`,
  );
  await rm(target, { recursive: true, force: true });
  await rename(fresh, target);
  process.stdout.write(`kinto-admin ${version} is in ${relative(process.cwd(), target)}\n`);
} finally {
  await rm(fresh, { recursive: true, force: true });
}

/** What the package was published with relies on its own build: `~` before names of packages, and a stylesheet that was left out. */
function asPublished(): Plugin {
  return {
    name: "as-published",
    setup({ onResolve, onLoad, resolve }) {
      onResolve({ filter: /^~/ }, ({ path, ...options }) =>
        resolve(path.slice(1), { resolveDir: options.resolveDir, kind: options.kind }),
      );
      onResolve({ filter: /^\.\/style\.css$/ }, ({ path, resolveDir }) =>
        /kinto-admin\/lib\/components\/Breadcrumbs$/.test(resolveDir) ? { path, namespace: "left-out" } : undefined,
      );
      onLoad({ filter: /.*/, namespace: "left-out" }, () => ({ contents: "", loader: "css" }));
    },
  };
}
