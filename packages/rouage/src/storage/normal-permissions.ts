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
