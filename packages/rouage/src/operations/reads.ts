/** get, the hottest path: one rule check, one look-up, one splice; synchronous where the storage is. */
import type { StoredEntry } from "../storage/storage.ts";
import { decide, refusal } from "./access.ts";
import type { OperationContext } from "./context.ts";
import { idOf, type Locate, notFound } from "./locate.ts";
import type { GetResult, Preconditions, ResourceOperations } from "./operations.ts";
import { type Plan, subjectOf } from "./plan.ts";
import { judge, preconditionFailed } from "./preconditions.ts";
import { allows } from "./rules.ts";
import type { Visibility } from "./visibility.ts";

type GetRequest = Preconditions & { readonly fields?: () => readonly string[] | undefined };

export interface ReadParts {
  readonly plan: Plan;
  readonly visibility: Visibility;
  readonly locate: Locate;
}

export function readsOf({ plan, visibility, locate }: ReadParts): Pick<ResourceOperations, "get"> {
  const { rules, name, dependencies } = plan;
  const { storage } = dependencies;

  function answer(
    context: OperationContext,
    parent: string,
    id: string,
    request: GetRequest,
    entry: StoredEntry | undefined,
  ): GetResult | Promise<GetResult> {
    const { principal } = context;
    const decision = decide(rules.get, principal);
    if (entry?.kind !== "object") {
      // Who sees only some objects must not learn which exist.
      if (decision !== true) throw refusal(principal);
      if (request.ifMatch === undefined) throw notFound(plan, id);
      return storage.timestamp({ resource: name, parent }, plan.readOnly).then((revision) => {
        throw preconditionFailed(revision);
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
    return { kind: "object", revision: entry.revision, json: visibility.render(entry, principal, fields) };
  }

  function read(context: OperationContext, parent: string, id: string, request: GetRequest) {
    if (decide(rules.get, context.principal) === false) throw refusal(context.principal);
    const entry = storage.get({ resource: name, parent, id });
    return entry instanceof Promise
      ? entry.then((found) => answer(context, parent, id, request, found))
      : answer(context, parent, id, request, entry);
  }

  return {
    get(context, target, request) {
      const id = idOf(plan, target);
      const key = locate(context, target);
      return key instanceof Promise
        ? key.then(({ parent }) => read(context, parent, id, request))
        : read(context, key.parent, id, request);
    },
  };
}
