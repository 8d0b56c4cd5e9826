/** Load from `wrk` (64 connections, one thread) on a core of its own, and processes on the other. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";

export interface Load {
  readonly url: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON body; `%d` is replaced by a running number. */
  readonly body?: string;
  /** Appended to the path: one of these paths in turn. */
  readonly paths?: readonly string[];
  readonly seconds: number;
  readonly connections?: number;
}

export interface LoadResult {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly errors: number;
}

/** Starts a server script on the first core; resolves with what it prints as its first line of JSON. */
export async function serve(
  script: string,
  args: readonly string[],
): Promise<{ child: ChildProcess; info: Record<string, unknown> }> {
  const child = spawn(pinned(0)[0] ?? "", [...pinned(0).slice(1), process.execPath, script, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  const info = await new Promise<Record<string, unknown>>((resolve, reject) => {
    child.stdout.on("data", function first(data) {
      output += data;
      const end = output.indexOf("\n");
      if (end < 0) return;
      child.stdout.off("data", first);
      child.stdout.resume();
      resolve(JSON.parse(output.slice(0, end)));
    });
    child.on("exit", (code) => reject(new Error(`${script} ended with ${code}`)));
  });
  return { child, info };
}

export function load({
  url,
  method = "GET",
  headers = {},
  body,
  paths = [""],
  seconds,
  connections = 64,
}: Load): LoadResult {
  const folder = mkdtempSync(join(tmpdir(), "rouage-bench-"));
  const script = join(folder, "load.lua");
  writeFileSync(script, lua({ method, headers, body, paths: paths.map((path) => new URL(url).pathname + path) }));
  const command = pinned(1);
  const result = spawnSync(
    command[0] ?? "",
    [...command.slice(1), "wrk", "-t1", `-c${connections}`, `-d${seconds}s`, "--latency", "-s", script, url],
    { encoding: "utf8" },
  );
  rmSync(folder, { recursive: true });
  if (result.error !== undefined || result.status !== 0)
    throw new Error(
      `wrk is needed for the benchmarks (Debian: apt-get install wrk): ${result.error?.message ?? result.stderr}`,
    );
  const line = /RESULT (\S+) (\S+) (\S+) (\S+)/.exec(result.stdout);
  if (line === null) throw new Error(`wrk said: ${result.stdout}`);
  const [, perSecond, p50, p99, errors] = line.map(Number);
  return { perSecond: perSecond ?? 0, p50: p50 ?? 0, p99: p99 ?? 0, errors: errors ?? 0 };
}

/** The command that pins to a core, where there is more than one. */
function pinned(core: number): readonly string[] {
  return cpus().length > 1 && process.platform === "linux" ? ["taskset", "-c", String(core)] : ["env"];
}

function lua(parts: {
  method: string;
  headers: Readonly<Record<string, string>>;
  body: string | undefined;
  paths: readonly string[];
}): string {
  const text = (value: string) => JSON.stringify(value);
  return `
local paths = { ${parts.paths.map(text).join(", ")} }
local headers = { ${Object.entries(parts.headers)
    .map(([name, value]) => `[${text(name)}] = ${text(value)}`)
    .join(", ")} }
local body = ${parts.body === undefined ? "nil" : text(parts.body)}
local n = 0
request = function()
  n = n + 1
  local sent = body
  if sent ~= nil then sent = sent:gsub("%%d", tostring(n)) end
  return wrk.format(${text(parts.method)}, paths[(n % #paths) + 1], headers, sent)
end
done = function(summary, latency)
  local errors = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout
  io.write(string.format("RESULT %f %f %f %d\\n", summary.requests / (summary.duration / 1e6), latency:percentile(50) / 1000, latency:percentile(99) / 1000, errors))
end
`;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
