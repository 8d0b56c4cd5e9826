/**
 * What makes a program of this repository start fast. Plain JavaScript, because it has to happen before the first TypeScript file is loaded: compiled code is
 * kept from start to start, in a folder that only who installed the program may write to, and TypeBox is read from the one file that
 * `bundle-typebox.mjs` made of it at the installation. Later starts then take half the time and 30 MB less.
 */
import { existsSync, readFileSync } from "node:fs";
import { enableCompileCache, registerHooks } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const modules = join(import.meta.dirname, "../node_modules");

/** @param {string} program names the folder of its compiled code */
export function quickStart(program) {
  enableCompileCache(join(modules, ".cache", program));
  const { folder, subpaths } = bundleOf("typebox");
  if (!existsSync(folder)) return;
  /** @type {Map<string, string>} */
  const bundled = new Map();
  for (const [specifier, file] of Object.entries(subpaths))
    bundled.set(specifier, pathToFileURL(join(folder, file)).href);
  registerHooks({
    resolve(specifier, context, next) {
      const url = bundled.get(specifier);
      return url === undefined ? next(specifier, context) : { url, format: "module", shortCircuit: true };
    },
  });
}

/**
 * Where the bundle of a package is kept, and the file of each specifier in it.
 * @param {string} name
 */
export function bundleOf(name) {
  /** @type {{ version: string, exports: Record<string, unknown> }} */
  const { version, exports } = JSON.parse(readFileSync(join(modules, name, "package.json"), "utf8"));
  /** @type {Record<string, string>} */
  const subpaths = {};
  for (const path of Object.keys(exports)) subpaths[join(name, path)] = `${path === "." ? "index" : path.slice(2)}.mjs`;
  return { folder: join(modules, ".cache/bundles", `${name}-${version}`), subpaths };
}
