/** create, replace, patch and delete: permission → precondition → validation → hooks → commit. */
import { invalid } from "../errors.ts";
import { isSame } from "../schema/fields.ts";
import type { Fields } from "../schema/shape.ts";
import { renderTombstone, type StoredObject } from "../storage/storage.ts";
import { decide, refusal } from "./access.ts";
import type { Cascade } from "./cascade.ts";
import type { OperationContext } from "./context.ts";
import type { Input, Prepared } from "./input.ts";
import { idOf, invalidId, type Locate, notFound } from "./locate.ts";
import type { ResourceOperations, WriteResult } from "./operations.ts";
import { applyPatch } from "./patch.ts";
import { objectOf, type Plan, subjectOf } from "./plan.ts";
import { preconditionFailed } from "./preconditions.ts";
import { type Action, allows } from "./rules.ts";
import type { Visibility } from "./visibility.ts";
import { usableWish } from "./wish.ts";
import { commitContext, expectationOf, type Writer } from "./writer.ts";

export interface WriteParts {
  readonly plan: Plan;
  readonly visibility: Visibility;
  readonly input: Input;
  readonly locate: Locate;
  readonly writer: Writer;
  readonly cascade: Cascade;
}

export function writesOf(parts: WriteParts): Pick<ResourceOperations, "create" | "replace" | "patch" | "delete"> {
  const { plan, visibility, input, locate, writer, cascade } = parts;
  const { rules } = plan;
  const { storage } = plan.dependencies;

  /** @throws ServiceError when no object whatever could be written by this caller */
  function assertDecidable({ principal }: OperationContext, ...actions: readonly Action[]): void {
    if (actions.every((action) => decide(rules[action], principal) === false)) throw refusal(principal);
  }

  function assertMayTryToCreate({ principal }: OperationContext): void {
    if (decide(rules.create, principal) === false) throw refusal(principal);
  }

  /** Rules on objects look at the new one, and so only when it is valid. */
  function assertMayCreate({ principal }: OperationContext, id: string, { next }: Prepared): void {
    if (!allows(rules.create, { principal, id, owner: principal.id, object: next })) throw refusal(principal);
  }

  function assertAllowed({ principal }: OperationContext, action: Action, live: StoredObject): void {
    if (!allows(rules[action], subjectOf(principal, live))) throw refusal(principal);
  }

  /** 404 for who may know that there is nothing; the refusal for who may not. */
  function missing({ principal }: OperationContext, action: Action, id: string) {
    const mayKnow = decide(rules[action], principal) === true || decide(rules.get, principal) === true;
    return mayKnow ? notFound(plan, id) : refusal(principal);
  }

  function resultOf({ principal }: OperationContext, kind: WriteResult["kind"], object: StoredObject): WriteResult {
    return { kind, id: object.id, revision: object.revision, json: visibility.render(object, principal) };
  }

  async function finish(
    context: OperationContext,
    action: "create" | "replace" | "patch",
    parent: string,
    live: StoredObject | undefined,
    object: StoredObject,
  ): Promise<void> {
    if (plan.hooks.after === undefined) return;
    await writer.after(context, {
      action,
      id: object.id,
      parent,
      previous: live === undefined ? undefined : objectOf(live),
      next: objectOf(object),
    });
  }

  return {
    async create(context, target, request) {
      const list = await locate(context, target);
      const posted = input.split(request.data === undefined ? {} : request.data);
      const isNamed = posted.id !== undefined;
      assertDecidable(context, ...(isNamed ? (["create", "get"] as const) : (["create"] as const)));
      if (isNamed && !plan.id.isValid(posted.id)) throw invalidId();
      const id = isNamed ? String(posted.id) : plan.id.generate?.();
      if (id === undefined) throw invalid({ location: "body", name: "id", description: "Required", code: "required" });

      const key = { ...list, id };
      const attempt = async (live: StoredObject | undefined) => {
        if (live !== undefined) {
          assertAllowed(context, "get", live);
          await writer.assertPreconditions(context, list, live, request);
          return { kind: "unchanged", live, object: live } as const;
        }
        assertMayTryToCreate(context);
        // Without an id there is no object a revision could belong to, and the list always exists.
        if (isNamed) await writer.assertPreconditions(context, list, undefined, request);
        else if (typeof request.ifMatch === "number")
          throw preconditionFailed(await storage.timestamp(list, plan.readOnly));
        const prepared = input.prepare(posted.fields, {
          principal: context.principal,
          id,
          stored: undefined,
          keep: false,
        });
        assertMayCreate(context, id, prepared);
        const { revision } = posted;
        const { object } = await writer.put(context, { action: "create", key, live, prepared, revision });
        return { kind: "created", live, object } as const;
      };
      // The queue is for meetings; an id made here meets nobody.
      const { kind, live, object } = await (isNamed
        ? writer.run(context, key, attempt)
        : writer.once(context, attempt));
      if (kind === "created") {
        await cascade.assertStillReachable(context, target, list, object);
        await finish(context, "create", list.parent, live, object);
      }
      return resultOf(context, kind, object);
    },

    async replace(context, target, request) {
      const id = idOf(plan, target);
      const list = await locate(context, target);
      assertDecidable(context, "create", "replace");
      const key = { ...list, id };
      const { live, object, created } = await writer.run(context, key, async (live) => {
        if (live === undefined) {
          assertMayTryToCreate(context);
        } else if (request.ifNoneMatch !== "*" || decide(rules.create, context.principal) === false) {
          // Who may create learns from `If-None-Match: *` that there is something; who wants to replace needs more.
          assertAllowed(context, "replace", live);
        }
        await writer.assertPreconditions(context, list, live, request);

        const posted = input.split(request.data === undefined ? seenBy(context, live) : request.data);
        assertSameId(posted.id, id);
        const prepared = input.prepare(posted.fields, { principal: context.principal, id, stored: live, keep: true });
        if (live === undefined) assertMayCreate(context, id, prepared);
        const { revision } = posted;
        return { live, ...(await writer.put(context, { action: "replace", key, live, prepared, revision })) };
      });
      if (created) await cascade.assertStillReachable(context, target, list, object);
      await finish(context, "replace", list.parent, live, object);
      return resultOf(context, created ? "created" : "updated", object);
    },

    async patch(context, target, request) {
      const id = idOf(plan, target);
      const list = await locate(context, target);
      assertDecidable(context, "patch");
      const key = { ...list, id };
      const { live, object, patched } = await writer.run(context, key, async (live) => {
        if (live === undefined) {
          const absence = missing(context, "patch", id);
          if (absence.code === "object-not-found") await writer.assertPreconditions(context, list, undefined, request);
          throw absence;
        }
        assertAllowed(context, "patch", live);
        await writer.assertPreconditions(context, list, live, request);

        const posted = input.split(applyPatch(seenBy(context, live), request.patch, plan.bodyDepth));
        assertSameId(posted.id, id);
        const { fields, revision } = posted;
        const prepared = input.prepare(fields, { principal: context.principal, id, stored: live, keep: false });
        const written = await writer.put(context, {
          action: "patch",
          key,
          live,
          prepared,
          revision,
          skipUnchanged: true,
        });
        return { live, object: written.object, patched: fields };
      });
      const kind = object === live ? "unchanged" : "updated";
      if (kind === "updated") await finish(context, "patch", list.parent, live, object);
      const result = resultOf(context, kind, object);
      if (request.behavior === undefined || request.behavior === "full") return result;
      const before = seenBy(context, live);
      const after: Fields = JSON.parse(result.json);
      const compared = request.behavior === "light" ? before : patched;
      return { ...result, json: JSON.stringify(differing(before, after, compared)) };
    },

    async delete(context, target, request) {
      const id = idOf(plan, target);
      const list = await locate(context, target);
      assertDecidable(context, "delete");
      const key = { ...list, id };
      const { live, tombstone } = await writer.run(context, key, async (live) => {
        if (live === undefined) {
          const absence = missing(context, "delete", id);
          if (absence.code === "object-not-found") await writer.assertPreconditions(context, list, undefined, request);
          throw absence;
        }
        assertAllowed(context, "delete", live);
        await writer.assertPreconditions(context, list, live, request);
        const previous = plan.hooks.before === undefined ? undefined : objectOf(live);
        const write = { action: "delete" as const, id, parent: list.parent, previous, next: undefined };
        const { changes } = await writer.before(context, write);
        const wished = usableWish(request.revision, plan.dependencies.clock.now());
        const wish = wished !== undefined && wished > live.revision ? wished : undefined;
        const removal = {
          kind: "delete" as const,
          key,
          expect: expectationOf(live),
          ...(wish === undefined ? {} : { revision: wish }),
        };
        const below = await cascade.below(context, key);
        const [result] = await storage.commit([removal, ...changes, ...below.changes], commitContext(context));
        if (result?.kind !== "deleted") throw new Error("the storage answered without the tombstone");
        await cascade.sweep(context, key, below);
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
