/** explain: tells those who may write an object why somebody has a permission on it, or has not. */
import { invalid, ServiceError } from "../errors.ts";
import type { Principal } from "../principal.ts";
import type { StoredObject } from "../storage/storage.ts";
import { type Rule, refusal } from "./access.ts";
import { assertParent, idOf, type Locate, notFound } from "./locate.ts";
import type { Explanation, ResourceOperations } from "./operations.ts";
import { type Plan, subjectOf } from "./plan.ts";
import { allows, effectiveRules } from "./rules.ts";
import { principalNamed, principalsOf } from "./sharing/caller.ts";
import { explainerOf } from "./sharing/explain.ts";
import { creationOf } from "./sharing/family.ts";

type Reason = Explanation["because"][number];

export function explanationsOf({
  plan,
  locate,
}: {
  readonly plan: Plan;
  readonly locate: Locate;
}): Pick<ResourceOperations, "explain"> {
  const { rules, guard, sharing, resource, dependencies } = plan;
  const { storage, resources = [] } = dependencies;
  const explainer = explainerOf(resource, resources, storage.permissions);

  /** Rules of the declaration that allow what the permission stands for. */
  function reasonsByRule(permission: string, principal: Principal, object: StoredObject): readonly Reason[] {
    const found = new Map<string, Reason>();
    const collect = (action: string, list: readonly Rule[], subject: Parameters<typeof allows>[1]) => {
      for (const rule of list)
        if (allows([rule], subject))
          found.set(`${action} ${rule.name}`, { uri: "rules", permission: action, principal: rule.name });
    };
    const subject = subjectOf(principal, object);
    if (permission === "read") collect("get", rules.get, subject);
    else if (permission === "write")
      for (const action of ["replace", "patch", "delete"] as const) collect(action, rules[action], subject);
    else
      for (const child of resources)
        if (child.options.parent?.name === resource.name && creationOf(child.name) === permission)
          for (const rule of effectiveRules(child.options).create)
            if (rule.decide(principal) === true)
              found.set(rule.name, { uri: "rules", permission, principal: rule.name });
    return [...found.values()];
  }

  return {
    async explain({ principal }, target, question) {
      if (sharing === undefined || explainer === undefined) throw new ServiceError("route-not-found");
      const id = idOf(plan, target);
      const list = await locate({ principal } as Parameters<Locate>[0], target);
      const key = { ...list, id };
      const decision = await guard.onObject("replace", principal, key);
      if (decision === false) throw refusal(principal);
      const found = await storage.get(key);
      if (found?.kind !== "object") {
        if (decision !== true) throw refusal(principal);
        await assertParent(plan, list);
        throw notFound(plan, id);
      }
      if (decision !== true && !allows(rules.replace, subjectOf(principal, found))) throw refusal(principal);

      const { permission, principal: asked } = question;
      const { names } = sharing.family;
      if (!names.includes(permission))
        throw invalid({
          location: "querystring",
          name: "permission",
          description: `"${permission.slice(0, 64)}" is not one of ${names.join(", ")}`,
          code: "enum",
        });
      const subject = asked === undefined ? principal : principalNamed(asked);
      const meant = new Set(await principalsOf(storage.permissions, subject));
      const because = [
        ...reasonsByRule(permission, subject, found),
        ...(await explainer.reasons(key, permission, meant)),
      ];
      return {
        id,
        principal: asked ?? principal.id ?? "system.Everyone",
        permission,
        allowed: because.length > 0,
        because,
      };
    },
  };
}
