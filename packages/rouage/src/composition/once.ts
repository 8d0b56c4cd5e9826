/**
 * Tasks that run in one process at a time, of all that use a store: whoever has the storage's lease runs them, the others wait for it. A task may still run twice for
 * a moment, where a process has lost its lease and not noticed: what it writes is expected to say what it was written on, as a consumer's position does.
 */
import type { BackgroundTask, ServiceContext } from "../service-declaration.ts";
import type { Lease } from "../storage/storage.ts";
import { type StopTasks, startTasks } from "./tasks.ts";

export interface OnceOptions {
  /** Between two tries to get the lease. */
  readonly everyMs?: number;
}

const leaseName = "tasks";
/** The longest that nobody works after a process was killed. */
const everyMs = 1_000;

/** @throws what a task threw when starting, where the lease was free at once */
export async function startOnce(
  tasks: readonly BackgroundTask[],
  context: ServiceContext,
  { everyMs: pauseMs = everyMs }: OnceOptions = {},
): Promise<StopTasks> {
  const { storage, log } = context;
  if (tasks.length === 0) return async () => {};
  if (!storage.capabilities.shared || storage.lease === undefined) return startTasks(tasks, context);
  const stopping = new AbortController();
  let isWarned = false;
  /** Longest that the tasks may take to end. */
  let stopMs = context.settings.stop_timeout_seconds * 1000;

  async function take(): Promise<Lease | undefined> {
    try {
      const lease = await storage.lease?.(leaseName);
      isWarned = false;
      return lease;
    } catch (error) {
      if (!isWarned) log.warn({ err: error }, "nobody can say who does the background work; it is asked again");
      isWarned = true;
      return undefined;
    }
  }

  /** Works while the lease lasts. */
  async function hold(lease: Lease, stop: StopTasks): Promise<void> {
    await aborted(AbortSignal.any([lease.lost, stopping.signal]));
    if (!stopping.signal.aborted) log.warn({}, "the background work is somebody else's, perhaps; it is left");
    await stop(stopMs);
    await lease.release();
  }

  async function start(lease: Lease): Promise<StopTasks> {
    try {
      return await startTasks(tasks, context);
    } catch (error) {
      await lease.release();
      throw error;
    }
  }

  async function wait(): Promise<void> {
    while (!stopping.signal.aborted) {
      await pause(pauseMs * (0.8 + 0.4 * Math.random()), stopping.signal);
      if (stopping.signal.aborted) return;
      const lease = await take();
      if (lease === undefined) continue;
      try {
        const stop = await start(lease);
        log.info({}, "does the background work from now on");
        await hold(lease, stop);
      } catch {
        // Said by the task; tried again.
      }
    }
  }

  const first = await take();
  const stopFirst = first === undefined ? undefined : await start(first);
  const running = first === undefined || stopFirst === undefined ? wait() : hold(first, stopFirst).then(() => wait());
  return async (timeoutMs) => {
    stopMs = timeoutMs;
    stopping.abort();
    await running;
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Keeps no process alive. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), ms).unref();
  await aborted(AbortSignal.any([over.signal, signal]));
  clearTimeout(timer);
}
