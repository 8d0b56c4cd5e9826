/** Access rules as values: who may do what to a resource, its objects and its fields. */
import { ServiceError } from "../errors.ts";
import type { Principal } from "../principal.ts";
import type { Filter } from "../storage/filter.ts";

/** What an object rule may look at. */
export interface AccessSubject<T> {
  readonly principal: Principal;
  /** The stored object, without `id` and `last_modified`; parsed on first use. */
  readonly object: T;
  readonly id: string;
  /** Principal id of the creator. */
  readonly owner: string | undefined;
}

export interface Rule<T = unknown> {
  /** Shown in the API description and to developers. */
  readonly name: string;
  /** Decides from the caller alone; "object" when the object must be seen. Pure and fast: called on every request. */
  decide(principal: Principal): boolean | "object";
  /** Decides on one object; required where `decide` may answer "object". */
  allows?(subject: AccessSubject<T>): boolean;
  /** The same decision as a filter, so that lists show only what is allowed; required for rules on lists that may answer "object". */
  filter?(principal: Principal): Filter;
}

/** Anybody, signed in or not. */
export const everyone: Rule = { name: "everyone", decide: () => true };

/** Anybody who is signed in. */
export const authenticated: Rule = { name: "authenticated", decide: (principal) => principal.id !== undefined };

/** Nobody, whatever the other rules of the list say nothing about; an empty list means the same. */
export const nobody: Rule = { name: "nobody", decide: () => false };

/** The principal that created the object. */
export const owner: Rule = {
  name: "owner",
  decide: (principal) => (principal.id === undefined ? false : "object"),
  allows: (subject) => subject.owner !== undefined && subject.owner === subject.principal.id,
  filter: (principal) => ({ kind: "owner", owner: principal.id ?? "" }),
};

/** A caller with this role. */
export function role(name: string): Rule {
  return { name: `role(${name})`, decide: (principal) => principal.roles.has(name) };
}

export interface Predicate<T> {
  readonly name: string;
  /** Decides on the caller; default: every caller's object is looked at. */
  readonly principal?: (principal: Principal) => boolean;
  /** Decides on the object as well; absent: the caller alone decides. */
  readonly object?: (subject: AccessSubject<T>) => boolean;
  /** The object decision as a filter; without it the rule cannot guard a list. */
  readonly filter?: (principal: Principal) => Filter;
}

/** A rule of one's own, over the caller, the object, or both. */
export function predicate<T>({ name, principal = () => true, object, filter }: Predicate<T>): Rule<T> {
  if (object === undefined) return { name, decide: principal };
  const rule: Rule<T> = { name, decide: (caller) => (principal(caller) ? "object" : false), allows: object };
  return filter === undefined ? rule : { ...rule, filter };
}

/** The strongest answer of several rules for this caller; "object" when only the object can tell. */
export function decide(rules: readonly Rule<never>[], principal: Principal): boolean | "object" {
  let answer: boolean | "object" = false;
  for (const rule of rules) {
    const decision = rule.decide(principal);
    if (decision === true) return true;
    if (decision === "object") answer = "object";
  }
  return answer;
}

/** 401 for an anonymous caller, 403 for a known one. */
export function refusal(principal: Principal): ServiceError {
  return new ServiceError(principal.id === undefined ? "missing-credentials" : "forbidden");
}
