/**
 * The published package works for a stranger: packs `rouage`, installs the tarball into an empty project, type-checks and runs the service
 * of the README from it, and imports every subpath that the package exports.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "rouage-package-"));
let server: ChildProcess | undefined;

try {
  run("npm", ["run", "--silent", "pack", "-w", "rouage", "--", folder], root);
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"));
  if (tarball === undefined) throw new Error("the pack script made no tarball");

  const project = join(folder, "project");
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "stranger", private: true, type: "module" }));
  const { dependencies, peerDependencies } = JSON.parse(
    readFileSync(join(root, "packages/rouage/package.json"), "utf8"),
  );
  // What only some subpaths need (the conformance suite) is theirs to install.
  const peers = Object.entries(peerDependencies).map(([name, range]) => `${name}@${range}`);
  const wanted = [join(folder, tarball), `typebox@${dependencies.typebox}`, ...peers];
  run("npm", ["install", "--no-audit", "--no-fund", ...wanted], project);

  const installed = JSON.parse(readFileSync(join(project, "node_modules/rouage/package.json"), "utf8"));
  const subpaths = Object.keys(installed.exports).filter((path) => !path.endsWith(".json"));
  const imports = subpaths.map((path) => `await import(${JSON.stringify(`rouage${path.slice(1)}`)});`);
  writeFileSync(join(project, "imports.ts"), imports.join("\n"));
  run(process.execPath, ["imports.ts"], project);
  for (const path of subpaths) {
    const { types } = installed.exports[path];
    if (typeof types !== "string" || !existsSync(join(project, "node_modules/rouage", types)))
      throw new Error(`export ${path} of the package has no declarations`);
  }

  writeFileSync(join(project, "kittens.ts"), serviceOfReadme());
  const options = ["--strict", "--noEmit", "--module", "nodenext", "--target", "esnext", "--skipLibCheck"];
  run(
    join(root, "node_modules/.bin/tsc"),
    [...options, "--typeRoots", join(root, "node_modules/@types"), "--types", "node", "kittens.ts"],
    project,
  );

  server = spawn(process.execPath, ["node_modules/rouage/dist/cli/main.js", "start", "kittens.ts"], {
    cwd: project,
    env: { ...process.env, KITTENS_PORT: "0", KITTENS_STORAGE: "memory:" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const origin = await originOf(server);
  const kitten = { name: "Tom", weight: 4.2 };
  const created = await fetch(`${origin}/v1/kittens`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ data: kitten }),
  });
  const { data } = (await created.json()) as Answer;
  const read = (await (await fetch(`${origin}/v1/kittens/${data.id}`)).json()) as Answer;
  if (created.status !== 201 || read.data.name !== kitten.name)
    throw new Error("the README's service did not keep a kitten");
  process.stdout.write(`${tarball}: ${subpaths.length} subpaths import, the README's service runs\n`);
} finally {
  server?.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}

interface Answer {
  readonly data: { readonly id: string; readonly name: string };
}

function serviceOfReadme(): string {
  const block = /```ts\n(\/\/ kittens\.ts\n[\s\S]*?)```/.exec(readFileSync(join(root, "README.md"), "utf8"));
  if (block?.[1] === undefined) throw new Error("README.md shows no kittens.ts");
  return block[1];
}

/** The origin in the first line of the log that names one. */
function originOf(child: ChildProcess): Promise<string> {
  return new Promise((resolvePromise, reject) => {
    let output = "";
    child.stdout?.on("data", (data) => {
      output += data;
      const origin = /https?:\/\/127\.0\.0\.1:\d+/.exec(output)?.[0];
      if (origin !== undefined) resolvePromise(origin);
    });
    child.on("exit", (code) => reject(new Error(`the README's service ended with ${code}: ${output}`)));
    setTimeout(() => reject(new Error(`the README's service did not start: ${output}`)), 30_000).unref();
  });
}

function run(command: string, args: readonly string[], cwd: string): void {
  execFileSync(command, args, { cwd, stdio: ["ignore", "ignore", "inherit"] });
}
