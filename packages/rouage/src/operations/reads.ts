/** get, the hottest path: one decision, one look-up, one splice; synchronous where the storage is. */
import type { ListKey, StoredEntry, StoredObject } from "../storage/storage.ts";
import { decide, refusal } from "./access.ts";
import type { OperationContext } from "./context.ts";
import type { Decision } from "./guard.ts";
import { assertParent, idOf, type Locate, notFound } from "./locate.ts";
import { chain, type Maybe } from "./maybe.ts";
import type { GetResult, Preconditions, ResourceOperations } from "./operations.ts";
import { type Plan, subjectOf } from "./plan.ts";
import { judge, preconditionFailed } from "./preconditions.ts";
import { allows } from "./rules.ts";
import { callerOf } from "./sharing/caller.ts";
import { level, type Weight } from "./sharing/decisions.ts";
import type { Visibility } from "./visibility.ts";

type GetRequest = Preconditions & { readonly fields?: () => readonly string[] | undefined };

export interface ReadParts {
  readonly plan: Plan;
  readonly visibility: Visibility;
  readonly locate: Locate;
}

export function readsOf({ plan, visibility, locate }: ReadParts): Pick<ResourceOperations, "get"> {
  const { rules, name, dependencies, sharing } = plan;
  const { storage } = dependencies;

  function answer(
    context: OperationContext,
    list: ListKey,
    id: string,
    request: GetRequest,
    entry: StoredEntry | undefined,
    decision: Decision,
    weight: Weight | undefined,
  ): Maybe<GetResult> {
    const { principal } = context;
    if (entry?.kind !== "object") {
      // Who sees only some objects must not learn which exist.
      if (decision !== true) throw refusal(principal);
      return chain(assertParent(plan, list), () => {
        if (request.ifMatch === undefined) throw notFound(plan, id);
        return storage.timestamp(list, plan.readOnly).then((revision) => {
          throw preconditionFailed(revision);
        });
      });
    }
    if (decision === "object" && !allows(rules.get, subjectOf(principal, entry))) throw refusal(principal);
    if (request.ifMatch !== undefined || request.ifNoneMatch !== undefined) {
      const verdict = judge(request, entry.revision, true);
      if (verdict === "not-modified") return { kind: "not-modified", revision: entry.revision };
      if (verdict === "failed")
        throw preconditionFailed(entry.revision, JSON.parse(visibility.render(entry, principal)));
    }
    const fields = request.fields?.();
    if (fields !== undefined) visibility.assertQueryable({ fields }, principal);
    const json = visibility.render(entry, principal, fields);
    if (weight === undefined) return { kind: "object", revision: entry.revision, json };
    const permissions = isWriter(context, weight, entry) ? weight.own : {};
    return { kind: "object", revision: entry.revision, json, permissions };
  }

  /** Entries are shown to whoever may effectively write the object. */
  function isWriter({ principal }: OperationContext, weight: Weight, object: StoredObject): boolean {
    if (weight.level === level.write) return true;
    const subject = subjectOf(principal, object);
    return allows(rules.replace, subject) || allows(rules.patch, subject);
  }

  function read(context: OperationContext, list: ListKey, id: string, request: GetRequest): Maybe<GetResult> {
    const decision = decide(rules.get, context.principal);
    if (decision === false) throw refusal(context.principal);
    const entry = storage.get({ resource: name, parent: list.parent, id });
    return entry instanceof Promise
      ? entry.then((found) => answer(context, list, id, request, found, decision, undefined))
      : answer(context, list, id, request, entry, decision, undefined);
  }

  function readShared(context: OperationContext, list: ListKey, id: string, request: GetRequest): Maybe<GetResult> {
    if (sharing === undefined) return read(context, list, id, request);
    const { principal } = context;
    const key = { resource: name, parent: list.parent, id };
    const byRule = decide(rules.get, principal);
    return chain(sharing.weigh(callerOf(principal, storage.permissions), key), (weight) => {
      const decision = weight.level >= level.below || byRule;
      if (decision === false) throw refusal(principal);
      return chain(storage.get(key), (entry) => answer(context, list, id, request, entry, decision, weight));
    });
  }

  const readAny = sharing === undefined ? read : readShared;
  return {
    get(context, target, request) {
      const id = idOf(plan, target);
      const list = locate(context, target);
      return list instanceof Promise
        ? list.then((key) => readAny(context, key, id, request))
        : readAny(context, list, id, request);
    },
  };
}
