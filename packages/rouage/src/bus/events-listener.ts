/** Listeners: code that is told of every event, in order and at least once, also of those that happened while it was away. */

import { ServiceError } from "../errors.ts";
import type { Resource } from "../resource-declaration.ts";
import type { BackgroundTask, ServiceContext } from "../service-declaration.ts";
import { CommitConflict, parseEntry, type Storage } from "../storage/storage.ts";
import { type ConsumeContext, type ConsumerRetry, consume, consumerLists } from "./consumer.ts";
import { type ChangeAction, type ChangeEvent, eventMaker } from "./events.ts";
import { eventSource, type GroupBounds } from "./events-source.ts";

export interface ListenerOptions {
  /** Unique among the listeners and consumers of a service: lower-case letters, digits, dashes. Its position is kept under this name. */
  readonly name: string;
  /** Default: all resources of the service. */
  readonly resources?: readonly Resource[];
  /** Default: all. */
  readonly actions?: readonly ChangeAction[];
  /** Called for one event at a time. Must bear being called again for an event it has already handled: `event.id` is the same. */
  handler(event: ChangeEvent, context: ListenerContext): Promise<void> | void;
  readonly retry?: ConsumerRetry;
  /** True: when it starts for the first time, it is told of everything that the log has. Default: of what happens from then on. */
  readonly fromStart?: boolean;
  /** Leaves out fields that only some callers may read. Default false. */
  readonly publicOnly?: boolean;
  /** Waits between attempts. Default: a timer. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

export type ListenerContext = Omit<ConsumeContext, "commit">;

/**
 * Declares a listener, to be listed in a service's `tasks`. What fails is tried again before anything behind it; what never succeeds becomes
 * a dead letter.
 * @example listen({ name: "index", resources: [kittens], actions: ["create"], handler: ({ payload }) => index(payload.impacted_objects) })
 */
export function listen(options: ListenerOptions): BackgroundTask {
  if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(options.name))
    throw new Error(
      `listener ${options.name}: the name must be lower-case letters and digits, in words joined by dashes`,
    );
  return { name: options.name, once: true, start: (context) => startListener(options, context) };
}

async function startListener(options: ListenerOptions, context: ServiceContext): Promise<() => Promise<void>> {
  const { name, actions, fromStart = false, publicOnly = false } = options;
  const { storage } = context;
  const resources = options.resources ?? context.resources;
  const attempts = options.retry?.attempts ?? 10;
  const make = eventMaker({ storage, resources: context.resources, publicOnly });
  const source = eventSource({ storage, begun: () => readBounds(storage, name) });
  if (!fromStart) await beginAtEnd(storage, name);

  let current:
    | { readonly last: number; readonly events: readonly ChangeEvent[]; readonly done: Set<string> }
    | undefined;
  return consume({
    name,
    source,
    store: storage,
    resources: resources.map((resource) => resource.name),
    ...(options.retry === undefined ? {} : { retry: options.retry }),
    ...(options.wait === undefined ? {} : { wait: options.wait }),
    async handle(entry, { commit: _, ...consuming }) {
      const { entries, isOpen } = source.groupOf(entry);
      if (consuming.attempt === 1 || current?.last !== entry.position) {
        const [first] = entries;
        if (isOpen && first !== undefined)
          await writeBounds(storage, name, { first: first.position, last: entry.position });
        const events = (await make(entries)).filter(({ payload }) => actions?.includes(payload.action) ?? true);
        current = { last: entry.position, events, done: new Set() };
      }
      const { events, done } = current;
      let failure: { readonly error: unknown } | undefined;
      for (const event of events) {
        if (done.has(event.id)) continue;
        try {
          await options.handler(event, consuming);
          done.add(event.id);
        } catch (error) {
          // Those behind it wait for it, but not for one that is given up.
          const isLast = consuming.attempt >= attempts && !(ServiceError.is(error) && error.code === "unavailable");
          if (!isLast || consuming.signal.aborted) throw error;
          consuming.log.error({ err: error, event: event.id, first: event.first, last: event.last }, "event given up");
          failure ??= { error };
        }
      }
      if (failure !== undefined) throw failure.error;
    },
  }).start(context);
}

const boundsKey = (name: string) => ({ resource: consumerLists.positions, parent: "", id: `${name}.group` });

async function readBounds(storage: Storage, name: string): Promise<GroupBounds | undefined> {
  const entry = await storage.get(boundsKey(name));
  return entry?.kind === "object" ? (parseEntry(entry) as unknown as GroupBounds) : undefined;
}

async function writeBounds(storage: Storage, name: string, bounds: GroupBounds): Promise<void> {
  const body = JSON.stringify(bounds);
  await storage.commit([{ kind: "put", key: boundsKey(name), body, expect: { kind: "any" }, logBody: false }]);
}

/** A listener that is new hears of what happens from now on. */
async function beginAtEnd(storage: Storage, name: string): Promise<void> {
  await storage.define([{ resource: consumerLists.positions, indexes: [], unique: [] }]);
  const key = { resource: consumerLists.positions, parent: "", id: name };
  if ((await storage.get(key)) !== undefined) return;
  const body = JSON.stringify({ position: await storage.position() });
  try {
    await storage.commit([{ kind: "put", key, body, expect: { kind: "absent" }, logBody: false }]);
  } catch (error) {
    // Another instance was faster.
    if (!(error instanceof CommitConflict)) throw error;
  }
}
