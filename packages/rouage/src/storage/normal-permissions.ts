/** Permission entries in the one form in which every storage keeps and answers them. */
import type { Permissions } from "./permissions.ts";

/** No empty lists, no duplicates; permissions and principals in code-unit order. */
export function normalPermissions(permissions: Permissions): Permissions {
  return Object.fromEntries(
    Object.entries(permissions)
      .filter(([, principals]) => principals.length > 0)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, principals]) => [name, [...new Set(principals)].sort()]),
  );
}

/** What is left of the entries when a principal is struck out. */
export function withoutPrincipal(permissions: Permissions, principal: string): Permissions {
  return normalPermissions(
    Object.fromEntries(
      Object.entries(permissions).map(([name, principals]) => [
        name,
        principals.filter((other) => other !== principal),
      ]),
    ),
  );
}
