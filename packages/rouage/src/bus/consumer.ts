/**
 * Reads the log of a service, in order and at least once, from a position of its own that survives restarts. What fails is tried
 * again before anything behind it; what never succeeds goes to a list of dead letters. Knows no broker.
 */
import { setTimeout as delay } from "node:timers/promises";
import { type ErrorCode, ServiceError } from "../errors.ts";
import type { JsonObject } from "../json.ts";
import { parseTraceparent, type TraceContext } from "../operations/trace.ts";
import type { BackgroundTask, ServiceContext } from "../service-declaration.ts";
import {
  type Change,
  type ChangeResult,
  CommitConflict,
  type CommitContext,
  type LogEntry,
  type LogQuery,
  parseEntry,
  type Storage,
} from "../storage/storage.ts";
import type { Logger } from "../telemetry/log.ts";
import { createLag } from "./lag.ts";

/** What a handler may use beside the entry. */
export interface ConsumeContext {
  /** Aborts when the consumer stops. */
  readonly signal: AbortSignal;
  /** 1 for the first try of this entry. */
  readonly attempt: number;
  /** Correlation of the request that caused the entry; the consumer's own commits keep it. */
  readonly requestId: string;
  readonly trace?: TraceContext | undefined;
  /** Its lines say the request id and the trace. */
  readonly log: Logger;
  /**
   * Commits the consumer's own changes to its store together with its position: both or none, so that the entry takes effect
   * exactly once in that store. At most once for an entry.
   */
  commit(changes: readonly Change[]): Promise<readonly ChangeResult[]>;
}

export interface ConsumerOptions {
  /** Unique among the consumers of a store; its position is kept under this name. */
  readonly name: string;
  /** Whose log is read: another service's storage, say. */
  readonly source: {
    log(query: LogQuery): AsyncIterable<LogEntry>;
    /** End of the log, for `consumer_lag_positions`. Absent: the oldest entry that waits counts as the end. */
    position?(): Promise<number>;
  };
  /** Where position and dead letters are kept. Default: the storage of the service that runs the consumer. */
  readonly store?: Storage;
  /** Only entries of these resources. Default: all. */
  readonly resources?: readonly string[];
  /** Called for one entry at a time. Must bear being called again for an entry it has already handled. */
  handle(entry: LogEntry, context: ConsumeContext): Promise<void> | void;
  readonly retry?: ConsumerRetry;
  /** Waits between attempts. Default: a timer. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

export interface ConsumerRetry {
  /** Tries of one entry before it is a dead letter; `unavailable` errors do not count, they are nothing the entry did. Default 10. */
  readonly attempts?: number;
  /** Delay after the first failure; doubles with each further one. Default 200. */
  readonly initialMs?: number;
  /** Default 30 000. */
  readonly maximumMs?: number;
}

/** The parts of a service a consumer runs in. */
export type ConsumerHost = Pick<ServiceContext, "storage" | "clock" | "log" | "metrics">;

/** A consumer as a task of a service. */
export interface Consumer extends BackgroundTask {
  start(host: ConsumerHost): Promise<() => Promise<void>>;
}

/** What is kept about an entry that could not be handled: where it is in the log, not its content, which may have to be erased. */
export interface DeadLetter {
  readonly id: string;
  readonly consumer: string;
  readonly position: number;
  readonly entry: Pick<LogEntry, "resource" | "parent" | "id" | "action" | "type">;
  /** The last failures, oldest first. */
  readonly failures: readonly { readonly time: number; readonly message: string; readonly code?: ErrorCode }[];
}

/** Lists that consumers keep in their store. */
export const consumerLists = { positions: "consumers", deadLetters: "dead-letters" } as const;

/**
 * Declares a consumer, to be listed in a service's `tasks`. Stopping it waits for the entry being handled.
 * @example consume({ name: "mail", source: accounts.storage, resources: ["accounts"], handle: (entry) => send(entry) })
 */
export function consume(options: ConsumerOptions): Consumer {
  return {
    name: options.name,
    once: true,
    start: async (host) => {
      const store = options.store ?? host.storage;
      await store.define([
        { resource: consumerLists.positions, indexes: [], unique: [] },
        { resource: consumerLists.deadLetters, indexes: [["consumer"]], unique: [] },
      ]);
      const stop = new AbortController();
      const log = host.log.child({ consumer: options.name });
      const run = createRun({ options, store, host, log, signal: stop.signal });
      const ended = run();
      return async () => {
        stop.abort();
        await ended;
      };
    },
  };
}

/** The dead letters of a store, oldest first; of one consumer where named. */
export async function* deadLetters(store: Storage, consumer?: string): AsyncGenerator<DeadLetter> {
  for await (const entry of store.scan(consumerLists.deadLetters)) {
    const letter = parseEntry(entry) as unknown as DeadLetter;
    if (entry.kind === "object" && (consumer === undefined || letter.consumer === consumer)) yield letter;
  }
}

interface Run {
  readonly options: ConsumerOptions;
  readonly store: Storage;
  readonly host: ConsumerHost;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

interface Place {
  position: number;
  /** Revision of the stored position; undefined before the first. Guards against a second instance of the same consumer. */
  revision: number | undefined;
}

const ownLists: ReadonlySet<string> = new Set(Object.values(consumerLists));
const keptFailures = 10;

function createRun({ options, store, host, log, signal }: Run): () => Promise<void> {
  const { name, retry = {}, resources } = options;
  const attempts = retry.attempts ?? 10;
  const initialMs = retry.initialMs ?? 200;
  const maximumMs = retry.maximumMs ?? 30_000;
  const key = { resource: consumerLists.positions, parent: "", id: name };
  const outcome = (result: string) =>
    host.metrics.counter(
      "consumer_entries_total",
      "Log entries by what became of them: handled, failed (a try), dead-letter",
      {
        consumer: name,
        outcome: result,
      },
    );
  const handled = outcome("handled");
  const failed = outcome("failed");
  const dead = outcome("dead-letter");
  let position = 0;
  host.metrics.gauge("consumer_position", "Position up to which the log is handled", () => position, {
    consumer: name,
  });
  const lag = createLag({
    ...{ source: options.source, resources, ignored: ownLists, clock: host.clock, signal },
    position: () => position,
  });
  host.metrics.gauge(
    "consumer_lag_positions",
    "Positions of the log behind its end, 0 when nothing waits; as of the previous reading",
    lag.positions,
    { consumer: name },
  );
  host.metrics.gauge(
    "consumer_lag_seconds",
    "Age of the oldest entry that waits, 0 when none does; as of the previous reading",
    lag.seconds,
    { consumer: name },
  );

  return async () => {
    let failures = 0;
    while (!signal.aborted) {
      try {
        const place = await load();
        position = place.position;
        for await (const entry of options.source.log({
          after: place.position,
          follow: true,
          signal,
          ...(resources === undefined ? {} : { resources }),
        })) {
          if (signal.aborted) return;
          failures = 0;
          // Its own bookkeeping, when a service consumes its own log, would never end.
          if (!ownLists.has(entry.resource)) await work(entry, place);
          position = place.position;
        }
        failures++;
      } catch (error) {
        if (signal.aborted) return;
        failures++;
        log.warn({ err: error }, "consumer interrupted; reads on from its stored position");
      }
      await pause(failures);
    }
  };

  async function load(): Promise<Place> {
    const entry = await store.get(key);
    if (entry?.kind !== "object") return { position: 0, revision: undefined };
    return { position: Number(parseEntry(entry).position), revision: entry.revision };
  }

  async function work(entry: LogEntry, place: Place): Promise<void> {
    const errors: DeadLetter["failures"][number][] = [];
    const { requestId = crypto.randomUUID(), traceparent } = entry;
    const trace = traceparent === undefined ? undefined : { traceparent };
    const correlation = { requestId, ...trace };
    const ownLog = log.child({ rid: requestId, ...traceField(traceparent) });
    let counted = 0;
    for (let attempt = 1; !signal.aborted; attempt++) {
      let isCommitted = false;
      try {
        await options.handle(entry, {
          signal,
          attempt,
          requestId,
          trace,
          log: ownLog,
          commit: async (changes) => {
            if (isCommitted) throw new Error("the position of this entry is committed already");
            const results = await commit(place, entry.position, changes, correlation);
            isCommitted = true;
            return results.slice(0, changes.length);
          },
        });
        if (!isCommitted) await commit(place, entry.position, []);
        handled.add();
        return;
      } catch (error) {
        if (error instanceof Superseded) throw error;
        failed.add();
        if (isCommitted) {
          // The effect and the position are durable: trying again would be a second effect.
          ownLog.error({ err: error, position: entry.position }, "consumer failed behind its commit");
          return;
        }
        if (signal.aborted) return;
        if (!(ServiceError.is(error) && error.code === "unavailable")) counted++;
        errors.push(failureOf(error, host.clock.now()));
        if (errors.length > keptFailures) errors.shift();
        if (counted >= attempts) {
          await bury(entry, place, errors);
          ownLog.error({ err: error, position: entry.position, attempts: attempt }, "entry moved to the dead letters");
          dead.add();
          return;
        }
        ownLog.warn({ err: error, position: entry.position, attempt }, "entry failed, will be tried again");
        await pause(attempt);
      }
    }
  }

  async function commit(
    place: Place,
    to: number,
    changes: readonly Change[],
    correlation?: CommitContext,
  ): Promise<readonly ChangeResult[]> {
    const expect =
      place.revision === undefined
        ? ({ kind: "absent" } as const)
        : ({ kind: "revision", revision: place.revision } as const);
    const own: Change = { kind: "put", key, body: JSON.stringify({ position: to }), expect, logBody: false };
    try {
      const results = await store.commit([...changes, own], correlation);
      const last = results.at(-1);
      if (last?.kind === "created" || last?.kind === "updated") place.revision = last.object.revision;
      place.position = to;
      return results;
    } catch (error) {
      if (error instanceof CommitConflict && error.change === changes.length) throw new Superseded(name);
      throw error;
    }
  }

  async function bury(entry: LogEntry, place: Place, failures: DeadLetter["failures"]): Promise<void> {
    const { resource, parent, id, action, type } = entry;
    const body: JsonObject = {
      consumer: name,
      position: entry.position,
      entry: { resource, parent, id, action, ...(type === undefined ? {} : { type }) },
      failures: failures.map((failure) => ({ ...failure })),
    };
    const letter: Change = {
      kind: "put",
      key: { resource: consumerLists.deadLetters, parent: "", id: `${name}-${entry.position}` },
      body: JSON.stringify(body),
      expect: { kind: "any" },
      logBody: false,
    };
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await commit(place, entry.position, [letter]);
        return;
      } catch (error) {
        if (error instanceof Superseded) throw error;
        log.warn({ err: error, position: entry.position }, "dead letter cannot be stored, will be tried again");
        await pause(attempt);
      }
    }
  }

  /** Exponential, half of it jitter, so that consumers that failed together do not come back together. */
  async function pause(failures: number): Promise<void> {
    const ceiling = Math.min(maximumMs, initialMs * 2 ** Math.min(Math.max(failures - 1, 0), 30));
    const ms = ceiling / 2 + (Math.random() * ceiling) / 2;
    await (options.wait ?? waitFor)(ms, signal).catch(() => {});
  }
}

/** Another instance of the consumer moved the position. */
class Superseded extends Error {
  constructor(name: string) {
    super(`another instance of consumer ${name} is at work on the same store`);
  }
}

function traceField(traceparent: string | undefined): object {
  const trace = parseTraceparent(traceparent)?.traceId;
  return trace === undefined ? {} : { trace };
}

async function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal });
}

function failureOf(error: unknown, time: number): DeadLetter["failures"][number] {
  // Messages of unknown errors may quote the entry; the stack is in the log.
  if (ServiceError.is(error)) return { time, message: error.message.slice(0, 500), code: error.code };
  return { time, message: error instanceof Error ? error.name : typeof error };
}
