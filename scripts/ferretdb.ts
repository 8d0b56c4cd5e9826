/** Builds FerretDB, which speaks the protocol of MongoDB, by the ordinary client of Go's modules, into a folder outside of the project. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ferretFolder, ferretVersion } from "../packages/rouage/src/storage/mongodb/test-server.ts";

/** Whether there is a Go to build it with. */
export function hasGo(): boolean {
  return spawnSync("go", ["version"]).status === 0;
}

/** @throws Error with what Go says */
export function buildFerret(): void {
  const folder = mkdtempSync(join(tmpdir(), "ferretdb-"));
  try {
    const version = `v${ferretVersion}`;
    const { Dir } = JSON.parse(go(["mod", "download", "-json", `github.com/FerretDB/FerretDB@${version}`], folder));
    const source = join(folder, "source");
    cpSync(Dir, source, { recursive: true });
    // Modules are kept without the right to write.
    spawnSync("chmod", ["-R", "u+w", source]);
    // Its release writes this file; without it the program does not start.
    writeFileSync(join(source, "build/version/version.txt"), `${version}\n`);
    mkdirSync(ferretFolder(), { recursive: true });
    const built = join(ferretFolder(), "ferretdb.new");
    go(["build", "-o", built, "./cmd/ferretdb"], source);
    renameSync(built, join(ferretFolder(), "ferretdb"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function go(parameters: readonly string[], cwd: string): string {
  const result = spawnSync("go", parameters, {
    cwd,
    encoding: "utf8",
    env: { ...process.env, CGO_ENABLED: "0" },
  });
  if (result.status !== 0) throw new Error(`go ${parameters.join(" ")}: ${result.error?.message ?? result.stderr}`);
  return result.stdout;
}
