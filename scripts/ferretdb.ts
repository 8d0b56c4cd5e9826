/** Builds FerretDB, which speaks the protocol of MongoDB, by the ordinary client of Go's modules, into a folder outside of the project. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ferretFolder, ferretVersion } from "../packages/rouage/src/storage/mongodb/test-server.ts";

/** What its go.mod asks for. */
const neededGo = "1.24.3";

/** Whether there is a Go to build it with. */
export function hasGo(): boolean {
  return spawnSync("go", ["version"]).status === 0;
}

/** @throws Error with what Go says */
export function buildFerret(): void {
  const folder = mkdtempSync(join(tmpdir(), "ferretdb-"));
  try {
    const go = goIn(folder);
    const version = `v${ferretVersion}`;
    const { Dir } = JSON.parse(go(["mod", "download", "-json", `github.com/FerretDB/FerretDB@${version}`]));
    const source = join(folder, "source");
    cpSync(Dir, source, { recursive: true });
    // Modules are kept without the right to write.
    spawnSync("chmod", ["-R", "u+w", source]);
    // Its release writes this file; without it the program does not start.
    writeFileSync(join(source, "build/version/version.txt"), `${version}\n`);
    for (const { file, from, to } of changes) change(join(source, "internal/backends/sqlite", file), from, to);
    mkdirSync(ferretFolder(), { recursive: true });
    const built = join(ferretFolder(), "ferretdb.new");
    go(["-C", source, "build", "-o", built, "./cmd/ferretdb"]);
    renameSync(built, join(ferretFolder(), "ferretdb"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * It has an index of keys, and does not use it: its queries spell the expression otherwise than the index does, and look at the key alone only where
 * nothing else is asked for. What it answers stays the same, for it filters once more in any case.
 */
const changes = [
  { file: "metadata/metadata.go", from: `"->'$._id'"`, to: '`->"_id"`' },
  { file: "collection.go", from: "if params.Filter.Len() == 1 {", to: "if params.Filter.Len() > 0 {" },
] as const;

function change(file: string, from: string, to: string): void {
  const text = readFileSync(file, "utf8");
  if (!text.includes(from)) throw new Error(`${file} is not as it was: ${from} is not in it`);
  writeFileSync(file, text.replaceAll(from, to));
}

type Go = (parameters: readonly string[]) => string;

/** The Go of this machine where it is new enough, or one that it fetches: Debian 12 has 1.19, which cannot read FerretDB's go.mod. */
function goIn(folder: string): Go {
  const own = runner("go", folder);
  const [, major, minor] = /go(\d+)\.(\d+)/.exec(own(["version"])) ?? [];
  const [neededMajor, neededMinor] = neededGo.split(".");
  if (Number(major) * 1_000 + Number(minor) >= Number(neededMajor) * 1_000 + Number(neededMinor)) return own;
  process.stdout.write(`go: ${major}.${minor} is too old for FerretDB ${ferretVersion}; fetching ${neededGo}\n`);
  try {
    return runner(join(fetched(own), "bin/go"), folder);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `FerretDB ${ferretVersion} needs Go ${neededGo}; here is ${major}.${minor}, and ${neededGo} cannot be fetched. Install one that is new enough, or name FerretDB's program in FERRETDB_BIN or a server in ROUAGE_TEST_MONGODB.\n${reason}`,
      { cause },
    );
  }
}

/** Go is a module too; newer versions fetch others by themselves, if they are not told not to. */
function fetched(go: Go): string {
  const [system, processor] = go(["env", "GOOS", "GOARCH"]).trim().split("\n");
  const { Dir } = JSON.parse(
    go(["mod", "download", "-json", `golang.org/toolchain@v0.0.1-go${neededGo}.${system}-${processor}`]),
  );
  // Modules are kept without the right to run.
  for (const programs of [join(Dir, "bin"), join(Dir, "pkg/tool", `${system}_${processor}`)])
    for (const program of readdirSync(programs)) chmodSync(join(programs, program), 0o755);
  return Dir;
}

function runner(program: string, cwd: string): Go {
  const { GOROOT: _GOROOT, ...environment } = process.env;
  return (parameters) => {
    const result = spawnSync(program, parameters, {
      cwd,
      encoding: "utf8",
      env: { ...environment, CGO_ENABLED: "0", GOTOOLCHAIN: "local" },
    });
    if (result.status !== 0)
      throw new Error(`go ${parameters.join(" ")}: ${result.error?.message ?? `${result.stderr}${result.stdout}`}`);
    return result.stdout;
  };
}
