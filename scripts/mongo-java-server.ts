/**
 * Builds the second server of the MongoDB tests, which has change streams: Maven brings the library mongo-java-server, `javac` compiles what makes a
 * program of it, all into a folder outside of the project.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { streamingFolder, streamingSource } from "../packages/rouage/src/storage/mongodb/streaming-server.ts";

/** Whether there is what it is built with. */
export function hasMaven(): boolean {
  return ["mvn", "javac"].every((program) => spawnSync(program, ["-version"]).status === 0);
}

/** @throws Error with what Maven or Java says */
export function buildStreamingServer(): void {
  const target = streamingFolder();
  mkdirSync(dirname(target), { recursive: true });
  const folder = mkdtempSync(`${target}-`);
  try {
    run("mvn", [
      "--batch-mode",
      "--quiet",
      "--file",
      join(import.meta.dirname, "mongo-java-server/pom.xml"),
      "dependency:copy-dependencies",
      `-DoutputDirectory=${join(folder, "lib")}`,
    ]);
    const source = join(folder, "StreamingServer.java");
    writeFileSync(source, streamingSource());
    run("javac", ["-cp", join(folder, "lib", "*"), "-d", join(folder, "classes"), source]);
    rmSync(target, { recursive: true, force: true });
    renameSync(folder, target);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function run(program: string, parameters: readonly string[]): void {
  const { status, stdout, stderr, error } = spawnSync(program, parameters, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} ${parameters.join(" ")}: ${error?.message ?? `${stdout}${stderr}`}`);
}
