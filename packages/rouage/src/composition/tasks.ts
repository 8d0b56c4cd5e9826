/** Starts the tasks of a service one after the other, and ends them in reverse. */
import type { BackgroundTask, ServiceContext } from "../service-declaration.ts";

/** Ends every task, waiting `timeoutMs` at most for all of them. */
export type StopTasks = (timeoutMs: number) => Promise<void>;

/** @throws what a task threw when starting, after ending those already started */
export async function startTasks(tasks: readonly BackgroundTask[], context: ServiceContext): Promise<StopTasks> {
  const started: { readonly name: string; readonly end: () => Promise<void> }[] = [];
  const stop: StopTasks = async (timeoutMs) => {
    const signal = AbortSignal.timeout(Math.max(0, Math.ceil(timeoutMs)));
    const expired = new Promise<"expired">((resolve) => {
      if (signal.aborted) resolve("expired");
      signal.addEventListener("abort", () => resolve("expired"), { once: true });
    });
    for (const { name, end } of started.toReversed()) {
      try {
        if ((await Promise.race([end(), expired])) === "expired")
          context.log.error({ task: name }, "task did not end in time");
      } catch (error) {
        context.log.error({ err: error, task: name }, "task failed to end");
      }
    }
  };
  for (const task of tasks) {
    try {
      started.push({ name: task.name, end: await task.start(context) });
    } catch (error) {
      context.log.error({ err: error, task: task.name }, "task failed to start");
      await stop(context.settings.stop_timeout_seconds * 1000);
      throw error;
    }
  }
  return stop;
}
