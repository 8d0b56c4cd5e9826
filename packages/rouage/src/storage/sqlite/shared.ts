/** What filters to shared objects become before they are SQL: the ids themselves where they are few, else a question for each row. */
import type { Filter } from "../filter.ts";
import type { ListKey } from "../storage.ts";
import type { Database } from "./database.ts";
import { many } from "./rows.ts";

type Shared = Extract<Filter, { kind: "shared" }>;

/** More ids than this cost more than looking at the rows in the order in which they are asked for. */
const fewIds = 1_000;

/** The same filter with every part about sharing that only few objects meet replaced by their ids. */
export function withSharedIds(
  { prepare }: Pick<Database, "prepare">,
  { resource, parent }: ListKey,
  filter: Filter,
): Filter {
  const replaced = (part: Filter): Filter => {
    switch (part.kind) {
      case "and":
      case "or":
        return { kind: part.kind, filters: part.filters.map(replaced) };
      case "not":
        return { kind: "not", filter: replaced(part.filter) };
      case "shared": {
        const ids = idsOf(part);
        return ids.length > fewIds ? part : { kind: "in", field: "id", values: ids };
      }
      default:
        return part;
    }
  };

  function idsOf({ permissions, principals }: Shared): readonly string[] {
    const rows = many(
      prepare(
        `SELECT id FROM aces WHERE principal IN (SELECT value FROM json_each(?)) AND resource = ? AND parent = ? AND +permission IN (SELECT value FROM json_each(?)) LIMIT ${fewIds + 1}`,
      ),
      JSON.stringify(principals),
      resource,
      parent,
      JSON.stringify(permissions),
    );
    return rows.map(([id]) => id as string);
  }

  return asksShared(filter) ? replaced(filter) : filter;
}

/** True where every object that matches is one of a few that the filter names, so that they had better be looked up by id. */
export function namesIds(filter: Filter | undefined): boolean {
  if (filter?.kind === "and") return filter.filters.some(namesIds);
  return filter?.kind === "in" && filter.field === "id" && filter.values.length <= fewIds;
}

function asksShared(filter: Filter): boolean {
  if (filter.kind === "and" || filter.kind === "or") return filter.filters.some(asksShared);
  return filter.kind === "not" ? asksShared(filter.filter) : filter.kind === "shared";
}
