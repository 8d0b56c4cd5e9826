/**
 * GET of one worker against two. Each core has a worker and a load generator of its own, so that the second worker brings its share of the load along: one of each
 * on the first core alone, then one of each on both.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { median } from "./load.ts";

export interface WorkersResult {
  /** Requests a second, medians. */
  readonly one: number;
  readonly two: number;
  /** Two of one, round by round, median. */
  readonly ratio: number;
}

const connectionsPerWorker = 32;

/** Bare `node:http`, which shares its port by `node:cluster`, and a service of ours, in turn. @throws Error where there are no two cores to pin to */
export async function measureWorkers(
  rounds: number,
  seconds: number,
): Promise<{ readonly raw: WorkersResult; readonly rouage: WorkersResult }> {
  if (process.platform !== "linux" || availableParallelism() < 2)
    throw new Error("two workers are compared on Linux with two cores (taskset)");
  const measured: Record<"raw" | "rouage", { one: number; two: number }[]> = { raw: [], rouage: [] };
  for (let round = 0; round < rounds; round++)
    for (const [name, script] of [["raw", "raw-workers.ts"] as const, ["rouage", "workers.ts"] as const]) {
      const one = await measure(script, 1, seconds);
      const two = await measure(script, 2, seconds);
      measured[name].push({ one, two });
    }
  return { raw: summary(measured.raw), rouage: summary(measured.rouage) };
}

function summary(rounds: readonly { readonly one: number; readonly two: number }[]): WorkersResult {
  return {
    one: median(rounds.map(({ one }) => one)),
    two: median(rounds.map(({ two }) => two)),
    ratio: median(rounds.map(({ one, two }) => two / one)),
  };
}

async function measure(script: string, workers: number, seconds: number): Promise<number> {
  const folder = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), "rouage-workers-"));
  const port = await freePort();
  const output = join(folder, "log");
  const log = openSync(output, "w");
  const path = join(import.meta.dirname, "servers", script);
  const child = spawn(process.execPath, [path, folder, String(port), String(workers)], {
    stdio: ["ignore", log, "inherit"],
  });
  closeSync(log);
  try {
    const listening = (): number => readFileSync(output, "utf8").split('"msg":"listening"').length - 1;
    for (let waited = 0; listening() < workers; waited += 50) {
      if (child.exitCode !== null || waited > 60_000) throw new Error("the workers did not start");
      await setTimeout(50);
    }
    const url = `http://127.0.0.1:${port}/v1/kittens/tom`;
    // Compiled code first.
    await loads(url, workers, 1);
    return await loads(url, workers, seconds);
  } finally {
    child.kill("SIGTERM");
    if (child.exitCode === null) await once(child, "exit");
    rmSync(folder, { recursive: true, force: true });
  }
}

/** All together, one load generator on each core. */
async function loads(url: string, count: number, seconds: number): Promise<number> {
  const results = await Promise.all(
    Array.from({ length: count }, async (_, core) => {
      const wrk = ["wrk", "-t", "1", "-c", String(connectionsPerWorker), "-d", String(seconds), url];
      const { stdout } = await promisify(execFile)("taskset", ["-c", String(core), ...wrk]);
      if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`the load failed:\n${stdout}`);
      return Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]);
    }),
  );
  return results.reduce((sum, each) => sum + each, 0);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
