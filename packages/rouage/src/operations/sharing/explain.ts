/** Why a principal may do something with a shared object, or may not: every rule, setting and entry that grants it. */
import type { Resource } from "../../resource-declaration.ts";
import type { ObjectKey } from "../../storage/keys.ts";
import type { PermissionReader } from "../../storage/permissions.ts";
import type { Explanation } from "../operations.ts";
import { ancestorsOf } from "../paths.ts";
import { familyOf, grantsOf, sharingOptions } from "./family.ts";
import { keyAbove, objectPathOf } from "./object-path.ts";

type Reason = Explanation["because"][number];

export interface Explainer {
  /** Settings and entries that grant `permission` on the object to one of the names. */
  reasons(key: ObjectKey, permission: string, names: ReadonlySet<string>): Promise<readonly Reason[]>;
}

export function explainerOf(
  resource: Resource,
  resources: readonly Resource[],
  reader: PermissionReader,
): Explainer | undefined {
  const family = familyOf(resource, resources);
  if (family === undefined) return undefined;
  const { creations } = family;
  const levels = [resource, ...ancestorsOf(resource).toReversed()].map((one) => ({
    pathOf: objectPathOf(one),
    granted: grantsOf(one, resources),
    isShared: sharingOptions(one) !== undefined,
  }));

  /** Permissions that grant what is wanted: on the object itself, and on each object above it. */
  function granting(permission: string, isOwn: boolean): readonly string[] {
    if (permission === "write") return ["write"];
    if (permission === "read") return isOwn ? ["read", "write", ...creations] : ["read", "write"];
    return isOwn ? [permission, "write"] : ["write"];
  }

  return {
    async reasons(key, permission, names) {
      const found: Reason[] = [];
      let at: ObjectKey | undefined = key;
      for (const [index, { pathOf, granted, isShared }] of levels.entries()) {
        if (at === undefined) break;
        if (isShared) {
          const entries = await reader.of(at);
          for (const one of granting(permission, index === 0)) {
            for (const name of granted[one] ?? [])
              if (names.has(name)) found.push({ uri: "settings", permission: one, principal: name });
            for (const name of entries[one] ?? [])
              if (names.has(name)) found.push({ uri: pathOf(at), permission: one, principal: name });
          }
        }
        at = keyAbove(at);
      }
      return found;
    },
  };
}
