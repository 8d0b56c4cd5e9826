/** Load from `wrk` (one thread) on a core of its own, and server processes on the other. */
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

export interface Load {
  readonly url: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON body; `%d` is replaced by a running number. */
  readonly body?: string;
  /** Appended to the path: one of these in turn. */
  readonly paths?: readonly string[];
  readonly seconds: number;
  readonly connections?: number;
}

export interface LoadResult {
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Failed connections and answers that are no success. */
  readonly errors: number;
}

/** A server process, pinned to the first core. */
export interface ServerProcess<T> {
  readonly child: ChildProcess;
  /** What it told once it listened. */
  readonly info: T;
  stop(): Promise<void>;
}

/** @throws Error when `wrk` is not installed */
export function assertWrk(): void {
  if (spawnSync("wrk", ["-v"]).error !== undefined)
    throw new Error("the benchmarks need wrk, a load generator: apt-get install wrk, or https://github.com/wg/wrk");
}

/** Starts a server script, its output in a file as in production; resolves with the first message it sends. */
export async function startServer<T>(
  script: string,
  args: readonly string[],
  output: string,
): Promise<ServerProcess<T>> {
  const log = openSync(output, "w");
  const [command = "", ...before] = pinned(0);
  const child = spawn(command, [...before, process.execPath, script, ...args], {
    stdio: ["ignore", log, "inherit", "ipc"],
  });
  closeSync(log);
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const info = await new Promise<T>((resolve, reject) => {
    child.once("message", (message) => resolve(message as T));
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${script} ended with ${code} before it listened`)));
  });
  return {
    child,
    info,
    async stop() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** Puts load on a URL and waits until it is over. */
export async function load(options: Load): Promise<LoadResult> {
  const { url, seconds, connections = 64 } = options;
  const folder = mkdtempSync(join(tmpdir(), "rouage-load-"));
  try {
    const script = join(folder, "load.lua");
    writeFileSync(script, lua(options));
    const [command = "", ...before] = pinned(1);
    const wrk = ["wrk", "-t1", `-c${connections}`, `-d${seconds}s`, "--latency", "-s", script, url];
    const { stdout } = await promisify(execFile)(command, [...before, ...wrk]);
    const line = /RESULT (\S+) (\S+) (\S+) (\S+)/.exec(stdout);
    if (line === null) throw new Error(`wrk said: ${stdout}`);
    const [, perSecond = 0, p50 = 0, p99 = 0, errors = 0] = line.map(Number);
    return { perSecond, p50, p99, errors };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The command that pins to a core, where there is more than one. */
export function pinned(core: number): readonly string[] {
  return cpus().length > 1 && process.platform === "linux" ? ["taskset", "-c", String(core)] : ["env"];
}

function lua({ url, method = "GET", headers = {}, body, paths = [""] }: Load): string {
  const text = (value: string) => JSON.stringify(value);
  const base = new URL(url).pathname;
  const table = Object.entries(headers).map(([name, value]) => `[${text(name)}] = ${text(value)}`);
  return `
local paths = { ${paths.map((path) => text(base + path)).join(", ")} }
local headers = { ${table.join(", ")} }
local body = ${body === undefined ? "nil" : text(body)}
local requests = {}
local n = 0
request = function()
  n = n + 1
  local at = (n % #paths) + 1
  if requests[at] ~= nil then return requests[at] end
  ${
    // Requests that are always the same are formatted once: wrk must not be what is measured.
    body?.includes("%d") === true
      ? `return wrk.format(${text(method)}, paths[at], headers, (body:gsub("%%d", tostring(n))))`
      : `requests[at] = wrk.format(${text(method)}, paths[at], headers, body)
  return requests[at]`
  }
end
done = function(summary, latency)
  local failed = summary.errors
  local errors = failed.connect + failed.read + failed.write + failed.status + failed.timeout
  local rate = summary.requests / (summary.duration / 1e6)
  io.write(string.format("RESULT %f %f %f %d\\n", rate, latency:percentile(50) / 1000, latency:percentile(99) / 1000, errors))
end
`;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}
