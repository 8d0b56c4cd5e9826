/**
 * One reader of the log for everybody who watches lists: what it reads is handed to those who watch the entry's list. It reads only
 * while somebody watches, and knows nothing of callers and rules.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as delay } from "node:timers/promises";
import type { ListKey } from "../storage/keys.ts";
import type { LogEntry, Storage } from "../storage/storage.ts";
import type { Logger } from "../telemetry/log.ts";

export interface LogHub {
  /** Everything that happens to the list behind the position, in order, from now until `close`; `overflowed` is called when too much waits. */
  join(list: ListKey, after: number, overflowed?: () => void): Subscription;
  /** How many have joined. */
  readonly watchers: number;
}

/** What one watcher has not taken yet. */
export interface Subscription {
  /** The next entry; `idle` when there was none for `timeoutMs`; `ended` when `signal` aborted; `overflow` when the watcher is too far behind. */
  next(signal: AbortSignal, timeoutMs: number): Promise<LogEntry | "idle" | "ended" | "overflow">;
  close(): void;
}

export interface LogHubOptions {
  readonly storage: Pick<Storage, "log">;
  readonly log: Logger;
  /** Most entries that wait for one watcher. Default 1000. */
  readonly mostWaiting?: number;
  /** Most characters of bodies that wait for one watcher. Default 4 Mi. */
  readonly mostCharacters?: number;
}

const retryMs = 1000;

export function createLogHub(options: LogHubOptions): LogHub {
  const { storage, log, mostWaiting = 1000, mostCharacters = 4 * 1024 * 1024 } = options;
  // Who joins first may do so inside of a transaction or a request: the reader must belong to neither.
  const outside = AsyncLocalStorage.snapshot();
  const watched = new Map<string, Set<Queue>>();
  let count = 0;
  /** Entries up to here were handed out. */
  let position = 0;
  let reading: AbortController | undefined;

  return {
    get watchers() {
      return count;
    },
    join(list, after, overflowed) {
      if (reading === undefined) {
        position = after;
        const started = new AbortController();
        reading = started;
        outside(() => void follow(started.signal));
      }
      const name = nameOf(list);
      const queue = createQueue(after, { mostWaiting, mostCharacters, overflowed });
      const others = watched.get(name) ?? new Set();
      watched.set(name, others.add(queue));
      count++;
      const missed = position > after ? readMissed(list, after, position) : undefined;
      return subscription(queue, missed, () => {
        if (!others.delete(queue)) return;
        if (others.size === 0 && watched.get(name) === others) watched.delete(name);
        count--;
        if (count > 0) return;
        reading?.abort();
        reading = undefined;
      });
    },
  };

  /** What the reader had handed out already when the watcher joined. */
  function readMissed({ resource, parent }: ListKey, after: number, until: number): AsyncIterator<LogEntry> {
    async function* entries(): AsyncGenerator<LogEntry> {
      for await (const entry of storage.log({ after, resources: [resource], parent })) {
        if (entry.position > until) return;
        yield entry;
      }
    }
    return entries();
  }

  async function follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        for await (const entry of storage.log({ after: position, follow: true, signal })) {
          if (signal.aborted) return;
          position = entry.position;
          const queues = watched.get(nameOf(entry));
          if (queues !== undefined && entry.action !== "event") for (const queue of queues) queue.push(entry);
        }
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ err: error }, "the log cannot be followed; tried again");
      }
      // A log that ends without being told to belongs to a storage that is closing.
      await delay(retryMs, undefined, { signal, ref: false }).catch(() => {});
    }
  }
}

interface Queue {
  push(entry: LogEntry): void;
  take(): LogEntry | "overflow" | undefined;
  /** Resolves when there is something to take, after `timeoutMs`, or when `signal` aborts. */
  wait(signal: AbortSignal, timeoutMs: number): Promise<void>;
}

interface QueueBounds {
  readonly mostWaiting: number;
  readonly mostCharacters: number;
  readonly overflowed: (() => void) | undefined;
}

function createQueue(after: number, { mostWaiting, mostCharacters, overflowed }: QueueBounds): Queue {
  let waiting: LogEntry[] = [];
  let characters = 0;
  let isOver = false;
  let wake: (() => void) | undefined;
  return {
    push(entry) {
      if (isOver || entry.position <= after) return;
      waiting.push(entry);
      characters += entry.body?.length ?? 0;
      if (waiting.length > mostWaiting || (characters > mostCharacters && waiting.length > 1)) {
        isOver = true;
        waiting = [];
        overflowed?.();
      }
      wake?.();
    },
    take() {
      if (isOver) return "overflow";
      const entry = waiting.shift();
      characters -= entry?.body?.length ?? 0;
      return entry;
    },
    wait(signal, timeoutMs) {
      if (signal.aborted || isOver || waiting.length > 0) return Promise.resolve();
      return new Promise((resolve) => {
        const done = (): void => {
          wake = undefined;
          clearTimeout(timer);
          signal.removeEventListener("abort", done);
          resolve();
        };
        const timer = setTimeout(done, timeoutMs);
        wake = done;
        signal.addEventListener("abort", done, { once: true });
      });
    },
  };
}

function subscription(queue: Queue, missed: AsyncIterator<LogEntry> | undefined, close: () => void): Subscription {
  let early = missed;
  return {
    async next(signal, timeoutMs) {
      if (early !== undefined) {
        const { value, done } = await early.next();
        if (done !== true) return value.action === "event" ? this.next(signal, timeoutMs) : value;
        early = undefined;
      }
      let taken = queue.take();
      if (taken === undefined) {
        await queue.wait(signal, timeoutMs);
        if (signal.aborted) return "ended";
        taken = queue.take();
      }
      return taken ?? "idle";
    },
    close,
  };
}

function nameOf({ resource, parent }: ListKey): string {
  return `${resource}\n${parent}`;
}
