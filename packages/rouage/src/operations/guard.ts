/** Who may do what, before the object is looked at: access rules, and for shared resources what settings and entries grant beside them. */
import type { Principal } from "../principal.ts";
import type { ListKey, ObjectKey } from "../storage/keys.ts";
import type { PermissionReader } from "../storage/permissions.ts";
import { decide } from "./access.ts";
import { chain, type Maybe } from "./maybe.ts";
import type { Action, EffectiveRules } from "./rules.ts";
import { type Caller, callerOf } from "./sharing/caller.ts";
import { type Decisions, level } from "./sharing/decisions.ts";

/** `object`: only the object can tell, by the rules. */
export type Decision = boolean | "object";

export interface Guard {
  /** On one object. */
  onObject(action: "get" | "replace" | "patch" | "delete", principal: Principal, key: ObjectKey): Maybe<Decision>;
  /** On creating objects in a list. */
  onCreation(principal: Principal, list: ListKey): Maybe<Decision>;
}

export function guardOf(rules: EffectiveRules, decisions: Decisions | undefined, reader: PermissionReader): Guard {
  if (decisions === undefined)
    return {
      onObject: (action, principal) => decide(rules[action], principal),
      onCreation: (principal) => decide(rules.create, principal),
    };
  return {
    onObject(action, principal, key) {
      const byRule = decide(rules[action], principal);
      if (byRule === true) return true;
      const needed = neededFor(action);
      return chain(decisions.weigh(callerOf(principal, reader), key), (weight) => weight.level >= needed || byRule);
    },
    onCreation(principal, list) {
      const byRule = decide(rules.create, principal);
      if (byRule === true) return true;
      const caller: Caller = callerOf(principal, reader);
      return chain(decisions.mayCreate(caller, list), (isGranted) => isGranted || byRule);
    },
  };
}

function neededFor(action: Action): number {
  return action === "get" ? level.below : level.write;
}
