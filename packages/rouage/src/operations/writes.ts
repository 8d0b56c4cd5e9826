/** create, replace, patch and delete: permission → precondition → validation → hooks → commit. */
import { invalid, type ServiceError } from "../errors.ts";
import type { Principal } from "../principal.ts";
import { isSame } from "../schema/fields.ts";
import type { Fields } from "../schema/shape.ts";
import {
  type ListKey,
  type ObjectKey,
  type Permissions,
  renderTombstone,
  type StoredObject,
} from "../storage/storage.ts";
import { refusal } from "./access.ts";
import type { Cascade } from "./cascade.ts";
import type { OperationContext } from "./context.ts";
import type { Decision } from "./guard.ts";
import type { Input, Prepared } from "./input.ts";
import { assertParent, idOf, invalidId, type Locate, notFound } from "./locate.ts";
import { chain, type Maybe } from "./maybe.ts";
import type { ResourceOperations, WriteResult } from "./operations.ts";
import { applyPatch } from "./patch.ts";
import { objectOf, type Plan, subjectOf } from "./plan.ts";
import { preconditionFailed } from "./preconditions.ts";
import { allows } from "./rules.ts";
import { entryWriterOf } from "./sharing/written.ts";
import type { Visibility } from "./visibility.ts";
import { usableWish } from "./wish.ts";
import { expectationOf, type Put, storedDeletion, type Writer } from "./writer.ts";

export interface WriteParts {
  readonly plan: Plan;
  readonly visibility: Visibility;
  readonly input: Input;
  readonly locate: Locate;
  readonly writer: Writer;
  readonly cascade: Cascade;
}

type ObjectAction = "get" | "replace" | "patch" | "delete";

export function writesOf(parts: WriteParts): Pick<ResourceOperations, "create" | "replace" | "patch" | "delete"> {
  const { plan, visibility, input, locate, writer, cascade } = parts;
  const { rules, guard, sharing } = plan;
  const { storage } = plan.dependencies;
  const entryWriter = entryWriterOf(sharing?.family, storage.permissions);

  async function isAllowed(principal: Principal, action: ObjectAction, key: ObjectKey, live: StoredObject) {
    const decision = await guard.onObject(action, principal, key);
    return decision === true || (decision === "object" && allows(rules[action], subjectOf(principal, live)));
  }

  async function assertAllowed(
    { principal }: OperationContext,
    action: ObjectAction,
    key: ObjectKey,
    live: StoredObject,
  ): Promise<void> {
    if (!(await isAllowed(principal, action, key, live))) throw refusal(principal);
  }

  function mayTryToCreate({ principal }: OperationContext, list: ListKey): Maybe<Decision> {
    return chain(guard.onCreation(principal, list), (decision) => {
      if (decision === false) throw refusal(principal);
      return chain(assertParent(plan, list), () => decision);
    });
  }

  /** Rules on objects look at the new one, and so only when it is valid. */
  function assertMayCreate({ principal }: OperationContext, decision: Decision, id: string, { next }: Prepared): void {
    if (decision === true) return;
    if (!allows(rules.create, { principal, id, owner: principal.id, object: next })) throw refusal(principal);
  }

  /** 404 for who may know that there is nothing; the refusal for who may not. */
  async function missing({ principal }: OperationContext, action: ObjectAction, key: ObjectKey): Promise<ServiceError> {
    const mayKnow =
      (await guard.onObject(action, principal, key)) === true || (await guard.onObject("get", principal, key)) === true;
    if (!mayKnow) return refusal(principal);
    await assertParent(plan, key);
    return notFound(plan, key.id);
  }

  /** Before anything is read: no object whatever could be written by this caller. */
  async function assertDecidable({ principal }: OperationContext, action: ObjectAction, key: ObjectKey): Promise<void> {
    if ((await guard.onObject(action, principal, key)) === false) throw refusal(principal);
  }

  function resultOf(
    { principal }: OperationContext,
    kind: WriteResult["kind"],
    key: ObjectKey,
    { object, entries }: Omit<Put, "created">,
  ): Maybe<WriteResult> {
    const result = { kind, id: object.id, revision: object.revision, json: visibility.render(object, principal) };
    return entries === undefined ? result : withEntries(result, principal, key, object, entries);
  }

  async function withEntries(
    result: WriteResult,
    principal: Principal,
    key: ObjectKey,
    object: StoredObject,
    entries: Permissions,
  ): Promise<WriteResult> {
    // Entries are shown to whoever may effectively write the object, and to whoever has just made it: they are what was asked for.
    const isWriter =
      result.kind === "created" ||
      (await isAllowed(principal, "replace", key, object)) ||
      (await isAllowed(principal, "patch", key, object));
    return { ...result, permissions: isWriter ? entries : {} };
  }

  function finish(
    context: OperationContext,
    action: "create" | "replace" | "patch",
    parent: string,
    live: StoredObject | undefined,
    object: StoredObject,
  ): Maybe<void> {
    if (plan.hooks.after === undefined) return;
    return writer.after(context, {
      action,
      id: object.id,
      parent,
      previous: live === undefined ? undefined : objectOf(live),
      next: objectOf(object),
    });
  }

  return {
    async create(context, target, request) {
      const { principal } = context;
      const located = locate(context, target);
      const list = located instanceof Promise ? await located : located;
      const posted = input.split(request.data === undefined ? {} : request.data);
      const isNamed = posted.id !== undefined;
      const asked = plan.id.isValid(posted.id) ? posted.id : "";
      const allowed = guard.onCreation(principal, list);
      if ((allowed instanceof Promise ? await allowed : allowed) === false)
        if (!isNamed || (await guard.onObject("get", principal, { ...list, id: asked })) === false)
          throw refusal(principal);
      if (isNamed && asked === "") throw invalidId();
      const id = isNamed ? asked : plan.id.generate?.();
      if (id === undefined) throw invalid({ location: "body", name: "id", description: "Required", code: "required" });

      const key = { ...list, id };
      const unchanged = async (live: StoredObject): Promise<Put> => {
        await assertAllowed(context, "get", key, live);
        await writer.assertPreconditions(context, list, live, request);
        return { created: false, object: live, entries: await entryWriter.of(key, true) };
      };
      const put = (decision: Decision, previous: Permissions | undefined): Maybe<Put> => {
        const entries = entryWriter.meet({ id, principal }, previous, request.permissions, "replace");
        const prepared = input.prepare(posted.fields, {
          principal,
          id,
          stored: undefined,
          keep: false,
          ...(entries === undefined ? {} : { violations: entries.violations }),
        });
        assertMayCreate(context, decision, id, prepared);
        const { revision } = posted;
        const isNew = !isNamed && plan.id.isUnique;
        return writer.put(context, { action: "create", key, live: undefined, prepared, revision, entries, isNew });
      };
      const conditions = (): Maybe<void> => {
        if (isNamed) return writer.assertPreconditions(context, list, undefined, request);
        // Without an id there is no object a revision could belong to, and the list always exists.
        if (typeof request.ifMatch === "number")
          return storage.timestamp(list, plan.readOnly).then((revision) => {
            throw preconditionFailed(revision);
          });
      };
      const attempt = (live: StoredObject | undefined, attempts: number): Maybe<Put> =>
        chain(attempts > 1 ? locate(context, target) : list, () =>
          live !== undefined
            ? unchanged(live)
            : chain(mayTryToCreate(context, list), (decision) =>
                chain(conditions(), () => chain(entryWriter.of(key, false), (previous) => put(decision, previous))),
              ),
        );
      // The queue is for meetings; an id made here meets nobody.
      const { created, object, entries } = await (isNamed
        ? writer.run(context, key, attempt)
        : writer.once(context, list, attempt));
      if (created) {
        const finishing = finish(context, "create", list.parent, undefined, object);
        if (finishing instanceof Promise) await finishing;
      }
      return resultOf(context, created ? "created" : "unchanged", key, { object, entries });
    },

    async replace(context, target, request) {
      const { principal } = context;
      const id = idOf(plan, target);
      const list = await locate(context, target);
      const key = { ...list, id };
      if ((await guard.onCreation(principal, list)) === false) await assertDecidable(context, "replace", key);
      const { live, object, created, entries } = await writer.run(context, key, async (live, attempts) => {
        if (attempts > 1) await locate(context, target);
        let creation: Decision = false;
        if (live === undefined) {
          creation = await mayTryToCreate(context, list);
        } else if (request.ifNoneMatch !== "*" || (await guard.onCreation(principal, list)) === false) {
          // Who may create learns from `If-None-Match: *` that there is something; who wants to replace needs more.
          await assertAllowed(context, "replace", key, live);
        }
        await writer.assertPreconditions(context, list, live, request);

        const previous = await entryWriter.of(key, live !== undefined);
        const entries = entryWriter.meet({ id, principal }, previous, request.permissions, "replace");
        const posted = input.split(request.data === undefined ? seenBy(context, live) : request.data);
        assertSameId(posted.id, id);
        const prepared = input.prepare(posted.fields, {
          principal,
          id,
          stored: live,
          keep: true,
          ...(entries === undefined ? {} : { violations: entries.violations }),
        });
        if (live === undefined) assertMayCreate(context, creation, id, prepared);
        const { revision } = posted;
        return { live, ...(await writer.put(context, { action: "replace", key, live, prepared, revision, entries })) };
      });
      await finish(context, "replace", list.parent, live, object);
      return resultOf(context, created ? "created" : "updated", key, { object, entries });
    },

    async patch(context, target, request) {
      const { principal } = context;
      const id = idOf(plan, target);
      const list = await locate(context, target);
      const key = { ...list, id };
      if (sharing === undefined) await assertDecidable(context, "patch", key);
      const { live, object, entries, patched } = await writer.run(context, key, async (live) => {
        if (live === undefined) {
          const absence = await missing(context, "patch", key);
          if (absence.code === "object-not-found") await writer.assertPreconditions(context, list, undefined, request);
          throw absence;
        }
        await assertAllowed(context, "patch", key, live);
        await writer.assertPreconditions(context, list, live, request);

        const previous = await entryWriter.of(key, true);
        const names = sharing?.family.settable === true ? sharing.family.names : undefined;
        const shared = previous === undefined || names === undefined ? undefined : { previous, names };
        const { data, sent } = applyPatch(seenBy(context, live), request.patch, plan.bodyDepth, shared);
        const entries = entryWriter.meet({ id, principal }, previous, sent?.permissions, sent?.meeting ?? "merge");
        const posted = input.split(data);
        assertSameId(posted.id, id);
        const { fields, revision } = posted;
        const prepared = input.prepare(fields, {
          principal,
          id,
          stored: live,
          keep: false,
          ...(entries === undefined ? {} : { violations: entries.violations }),
        });
        const put = await writer.put(context, {
          ...{ action: "patch", key, live, prepared, revision, entries },
          skipUnchanged: true,
        });
        return { live, ...put, patched: fields };
      });
      const kind = object === live ? "unchanged" : "updated";
      if (kind === "updated") await finish(context, "patch", list.parent, live, object);
      if (request.behavior === undefined || request.behavior === "full")
        return resultOf(context, kind, key, { object, entries });
      const result = await resultOf(context, kind, key, { object, entries: undefined });
      const before = seenBy(context, live);
      const after: Fields = JSON.parse(result.json);
      const compared = request.behavior === "light" ? before : patched;
      return { ...result, json: JSON.stringify(differing(before, after, compared)) };
    },

    async delete(context, target, request) {
      const id = idOf(plan, target);
      const list = await locate(context, target);
      const key = { ...list, id };
      if (sharing === undefined) await assertDecidable(context, "delete", key);
      const { live, tombstone } = await writer.run(context, key, async (live) => {
        // Whatever was expected of it: a 404 without a precondition is one with it (RFC 9110 §13.2.1), and offline clients count on that.
        if (live === undefined) throw await missing(context, "delete", key);
        await assertAllowed(context, "delete", key, live);
        await writer.assertPreconditions(context, list, live, request);
        const { changes, previous } = await writer.beforeDelete(context, key, live);
        const wished = usableWish(request.revision, plan.dependencies.clock.now());
        const wish = wished !== undefined && wished > live.revision ? wished : undefined;
        const removal = {
          kind: "delete" as const,
          key,
          expect: expectationOf(live),
          ...(wish === undefined ? {} : { revision: wish }),
        };
        const [result] = await cascade.remove(context, [key], () =>
          writer.commit(context, [removal, ...changes], ([made]) => storedDeletion(key, live, made, previous)),
        );
        if (result?.kind !== "deleted") throw new Error("the storage answered without the tombstone");
        return { live, tombstone: result.tombstone };
      });
      if (plan.hooks.after !== undefined)
        await writer.after(context, {
          action: "delete",
          id,
          parent: list.parent,
          previous: objectOf(live),
          next: undefined,
        });
      return { revision: tombstone.revision, json: renderTombstone(tombstone) };
    },
  };

  function seenBy({ principal }: OperationContext, live: StoredObject | undefined): Fields {
    if (live === undefined) return {};
    const object = objectOf(live);
    visibility.hide(object, live, principal);
    return object;
  }
}

function assertSameId(posted: unknown, id: string): void {
  if (posted === undefined || posted === id) return;
  throw invalid({
    location: "body",
    name: "id",
    description: "Object id does not match existing object",
    code: "id-mismatch",
  });
}

/** Fields that the write changed, of which `compared` does not already have the value. */
function differing(before: Fields, after: Fields, compared: Fields): Fields {
  const changed = Object.keys(after).filter(
    (key) =>
      key !== "id" && key !== "last_modified" && !isSame(before[key], after[key]) && !isSame(compared[key], after[key]),
  );
  return Object.fromEntries(changed.map((key) => [key, after[key]]));
}
