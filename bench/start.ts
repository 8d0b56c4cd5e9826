/** Starts Urgence as `npm start` does and measures how soon it answers and what memory it keeps while nobody asks. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";

export interface Start {
  /** From the start of the process to its first answer, milliseconds. */
  readonly answerMs: number;
  /** Resident memory after `idleMs` without a request; not a number where there is no /proc. */
  readonly idleMegabytes: number;
}

const longestStartMs = 30_000;

/** @param folder of its data; made when absent, kept from start to start */
export async function measureStart(folder: string, { idleMs }: { readonly idleMs: number }): Promise<Start> {
  const root = join(import.meta.dirname, "..");
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const [program = "", ...args] = String(scripts.start).split(" ");
  const port = await freePort();
  const started = performance.now();
  const child = spawn(program === "node" ? process.execPath : program, args, {
    cwd: root,
    stdio: "ignore",
    env: {
      ...process.env,
      HOST: "127.0.0.1",
      PORT: String(port),
      URGENCE_STORAGE: `sqlite:${join(folder, "data")}`,
      URGENCE_MAIL: `file:${join(folder, "mail")}`,
      URGENCE_DEMO: "false",
    },
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const stop = () => void child.kill("SIGKILL");
  process.once("exit", stop);
  try {
    await firstAnswer(`http://127.0.0.1:${port}/v1/`, () => child.exitCode !== null);
    const answerMs = performance.now() - started;
    await setTimeout(idleMs);
    const idleMegabytes = residentMegabytes(child.pid ?? 0);
    // In order, so that the next start finds what this one left.
    child.kill("SIGTERM");
    return { answerMs, idleMegabytes };
  } finally {
    await Promise.race([ended, setTimeout(10_000, undefined, { ref: false })]);
    stop();
    process.off("exit", stop);
  }
}

async function firstAnswer(url: string, hasEnded: () => boolean): Promise<void> {
  const until = performance.now() + longestStartMs;
  while (performance.now() < until && !hasEnded()) {
    try {
      const response = await fetch(url);
      await response.body?.cancel();
      return;
    } catch {
      await setTimeout(5);
    }
  }
  throw new Error(hasEnded() ? "Urgence ended before it answered" : "Urgence did not answer in time");
}

function residentMegabytes(pid: number): number {
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return Number(kilobytes) / 1024;
  } catch {
    return Number.NaN;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
