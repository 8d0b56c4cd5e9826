/** The rules that really hold for each action of a resource, defaults included, and their decisions on callers and objects. */
import type { TObject } from "typebox";
import type { Principal } from "../principal.ts";
import type { ResourceOptions } from "../resource-declaration.ts";
import type { Filter } from "../storage/filter.ts";
import { type AccessSubject, authenticated, owner, type Rule } from "./access.ts";

export type Action = "create" | "list" | "get" | "replace" | "patch" | "delete";

export type EffectiveRules = Readonly<Record<Action, readonly Rule[]>>;

export function effectiveRules({
  access = {},
  perUser,
  sharing,
  parent,
}: Pick<ResourceOptions<TObject>, "access" | "perUser" | "sharing" | "parent">): EffectiveRules {
  // Of a shared resource nobody has anything but what is shared, and at the top anybody signed in may begin.
  const own = sharing !== undefined ? [] : perUser === true ? [authenticated] : [owner];
  const isTop = parent?.options.sharing === undefined;
  const namesCreators = typeof sharing === "object" && sharing.granted?.create !== undefined;
  const creators = sharing === undefined || (isTop && !namesCreators) ? [authenticated] : [];
  const { create, read, write, list, get, replace, patch, delete: remove } = access;
  const rules = {
    create: create ?? write ?? creators,
    list: list ?? read ?? write ?? own,
    get: get ?? read ?? write ?? own,
    replace: replace ?? write ?? own,
    patch: patch ?? write ?? own,
    delete: remove ?? write ?? own,
  };
  return rules as EffectiveRules;
}

/** The decision on one object. */
export function allows(rules: readonly Rule[], subject: AccessSubject<unknown>): boolean {
  return rules.some((rule) => {
    const decision = rule.decide(subject.principal);
    return decision === "object" ? rule.allows?.(subject) === true : decision;
  });
}

/** The decision on a list: everything, nothing, or the objects that match. */
export function listDecision(rules: readonly Rule[], principal: Principal): boolean | Filter {
  const filters: Filter[] = [];
  for (const rule of rules) {
    const decision = rule.decide(principal);
    if (decision === true) return true;
    if (decision === "object" && rule.filter !== undefined) filters.push(rule.filter(principal));
  }
  const [only] = filters;
  if (only === undefined) return false;
  return filters.length === 1 ? only : { kind: "or", filters };
}
