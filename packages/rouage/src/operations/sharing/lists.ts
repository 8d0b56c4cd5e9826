/** What of a shared list is open to a caller: all of it, or what its own entries share. */
import type { Principal } from "../../principal.ts";
import type { Filter } from "../../storage/filter.ts";
import type { ListKey } from "../../storage/keys.ts";
import { refusal } from "../access.ts";
import { affordable } from "../affordable.ts";
import { assertParent } from "../locate.ts";
import type { Plan } from "../plan.ts";
import { callerOf } from "./caller.ts";
import type { Decisions } from "./decisions.ts";

/**
 * Undefined: all of it. Where nothing is shared with the caller the list is empty for who may create in it, and refused to others.
 * @param byRule what access rules open of it
 */
export async function openByEntries(
  plan: Plan,
  { family, mayAll }: Decisions,
  principal: Principal,
  action: "list" | "delete",
  list: ListKey,
  byRule: boolean | Filter,
): Promise<Filter | undefined> {
  const { storage } = plan.dependencies;
  const caller = callerOf(principal, storage.permissions);
  const isWhole = byRule === true || (await mayAll(caller, list, action === "list" ? "read" : "write"));
  if (isWhole) {
    await assertParent(plan, list);
    return undefined;
  }
  // What may be got is listed: who may create below an object reads the object itself.
  const permissions = action === "list" ? family.names : ["write"];
  const shared: Filter = { kind: "shared", permissions, principals: await caller.all() };
  if (byRule !== false) {
    await assertParent(plan, list);
    return { kind: "or", filters: [byRule, shared] };
  }
  const mayCreate = await plan.guard.onCreation(principal, list);
  if (mayCreate === false) {
    const [any] = await affordable(() => storage.list(list, { filter: shared, sort: byId, limit: 1 }));
    if (any === undefined) throw refusal(principal);
  }
  await assertParent(plan, list);
  return shared;
}

const byId = [{ field: "id", direction: "ascending" }] as const;
