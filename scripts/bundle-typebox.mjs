/**
 * Makes TypeBox one file a subpath, for `quick-start.mjs`: of 1,280 modules that Urgence loads at its start 680 are TypeBox's, and loading
 * each for itself takes a tenth of a second and 10 MB. Run by `npm install`; the version stands in the folder's name, and a start that
 * finds none of the installed version takes the package as it is.
 */
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { bundleOf } from "./quick-start.mjs";

const { build } = await import("esbuild").catch(() => {
  process.stdout.write("TypeBox is not bundled, starts take longer: esbuild is not installed\n");
  process.exit(0);
});
const { folder, subpaths } = bundleOf("typebox");
const fresh = `${folder}-${process.pid}`;
mkdirSync(fresh, { recursive: true });
try {
  await build({
    entryPoints: Object.entries(subpaths).map(([specifier, file]) => ({
      in: specifier,
      out: file.slice(0, -".mjs".length),
    })),
    outdir: fresh,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    // One copy of what the subpaths share: TypeBox keeps formats and settings in its modules.
    splitting: true,
    format: "esm",
    platform: "neutral",
    logLevel: "warning",
  });
  rmSync(folder, { recursive: true, force: true });
  renameSync(fresh, folder);
} finally {
  rmSync(fresh, { recursive: true, force: true });
}
