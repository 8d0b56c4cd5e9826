/** A Kinto in a process of its own, started as an operator would, on a free port. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { durableStorage, type TestStore, testStore } from "../../../../scripts/test-stores.ts";

export const program = resolve(import.meta.dirname, "../../bin/kinto.mjs");
export const toolkitCli = resolve(import.meta.dirname, "../../../../packages/rouage/src/cli/main.ts");

/** What every program is given of this process's environment. */
const own = { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE };

export interface Started {
  readonly child: ChildProcess;
  /** With the version. */
  readonly remote: string;
  readonly port: number;
  /** From the start of the process to its line "listening". */
  readonly milliseconds: number;
  readonly lines: readonly Readonly<Record<string, unknown>>[];
  /** Ends it and waits until it has ended. */
  end(): Promise<number | null>;
}

/** @throws Error with what the process wrote when it ends before it listens */
export async function startProcess(
  args: readonly string[],
  {
    folder,
    environment = {},
    command = program,
  }: { readonly folder: string; readonly environment?: Readonly<Record<string, string>>; readonly command?: string },
): Promise<Started> {
  const start = performance.now();
  const child = spawn(process.execPath, [command, ...args], {
    cwd: folder,
    env: { ...own, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: Readonly<Record<string, unknown>>[] = [];
  let errors = "";
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  const listening = Promise.withResolvers<string>();
  createInterface(child.stdout).on("line", (text) => {
    const line = JSON.parse(text);
    lines.push(line);
    if (line.msg === "listening") listening.resolve(line.url);
  });
  child.once("exit", (code) => listening.reject(new Error(`ended with ${code} before it listened: ${errors}`)));
  const url = await listening.promise;
  const end = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      // A second signal would end it at once.
      if (!child.killed) child.kill("SIGTERM");
      await once(child, "exit");
    }
    return child.exitCode;
  };
  const port = Number(new URL(url).port);
  return { child, remote: `${url}v1`, port, milliseconds: performance.now() - start, lines, end };
}

/** A store for the programs that run in a folder, and the line of a file of settings that names it. */
export async function storeFor(folder: string): Promise<TestStore & { readonly line: string }> {
  const store = await testStore(durableStorage, join(folder, "kinto.db"));
  return { ...store, line: `kinto.storage_url = ${store.url.replaceAll("%", "%%")}` };
}

/** Runs a command to its end. */
export async function runProcess(
  args: readonly string[],
  {
    folder,
    environment = {},
    command = program,
  }: { readonly folder: string; readonly environment?: Readonly<Record<string, string>>; readonly command?: string },
): Promise<{ readonly code: number | null; readonly output: string; readonly errors: string }> {
  const child = spawn(process.execPath, [command, ...args], {
    cwd: folder,
    env: { ...own, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  const [code] = await once(child, "close");
  return { code, output, errors };
}
