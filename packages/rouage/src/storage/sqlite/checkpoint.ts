/**
 * Decides when the write-ahead log is moved into the database, and has a thread of its own do it. A log that was moved is written again from its
 * start and keeps its size: syncing what lies inside of a file takes a fraction of what syncing a file that grows does.
 */
import { once } from "node:events";
import { statSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
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
  /** The connection that writes. */
  readonly connection: DatabaseSync;
  readonly log: Logger;
  /** Bytes not moved yet that make a checkpoint due. */
  readonly dueBytes?: number;
  /** What the write-ahead log may hold before writes wait until it begins anew. */
  readonly limitBytes?: number;
  /** Transactions between two looks at the log. */
  readonly lookEvery?: number;
  /** Longest that transactions stay in a write-ahead log of more than `restBytes`, which readers have to search meanwhile. */
  readonly restMs?: number;
  /** A log this small costs readers nothing worth a thread. */
  readonly restBytes?: number;
  /** How long the thread waits for the next checkpoint before it ends: at rest, a store costs no thread's memory. */
  readonly idleMs?: number;
}

interface Running {
  readonly thread: Worker;
  /** Aborts when the thread has ended. */
  readonly gone: AbortController;
}

/** https://sqlite.org/walformat.html */
const frameHeaderBytes = 24;

export function checkpointer(options: CheckpointerOptions, pause: GroupCommit["pause"]): Checkpointer {
  const { path, connection, log, dueBytes = 2_000_000, limitBytes = 64_000_000, lookEvery = 16 } = options;
  const { restMs = 1_000, restBytes = 1_000_000, idleMs = 10_000 } = options;
  const looking = connection.prepare("PRAGMA wal_checkpoint(NOOP)");
  const frameBytes = Number(connection.prepare("PRAGMA page_size").get()?.page_size) + frameHeaderBytes;
  let worker: Running | undefined;
  let idle: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let emptying: Promise<void> | undefined;
  let closed = false;
  let transactions = 0;
  let limit = limitBytes;
  let rest: NodeJS.Timeout | undefined;

  /** What the log holds, and what of it the database does not have yet; the file may be larger than both. */
  function held(): { readonly bytes: number; readonly unmoved: number } {
    try {
      const { log: frames, checkpointed } = looking.get() ?? {};
      const bytes = Math.max(0, Number(frames)) * frameBytes;
      return { bytes, unmoved: bytes - Math.max(0, Number(checkpointed)) * frameBytes };
    } catch {
      // SQLite does not let a connection look that reads right now. A checkpoint too many does no harm.
      return { bytes: 0, unmoved: Number.POSITIVE_INFINITY };
    }
  }

  function look(): void {
    if (emptying !== undefined) return;
    const { bytes, unmoved } = held();
    if (bytes > limit) emptying = reported(pause(empty)).finally(() => (emptying = undefined));
    else if (unmoved >= dueBytes) move();
  }

  function settle(): void {
    rest = undefined;
    if (held().unmoved > restBytes) move();
  }

  function move(): void {
    clearTimeout(rest);
    rest = undefined;
    if (running !== undefined || emptying !== undefined) return;
    running = reported(ask("PASSIVE")).finally(() => (running = undefined));
  }

  /**
   * Under writes without end a passive checkpoint never catches up, and the log would grow for ever. The file is cut only when something had
   * let it grow far beyond the limit.
   */
  async function empty(): Promise<void> {
    await running;
    await ask(walSize(path) > 2 * limitBytes ? "TRUNCATE" : "RESTART");
    const { bytes, unmoved } = held();
    // Where a reader of another process is in the way, trying again at once would only hold writes up.
    limit = unmoved > 0 ? bytes + limitBytes : limitBytes;
  }

  async function reported(checkpoint: Promise<void>): Promise<void> {
    try {
      await checkpoint;
    } catch (error) {
      log.warn({ error, path }, "checkpoint failed; it will be tried again");
    }
  }

  async function ask(mode: CheckpointMode): Promise<void> {
    clearTimeout(idle);
    worker ??= start();
    const { thread, gone } = worker;
    // A thread that ended does not answer any more.
    const answered = once(thread, "message", { signal: gone.signal });
    thread.postMessage(mode);
    const [answer]: CheckpointAnswer[] = await answered;
    if (!closed) idle = setTimeout(retire, idleMs).unref();
    if (answer?.error !== undefined) throw answer.error;
  }

  function start(): Running {
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    const thread = new Worker(new URL(`./checkpoint-worker.${extension}`, import.meta.url), { workerData: path });
    const gone = new AbortController();
    thread.unref();
    thread.on("error", (error) => log.warn({ error, path }, "the checkpoint thread failed"));
    thread.once("exit", () => {
      if (worker?.thread === thread) worker = undefined;
      gone.abort();
    });
    return { thread, gone };
  }

  function retire(): void {
    worker?.thread.postMessage("close");
    worker = undefined;
  }

  return {
    committed() {
      if (closed) return;
      transactions++;
      rest ??= setTimeout(settle, restMs).unref();
      if (transactions % lookEvery === 0) look();
    },
    async close() {
      closed = true;
      clearTimeout(rest);
      clearTimeout(idle);
      worker?.thread.ref();
      await Promise.all([running, emptying]);
      const last = worker;
      if (last === undefined) return;
      const exited = new Promise<void>((resolve) => last.gone.signal.addEventListener("abort", () => resolve()));
      last.thread.postMessage("close");
      await exited;
    },
  };
}

export function walSize(path: string): number {
  return statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
}
