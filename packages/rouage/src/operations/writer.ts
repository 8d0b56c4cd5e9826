/** One write of one object: read, decide, commit with what was read as expectation, and again when another writer was first. */
import { ServiceError } from "../errors.ts";
import type { FinishedWrite, PendingWrite, WriteAction } from "../resource-declaration.ts";
import type { Fields } from "../schema/shape.ts";
import {
  type Change,
  CommitConflict,
  type CommitContext,
  type Expectation,
  type ListKey,
  type ObjectKey,
  type StoredEntry,
  type StoredObject,
} from "../storage/storage.ts";
import type { OperationContext } from "./context.ts";
import type { Input, Prepared } from "./input.ts";
import type { Preconditions } from "./operations.ts";
import { objectOf, type Plan, subjectOf } from "./plan.ts";
import { judge, preconditionFailed } from "./preconditions.ts";
import { type KeyedQueue, keyedQueue } from "./queue.ts";
import { allows } from "./rules.ts";
import type { Visibility } from "./visibility.ts";

export interface Writer {
  /** Runs `attempt` alone among this process's writers of the object, and again when its commit met another writer's. */
  run<T>(context: OperationContext, key: ObjectKey, attempt: Attempt<T>): Promise<T>;
  /** The same for an object that cannot exist yet, because its id has just been made. */
  once<T>(context: OperationContext, attempt: Attempt<T>): Promise<T>;
  /** @throws ServiceError `precondition-failed` */
  assertPreconditions(
    context: OperationContext,
    key: ListKey,
    live: StoredObject | undefined,
    preconditions: Preconditions,
  ): void | Promise<void>;
  put(
    context: OperationContext,
    request: PutRequest,
  ): Promise<{ readonly object: StoredObject; readonly created: boolean }>;
  after(context: OperationContext, write: FinishedWrite<Fields>): Promise<void>;
  before(
    context: OperationContext,
    write: Omit<PendingWrite<Fields>, "also">,
  ): Promise<{ readonly replacement: Fields | undefined; readonly changes: readonly Change[] }>;
}

export type Attempt<T> = (live: StoredObject | undefined) => Promise<T>;

export interface PutRequest {
  readonly action: WriteAction;
  readonly key: ObjectKey;
  readonly live: StoredObject | undefined;
  readonly prepared: Prepared;
  readonly revision: number | undefined;
  /** True: an object that is as before is not written again. */
  readonly skipUnchanged?: boolean;
}

/** Meetings with writers of other processes that one write survives. */
const maxAttempts = 10;

export function writerOf(plan: Plan, visibility: Visibility, input: Input): Writer {
  const { storage } = plan.dependencies;
  const queue: KeyedQueue = keyedQueue();

  const writer: Writer = {
    run(context, key, attempt) {
      return queue.run(`${key.parent}\n${key.id}`, () =>
        persist(context, async () => {
          const found = storage.get(key);
          return attempt(liveOf(found instanceof Promise ? await found : found));
        }),
      );
    },

    once: (context, attempt) => persist(context, () => attempt(undefined)),

    assertPreconditions({ principal }, list, live, preconditions) {
      if (preconditions.ifMatch === undefined && preconditions.ifNoneMatch === undefined) return;
      if (judge(preconditions, live?.revision, false) === "pass") return;
      if (live === undefined)
        return storage.timestamp(list, plan.readOnly).then((revision) => {
          throw preconditionFailed(revision);
        });
      if (!allows(plan.rules.get, subjectOf(principal, live))) throw preconditionFailed(undefined);
      throw preconditionFailed(live.revision, JSON.parse(visibility.render(live, principal)));
    },

    async put(context, { action, key, live, prepared, revision, skipUnchanged }) {
      const { replacement, changes } = await writer.before(context, {
        action,
        id: key.id,
        parent: key.parent,
        previous: live === undefined ? undefined : objectOf(live),
        next: prepared.next,
      });
      const { body } = replacement === undefined ? prepared : input.accept(replacement, prepared.next, key.id);
      const wish = revision !== undefined && revision > (live?.revision ?? 0) ? revision : undefined;
      if (
        skipUnchanged === true &&
        live !== undefined &&
        body === live.body &&
        changes.length === 0 &&
        wish === undefined
      )
        return { object: live, created: false };
      const { principal } = context;
      const change: Change = {
        kind: "put",
        key,
        body,
        expect: expectationOf(live),
        ...(principal.id === undefined ? {} : { owner: principal.id }),
        ...(wish === undefined ? {} : { revision: wish }),
        ...(plan.logBody ? {} : { logBody: false }),
      };
      const [result] = await storage.commit([change, ...changes], commitContext(context));
      if (result === undefined || !("object" in result)) throw new Error("the storage answered without the object");
      return { object: result.object, created: result.kind === "created" };
    },

    async before(context, write) {
      const { before } = plan.hooks;
      if (before === undefined) return nothing;
      const changes: Change[] = [];
      const pending = { ...write, also: (change: Change) => void changes.push(change) };
      const hooked = plan.hooks.before?.(pending, context);
      const replacement = await (hooked instanceof Promise ? whileWanted(hooked, context) : hooked);
      return { replacement: replacement ?? undefined, changes };
    },

    async after(context, write) {
      if (plan.hooks.after === undefined) return;
      try {
        await plan.hooks.after(write, context);
      } catch (error) {
        context.log.error({ err: error, resource: plan.name, id: write.id }, "after hook failed");
      }
    },
  };

  async function persist<T>(context: OperationContext, attempt: () => Promise<T>): Promise<T> {
    for (let attempts = 1; ; attempts++) {
      if (context.signal.aborted) throw new ServiceError("deadline-exceeded", { cause: context.signal.reason });
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof CommitConflict)) throw error;
        if (error.reason.kind === "unique") throw uniqueConflict(context, error.reason, error.change === 0);
        if (attempts >= maxAttempts)
          throw new ServiceError("conflict", { headers: { "retry-after": plan.retryAfter }, cause: error });
      }
    }
  }

  function uniqueConflict(
    { principal }: OperationContext,
    { fields, existing }: Extract<CommitConflict["reason"], { kind: "unique" }>,
    isOwn: boolean,
  ): ServiceError {
    const field = fields.join(",");
    const isSeen = isOwn && allows(plan.rules.get, subjectOf(principal, existing));
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

const nothing = { replacement: undefined, changes: [] } as const;

export function liveOf(entry: StoredEntry | undefined): StoredObject | undefined {
  return entry?.kind === "object" ? entry : undefined;
}

export function expectationOf(live: StoredObject | undefined): Expectation {
  return live === undefined ? { kind: "absent" } : { kind: "revision", revision: live.revision };
}

export function commitContext({ principal, requestId, trace }: OperationContext): CommitContext {
  const context = principal.id === undefined ? { requestId } : { principal: principal.id, requestId };
  return trace === undefined ? context : { ...context, traceparent: trace.traceparent };
}
