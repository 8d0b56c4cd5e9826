/** One write of one object: read, decide, commit with what was read as expectation, and again when another writer was first. */
import { ServiceError } from "../errors.ts";
import type { JsonObject } from "../json.ts";
import type { Principal } from "../principal.ts";
import type { FinishedWrite, PendingWrite, StoredWrite, WriteAction } from "../resource-declaration.ts";
import type { Fields } from "../schema/shape.ts";
import {
  type Change,
  type ChangeResult,
  CommitConflict,
  type CommitContext,
  type Expectation,
  type ListKey,
  type ObjectKey,
  type Permissions,
  type StoredEntry,
  type StoredObject,
} from "../storage/storage.ts";
import type { OperationContext } from "./context.ts";
import type { Input, Prepared } from "./input.ts";
import { chain, type Maybe } from "./maybe.ts";
import type { Preconditions } from "./operations.ts";
import { objectOf, type Plan, subjectOf } from "./plan.ts";
import { judge, preconditionFailed } from "./preconditions.ts";
import { type KeyedQueue, keyedQueue } from "./queue.ts";
import { allows } from "./rules.ts";
import { areSameEntries, normalized } from "./sharing/entries.ts";
import { keyAbove } from "./sharing/object-path.ts";
import type { Visibility } from "./visibility.ts";

export interface Writer {
  /**
   * Runs `attempt` alone among this process's writers of the object, and again when its commit met another writer's. Inside of a
   * transaction it does not wait for writers outside, who wait for the transaction.
   */
  run<T>(context: OperationContext, key: ObjectKey, attempt: Attempt<T>): Promise<T>;
  /** The same for an object that cannot exist yet, because its id has just been made. */
  once<T>(context: OperationContext, list: ListKey, attempt: Attempt<T>): Promise<T>;
  /** @throws ServiceError `precondition-failed` */
  assertPreconditions(
    context: OperationContext,
    key: ListKey,
    live: StoredObject | undefined,
    preconditions: Preconditions,
  ): Maybe<void>;
  put(context: OperationContext, request: PutRequest): Maybe<Put>;
  /**
   * Commits, and runs the hook `stored` for each of `writes` in the same transaction.
   * @throws what the hook throws, and then nothing is committed
   */
  commit(
    context: OperationContext,
    changes: readonly Change[],
    writes: (results: readonly ChangeResult[]) => readonly StoredWrite<Fields>[],
  ): Promise<readonly ChangeResult[]>;
  /** Runs the hook once the write is durable. */
  after(context: OperationContext, write: FinishedWrite<Fields>): Promise<void>;
  before(context: OperationContext, write: Omit<PendingWrite<Fields>, "also" | "setPermissions">): Maybe<Hooked>;
  /** The same ahead of a deletion, with what belongs to every deletion. */
  beforeDelete(context: OperationContext, key: ObjectKey, live: StoredObject): Promise<Hooked>;
}

/** @param attempts 1 for the first, 2 when another writer was faster once … */
export type Attempt<T> = (live: StoredObject | undefined, attempts: number) => Maybe<T>;

export interface Put {
  readonly object: StoredObject;
  readonly created: boolean;
  /** The object's own entries from here on; undefined where it is not shared. */
  readonly entries: Permissions | undefined;
}

/** What a `before` hook wants. */
export interface Hooked {
  readonly replacement: Fields | undefined;
  /** Entries that it wants instead of those of the write. */
  readonly entries: Permissions | undefined;
  readonly changes: readonly Change[];
  /** Entries of an object that is about to be deleted, where a hook wants to know them. */
  readonly previous?: Permissions | undefined;
}

export interface PutRequest {
  readonly action: WriteAction;
  readonly key: ObjectKey;
  readonly live: StoredObject | undefined;
  readonly prepared: Prepared;
  readonly revision: number | undefined;
  /** The object's own entries; undefined where it is not shared. */
  readonly entries?: { readonly previous: Permissions; readonly next: Permissions } | undefined;
  /** True: an object that is as before is not written again. */
  readonly skipUnchanged?: boolean;
  /** True: the id was made for this write, and is nobody else's. */
  readonly isNew?: boolean;
}

/** Meetings with writers of other processes that one write survives. */
const maxAttempts = 10;

export function writerOf(plan: Plan, visibility: Visibility, input: Input): Writer {
  const { storage } = plan.dependencies;
  const queue: KeyedQueue = keyedQueue();
  const isNested = plan.resource.options.parent !== undefined;

  const writer: Writer = {
    run(context, key, attempt) {
      const work = () =>
        persist(context, key, (attempts) => chain(storage.get(key), (found) => attempt(liveOf(found), attempts)));
      return storage.inTransaction() ? work() : queue.run(`${key.parent}\n${key.id}`, work);
    },

    once: (context, list, attempt) => persist(context, list, (attempts) => attempt(undefined, attempts)),

    assertPreconditions({ principal }, list, live, preconditions) {
      if (preconditions.ifMatch === undefined && preconditions.ifNoneMatch === undefined) return;
      if (judge(preconditions, live?.revision, false) === "pass") return;
      if (live === undefined)
        return storage.timestamp(list, plan.readOnly).then((revision) => {
          throw preconditionFailed(revision);
        });
      return chain(mayGet(principal, { ...list, id: live.id }, live), (mayKnow) => {
        if (!mayKnow) throw preconditionFailed(undefined);
        throw preconditionFailed(live.revision, JSON.parse(visibility.render(live, principal)));
      });
    },

    put(context, request) {
      const { action, key, live, prepared, entries } = request;
      const hooking = writer.before(context, {
        action,
        id: key.id,
        parent: key.parent,
        previous: live === undefined ? undefined : objectOf(live),
        next: prepared.next,
        ...(entries === undefined ? {} : { permissions: { previous: entries.previous, next: entries.next } }),
      });
      return chain(hooking, (hooked) => putHooked(context, request, hooked));
    },

    commit(context, changes, writes) {
      const { stored } = plan.hooks;
      if (stored === undefined) return storage.commit(changes, commitContext(context));
      return storage.transaction(async () => {
        const results = await storage.commit(changes, commitContext(context));
        for (const write of writes(results)) {
          const hooked = stored(write, context);
          if (hooked instanceof Promise) await whileWanted(hooked, context);
        }
        return results;
      });
    },

    before(context, write) {
      const { before } = plan.hooks;
      return before === undefined ? nothing : hookedBy(before, context, write);
    },

    async beforeDelete(context, key, live) {
      const forgotten = plan.members(key, undefined);
      if (plan.hooks.before === undefined && plan.hooks.stored === undefined)
        return forgotten.length === 0 ? nothing : { ...nothing, changes: forgotten };
      const { id, parent } = key;
      const previous = plan.sharing === undefined ? undefined : await storage.permissions.of(key);
      const hooked = await writer.before(context, {
        ...{ action: "delete", id, parent, previous: objectOf(live), next: undefined },
        ...(previous === undefined ? {} : { permissions: { previous, next: {} } }),
      });
      return { ...hooked, changes: [...hooked.changes, ...forgotten], previous };
    },

    async after(context, write) {
      const { after } = plan.hooks;
      if (after === undefined) return;
      await storage.afterCommit(async () => {
        try {
          await after(write, context);
        } catch (error) {
          context.log.error({ err: error, resource: plan.name, id: write.id }, "after hook failed");
        }
      });
    },
  };

  /** Without promises of its own before the commit, as the hottest of the writes. */
  function putHooked(context: OperationContext, request: PutRequest, hooked: Hooked): Maybe<Put> {
    const { action, key, live, prepared, revision, entries, skipUnchanged, isNew } = request;
    const { replacement, changes } = hooked;
    const { body, next } = replacement === undefined ? prepared : input.accept(replacement, prepared.next, key.id);
    const permissions = hooked.entries ?? entries?.next;
    const isShared = entries !== undefined && permissions !== undefined;
    const isPermitted = !isShared || areSameEntries(entries.previous, permissions);
    const wish = revision !== undefined && revision > (live?.revision ?? 0) ? revision : undefined;
    if (
      skipUnchanged === true &&
      live !== undefined &&
      body === live.body &&
      changes.length === 0 &&
      wish === undefined &&
      isPermitted
    )
      return { object: live, created: false, entries: permissions };
    const { principal } = context;
    const change: Change = {
      kind: "put",
      key,
      body,
      expect: isNew === true ? newlyMade : expectationOf(live),
      ...(principal.id === undefined ? {} : { owner: principal.id }),
      ...(wish === undefined ? {} : { revision: wish }),
      ...(plan.logBody ? {} : { logBody: false }),
      ...(isPermitted ? {} : { permissions }),
    };
    const all = [change, ...changes, ...plan.members(key, next as JsonObject)];
    if (live === undefined && isNested) all.push(...requirements(key));
    const writes = ([made]: readonly ChangeResult[]): readonly StoredWrite<Fields>[] => {
      if (made === undefined || !("object" in made)) return [];
      const { id, parent } = key;
      const previous = live === undefined ? undefined : objectOf(live);
      const next = objectOf(made.object);
      const shared = isShared ? { permissions: { previous: entries.previous, next: permissions } } : {};
      return [{ action, id, parent, previous, next, revision: made.object.revision, ...shared }];
    };
    return writer.commit(context, all, writes).then(([result]) => {
      if (result === undefined || !("object" in result)) throw new Error("the storage answered without the object");
      return { object: result.object, created: result.kind === "created", entries: permissions };
    });
  }

  async function hookedBy(
    before: NonNullable<Plan["hooks"]["before"]>,
    context: OperationContext,
    write: Omit<PendingWrite<Fields>, "also" | "setPermissions">,
  ): Promise<Hooked> {
    const changes: Change[] = [];
    let entries: Permissions | undefined;
    const pending: PendingWrite<Fields> = {
      ...write,
      also: (change) => void changes.push(change),
      setPermissions(permissions) {
        if (plan.sharing === undefined) throw new Error(`resource ${plan.name} is not shared`);
        entries = normalized(Object.entries(permissions));
      },
    };
    const hooked = before(pending, context);
    const replacement = await (hooked instanceof Promise ? whileWanted(hooked, context) : hooked);
    return { replacement: replacement ?? undefined, entries, changes };
  }

  /** Of a creation below a parent: so that no order of it and of the parent's deletion leaves an object without one. */
  function requirements(list: ListKey): readonly Change[] {
    const parent = keyAbove(list);
    return parent === undefined ? [] : [{ kind: "require", key: parent }];
  }

  function mayGet(principal: Principal, key: ObjectKey, live: StoredObject): Maybe<boolean> {
    return chain(
      plan.guard.onObject("get", principal, key),
      (decision) => decision === true || (decision === "object" && allows(plan.rules.get, subjectOf(principal, live))),
    );
  }

  async function persist<T>(
    context: OperationContext,
    list: ListKey,
    attempt: (attempts: number) => Maybe<T>,
  ): Promise<T> {
    for (let attempts = 1; ; attempts++) {
      if (context.ended ?? context.signal.aborted)
        throw new ServiceError("deadline-exceeded", { cause: context.signal.reason });
      try {
        return await attempt(attempts);
      } catch (error) {
        if (!(error instanceof CommitConflict)) throw error;
        if (error.reason.kind === "unique")
          throw await uniqueConflict(context, error.reason, error.change === 0 ? list : undefined);
        if (attempts >= maxAttempts)
          throw new ServiceError("conflict", { headers: { "retry-after": plan.retryAfter }, cause: error });
      }
    }
  }

  async function uniqueConflict(
    { principal }: OperationContext,
    { fields, existing }: Extract<CommitConflict["reason"], { kind: "unique" }>,
    list: ListKey | undefined,
  ): Promise<ServiceError> {
    const field = fields.join(",");
    const isSeen =
      list !== undefined &&
      (await mayGet(principal, { resource: list.resource, parent: list.parent, id: existing.id }, existing));
    return new ServiceError("conflict", {
      message: `Conflict of field ${field}${isSeen ? ` on object ${existing.id}` : ""}`,
      details: isSeen ? { field, existing: JSON.parse(visibility.render(existing, principal)) } : { field },
    });
  }

  return writer;
}

/** A hook that never ends must not keep the object's next writers waiting when its own caller has long been answered. */
function whileWanted<T>(work: Promise<T>, { signal }: OperationContext): Promise<T> {
  return new Promise((resolve, reject) => {
    const abandon = () => reject(new ServiceError("deadline-exceeded", { cause: signal.reason }));
    if (signal.aborted) abandon();
    signal.addEventListener("abort", abandon, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abandon));
  });
}

const nothing: Hooked = { replacement: undefined, entries: undefined, changes: [] };

export function liveOf(entry: StoredEntry | undefined): StoredObject | undefined {
  return entry?.kind === "object" ? entry : undefined;
}

const newlyMade: Expectation = { kind: "absent", isNew: true };

export function expectationOf(live: StoredObject | undefined): Expectation {
  return live === undefined ? { kind: "absent" } : { kind: "revision", revision: live.revision };
}

export function commitContext({ principal, requestId, trace }: OperationContext): CommitContext {
  const context = principal.id === undefined ? { requestId } : { principal: principal.id, requestId };
  return trace === undefined ? context : { ...context, traceparent: trace.traceparent };
}

/** What a hook sees of a deletion that the store has made; none where the storage answered something else. */
export function storedDeletion(
  { id, parent }: ObjectKey,
  live: StoredObject,
  result: ChangeResult | undefined,
  previous: Permissions | undefined,
): readonly StoredWrite<Fields>[] {
  if (result?.kind !== "deleted") return [];
  const shared = previous === undefined ? {} : { permissions: { previous, next: {} } };
  const { revision } = result.tombstone;
  return [{ action: "delete", id, parent, previous: objectOf(live), next: undefined, revision, ...shared }];
}
