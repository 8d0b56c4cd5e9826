/** Decides when the write-ahead log is moved into the database, and has a thread of its own do it. */
import { once } from "node:events";
import { statSync } from "node:fs";
import { Worker } from "node:worker_threads";
import type { Logger } from "../../telemetry/log.ts";
import type { CheckpointAnswer, CheckpointMode } from "./checkpoint-worker.ts";
import type { GroupCommit } from "./group-commit.ts";

export interface Checkpointer {
  /** Tells of a transaction; looks at the file now and then, and starts a checkpoint when it is due. */
  committed(): void;
  close(): Promise<void>;
}

export interface CheckpointerOptions {
  readonly path: string;
  readonly log: Logger;
  /** Bytes written since the last checkpoint that make the next one due. */
  readonly dueBytes?: number;
  /** Size of the write-ahead log from which on writes wait while it is started afresh. */
  readonly restartBytes?: number;
}

/** Transactions between two looks at the file. */
const lookEvery = 16;

export function checkpointer(
  { path, log, dueBytes = 8_000_000, restartBytes = 64_000_000 }: CheckpointerOptions,
  pause: GroupCommit["pause"],
): Checkpointer {
  let worker: Worker | undefined;
  let running: Promise<void> | undefined;
  let closed = false;
  let transactions = 0;
  let written = 0;
  let seen = 0;

  /** The log is written from its start again after everything in it was moved, so its size alone does not tell. */
  function look(): void {
    const size = walSize(path);
    written += Math.max(size - seen, lookEvery * 4096);
    seen = size;
    if (written < dueBytes || running !== undefined) return;
    written = 0;
    running = checkpoint(size).finally(() => {
      running = undefined;
    });
  }

  async function checkpoint(size: number): Promise<void> {
    try {
      await ask("PASSIVE");
      // Under writes without end a passive checkpoint never catches up and the file would grow for ever.
      if (size > restartBytes && !closed) await pause(() => ask("RESTART"));
    } catch (error) {
      log.warn({ error, path }, "checkpoint failed; it will be tried again");
    }
  }

  async function ask(mode: CheckpointMode): Promise<void> {
    if (worker === undefined) {
      const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
      worker = new Worker(new URL(`./checkpoint-worker.${extension}`, import.meta.url), { workerData: path });
      worker.unref();
      worker.once("exit", () => {
        worker = undefined;
      });
    }
    const answered = once(worker, "message");
    worker.postMessage(mode);
    const [answer]: CheckpointAnswer[] = await answered;
    if (answer?.error !== undefined) throw answer.error;
  }

  return {
    committed() {
      transactions++;
      if (!closed && transactions % lookEvery === 0) look();
    },
    async close() {
      closed = true;
      worker?.ref();
      await running;
      if (worker === undefined) return;
      const exited = once(worker, "exit");
      worker.postMessage("close");
      await exited;
    },
  };
}

export function walSize(path: string): number {
  return statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
}
