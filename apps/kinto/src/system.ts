/** The application acting by itself: creations that no permission allows or forbids, such as that of a default bucket. */
import { type Principal, type Rule, role } from "rouage";

const systemRole = "kinto:system";

/** Holds for nobody who comes through the door: no authentication policy gives this role. */
export const systemRule: Rule = role(systemRole);

/** The same caller, free of permissions. Everything written in this name is written by them. */
export function asSystem(principal: Principal): Principal {
  return { ...principal, roles: new Set([...principal.roles, systemRole]) };
}
