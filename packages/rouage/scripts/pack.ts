/**
 * Makes the tarball to publish: `node scripts/pack.ts FOLDER`. In the workspace the package runs from its source; in the tarball,
 * compiled, from `dist`. It is put together in a temporary folder, so that the work tree stays as it is.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

interface Manifest {
  readonly exports: Readonly<Record<string, string>>;
  readonly bin: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly [key: string]: unknown;
}

const home = resolve(import.meta.dirname, "..");
const root = resolve(home, "../..");
const target = resolve(process.env.INIT_CWD ?? process.cwd(), process.argv[2] ?? ".");
const stage = mkdtempSync(join(tmpdir(), "rouage-pack-"));

try {
  execFileSync(
    join(root, "node_modules/.bin/tsc"),
    ["-p", join(home, "tsconfig.build.json"), "--outDir", join(stage, "dist")],
    {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit"],
    },
  );
  copySwaggerUi(join(stage, "dist/faces/openapi/swagger-ui"));
  for (const name of ["LICENSE", "README.md", "CHANGELOG.md"])
    for (const folder of [root, home])
      if (existsSync(join(folder, name))) copyFileSync(join(folder, name), join(stage, name));
  writeFileSync(join(stage, "package.json"), `${JSON.stringify(publishedManifest(), null, 2)}\n`);
  mkdirSync(target, { recursive: true });
  const packed = execFileSync("npm", ["pack", "--silent", "--pack-destination", target], {
    cwd: stage,
    encoding: "utf8",
  });
  process.stdout.write(`${join(target, packed.trim())}\n`);
} finally {
  rmSync(stage, { recursive: true, force: true });
}

function publishedManifest(): unknown {
  const {
    scripts: _scripts,
    private: _private,
    ...manifest
  } = JSON.parse(readFileSync(join(home, "package.json"), "utf8")) as Manifest;
  const { "swagger-ui-dist": _copied, ...dependencies } = manifest.dependencies;
  const exports = Object.entries(manifest.exports).map(([path, source]) => [
    path,
    { types: compiled(source, "d.ts"), default: compiled(source, "js") },
  ]);
  const bin = Object.entries(manifest.bin).map(([name, source]) => [name, compiled(source, "js")]);
  return {
    ...manifest,
    exports: { ...Object.fromEntries(exports), "./package.json": "./package.json" },
    bin: Object.fromEntries(bin),
    files: ["dist"],
    dependencies,
  };
}

function compiled(source: string, extension: string): string {
  return source.replace(/^\.\/src\//, "./dist/").replace(/\.ts$/, `.${extension}`);
}

/** The three files of Swagger UI that are served, and its licence: its package is larger by ten times, and reports its installation. */
function copySwaggerUi(folder: string): void {
  const from = dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));
  mkdirSync(folder, { recursive: true });
  for (const name of ["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png", "LICENSE", "NOTICE"])
    cpSync(join(from, name), join(folder, name));
}
