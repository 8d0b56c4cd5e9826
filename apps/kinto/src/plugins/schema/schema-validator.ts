/** Asks the thread to check and to use schemas, one after the other, and ends it when one of them takes too long or too much. */
import { Worker } from "node:worker_threads";
import type { SchemaFault, SchemaJob, SchemaVerdict } from "./schema-thread-job.ts";

export interface SchemaValidator {
  /** Faults of a schema: what keeps it from being used. */
  check(schema: string): Promise<readonly SchemaFault[]>;
  /** Faults of an object. @param data JSON text */
  validate(schema: string, data: string): Promise<readonly SchemaFault[]>;
  close(): Promise<void>;
}

/** Longest that one schema may take, the start of the thread apart. */
const longestMs = 500;

interface Waiting {
  readonly job: SchemaJob;
  readonly resolve: (faults: readonly SchemaFault[]) => void;
}

export function schemaValidator(): SchemaValidator {
  const queue: Waiting[] = [];
  let thread: Worker | undefined;
  let current: Waiting | undefined;
  let timer: NodeJS.Timeout | undefined;
  let numbers = 0;

  function start(): Worker {
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    const started = new Worker(new URL(`./schema-thread.${extension}`, import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: 96 },
    });
    started.on("message", ({ number, faults }: SchemaVerdict) => {
      if (current?.job.number === number) settle(faults);
    });
    const lost = () => {
      if (thread !== started) return;
      thread = undefined;
      settle(tooMuch);
    };
    started.on("error", lost);
    started.on("exit", lost);
    started.unref();
    return started;
  }

  function settle(faults: readonly SchemaFault[]): void {
    clearTimeout(timer);
    const done = current;
    current = undefined;
    done?.resolve(faults);
    next();
  }

  function next(): void {
    if (current !== undefined) return;
    current = queue.shift();
    if (current === undefined) return;
    thread ??= start();
    const used = thread;
    const { job } = current;
    used.postMessage(job);
    // A thread that has just been made loads its modules first.
    timer = setTimeout(
      () => {
        if (current?.job.number !== job.number) return;
        thread = undefined;
        void used.terminate();
        settle(tooMuch);
      },
      longestMs + (numbers <= 1 ? 2000 : 500),
    );
  }

  const ask = (schema: string, data?: string): Promise<readonly SchemaFault[]> =>
    new Promise((resolve) => {
      const job = { number: ++numbers, schema };
      queue.push({ job: data === undefined ? job : { ...job, data }, resolve });
      next();
    });

  return {
    check: (schema) => ask(schema),
    validate: (schema, data) => ask(schema, data),
    async close() {
      const last = thread;
      thread = undefined;
      clearTimeout(timer);
      for (const { resolve } of [...(current === undefined ? [] : [current]), ...queue.splice(0)]) resolve(tooMuch);
      current = undefined;
      await last?.terminate();
    },
  };
}

const tooMuch: readonly SchemaFault[] = [
  { name: "schema", description: "The schema takes too long to validate with", code: "too-costly" },
];
