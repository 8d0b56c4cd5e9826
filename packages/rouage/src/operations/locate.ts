/** Finds the list that a request means: the caller's own list, or the list below a parent that exists and that the caller may read. */
import { invalid, ServiceError } from "../errors.ts";
import type { ListKey, ObjectKey, StoredEntry } from "../storage/storage.ts";
import { refusal } from "./access.ts";
import type { OperationContext } from "./context.ts";
import type { Decision } from "./guard.ts";
import { chain, type Maybe } from "./maybe.ts";
import type { Target } from "./operations.ts";
import { ancestorsOf, parameterOf, parentOf } from "./paths.ts";
import { type Plan, planOf, subjectOf } from "./plan.ts";
import { allows } from "./rules.ts";
import { keyAbove } from "./sharing/object-path.ts";

/**
 * The list's key. A shared resource asks nothing of shared objects above it: see `assertParent`.
 * @throws ServiceError `missing-credentials` for a list of one's own without a caller; `route-not-found`, `forbidden` or
 * `missing-credentials` when a parent is missing or closed to the caller
 */
export type Locate = (context: OperationContext, target: Target) => Maybe<ListKey>;

export function locator({ resource, name, dependencies, sharing }: Plan): Locate {
  const [root = resource] = ancestorsOf(resource);
  const isPerUser = root.options.perUser === true;
  const topLevel: ListKey = { resource: name, parent: "" };
  const ancestors = ancestorsOf(resource).map((above) =>
    ancestorOf(planOf(above, dependencies), sharing?.family.inheritsFrom(above.name) === true),
  );

  function rootParent({ principal }: OperationContext): string {
    if (!isPerUser) return "";
    if (principal.id === undefined) throw refusal(principal);
    return principal.id;
  }

  if (ancestors.length === 0)
    return isPerUser ? (context) => ({ resource: name, parent: rootParent(context) }) : () => topLevel;

  function climb(context: OperationContext, target: Target, parent: string, level: number): Maybe<ListKey> {
    const ancestor = ancestors[level];
    if (ancestor === undefined) return { resource: name, parent };
    const id = target.params[ancestor.parameter] ?? "";
    const passed = ancestor.pass(context, { resource: ancestor.resource.name, parent, id });
    return chain(passed, () => climb(context, target, parentOf(ancestor.resource, parent, id), level + 1));
  }
  const fromTheRoot: Locate = (context, target) => climb(context, target, rootParent(context), 0);
  const dependsOnPathAlone = !isPerUser && ancestors.every(({ isInherited }) => isInherited);
  return dependsOnPathAlone ? remembering(fromTheRoot, ancestors) : fromTheRoot;
}

/**
 * The same, which knows the last list again. Requests of one list come one after the other, and its name, put together anew for each of them,
 * would be hashed anew wherever it is looked up.
 */
function remembering(locate: Locate, ancestors: readonly { readonly parameter: string }[]): Locate {
  let last: { readonly ids: readonly (string | undefined)[]; readonly list: ListKey } | undefined;
  return (context, target) => {
    const { params } = target;
    if (last?.ids.every((id, level) => id === params[ancestors[level]?.parameter ?? ""]) === true) return last.list;
    return chain(locate(context, target), (list) => {
      last = { ids: ancestors.map(({ parameter }) => params[parameter]), list };
      return list;
    });
  };
}

function ancestorOf({ resource, rules, guard, id: { isValid }, dependencies }: Plan, isInherited: boolean) {
  const { storage } = dependencies;

  function assertReadable(
    { principal }: OperationContext,
    id: string,
    entry: StoredEntry | undefined,
    decision: Decision,
  ): void {
    if (entry?.kind === "object") {
      if (decision !== true && !allows(rules.get, subjectOf(principal, entry))) throw refusal(principal);
    } else if (decision === true) {
      throw parentNotFound(resource.name, id);
    } else {
      // Who sees only some objects must not learn which exist.
      throw refusal(principal);
    }
  }

  return {
    resource,
    /** Nothing is asked of it: what a caller may do below it is decided by the entries of all objects above. */
    isInherited,
    parameter: parameterOf(resource.name),
    pass(context: OperationContext, key: ObjectKey): Maybe<void> {
      const { principal } = context;
      if (isInherited) {
        if (!isValid(key.id)) throw invalidId();
        return;
      }
      return chain(guard.onObject("get", principal, key), (decision) => {
        if (decision === false) throw refusal(principal);
        if (!isValid(key.id)) return assertReadable(context, key.id, undefined, decision);
        return chain(storage.get(key), (entry) => assertReadable(context, key.id, entry, decision));
      });
    },
  };
}

/**
 * The object above a list of a shared resource exists. It need not be readable: what is in the list may be shared with callers who
 * know nothing of it. Asked after permission, so that nobody learns more than they may.
 * @throws ServiceError `route-not-found`
 */
export function assertParent({ sharing, dependencies }: Plan, list: ListKey): Maybe<void> {
  const above = sharing === undefined ? undefined : keyAbove(list);
  if (above === undefined) return;
  return chain(dependencies.storage.get(above), (entry) => {
    if (entry?.kind !== "object") throw parentNotFound(above.resource, above.id);
  });
}

function parentNotFound(resource: string, id: string): ServiceError {
  return new ServiceError("route-not-found", { details: { id, resource_name: resource } });
}

/** The object's id: from the path, or the fixed one of a singleton. */
export function idOf({ resource, name, id: ids }: Plan, target: Target): string {
  if (resource.options.singleton === true) return name;
  if (!ids.isValid(target.id)) throw invalidId();
  return target.id;
}

export function invalidId(): ServiceError {
  return invalid({ location: "path", name: null, description: "Invalid object id", code: "invalid-id" });
}

export function notFound({ name }: Plan, id: string): ServiceError {
  return new ServiceError("object-not-found", { details: { id, resource_name: name } });
}
