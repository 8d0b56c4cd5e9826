/** Every name by which permission entries may mean a caller. */
import type { Principal } from "../principal.ts";

export function principalsOf(principal: Principal): readonly string[] {
  const { id, principals = [] } = principal;
  if (id === undefined) return ["system.Everyone", ...principals];
  return ["system.Everyone", "system.Authenticated", id, ...principals];
}
