/** What was found, put together as a profile of its own: bounded, without repetitions, the newest first. */
import { wordsOf } from "../antithrombotics.ts";
import { completeProfile } from "../complete.ts";
import {
  type Identity,
  type Item,
  itemText,
  type Profile,
  type ProfileInput,
  profileVersion,
  sectionLimits,
  sectionNames,
} from "../schema.ts";
import type { Found, FoundItem } from "./findings.ts";

export interface AssembleOptions {
  readonly now: number;
  readonly newId: () => string;
}

/** The found items as a profile of their own: without repetitions, newest first where only some fit. */
export function assemble(
  identity: Identity,
  whatMatters: string | undefined,
  found: Found,
  options: AssembleOptions,
): Profile {
  const sections = sectionNames.map((name) => {
    const items = distinct(found.items.get(name) ?? [], found);
    const limit = sectionLimits[name];
    if (items.length > limit)
      found.warn(`${items.length - limit} items of ${name} were left out: a section holds at most ${limit}.`);
    if (items.length > 0) {
      return [
        name,
        { statement: "listed", items: items.slice(0, limit).map((item) => ({ ...item, confirmed_by: "import" })) },
      ];
    }
    const said = found.statements.get(name);
    return [name, { statement: said?.statement ?? "no-information", items: [] }];
  });
  const input: ProfileInput = {
    schema_version: profileVersion,
    identity,
    ...(Object.fromEntries(sections) as Omit<ProfileInput, "schema_version" | "identity" | "what_matters">),
    ...(whatMatters === undefined ? {} : { what_matters: whatMatters }),
  };
  const profile: Record<string, unknown> = { ...completeProfile(input, { now: options.now, newId: options.newId }) };
  for (const [name, { statement, confirmed_at }] of found.statements) {
    const section = profile[name] as { statement: string };
    if (section.statement !== statement || statement === "listed" || statement === "no-information") continue;
    profile[name] = {
      statement,
      items: [],
      confirmed_at: confirmed_at ?? new Date(options.now).toISOString(),
      confirmed_by: "import",
    };
  }
  return profile as unknown as Profile;
}

/** One item for the same words (the newest), active before past ones, the newest first. */
function distinct(list: readonly { source: string; item: FoundItem }[], found: Found): FoundItem[] {
  const newest = list.toSorted((a, b) => rank(b.item) - rank(a.item) || dateOf(b.item).localeCompare(dateOf(a.item)));
  const seen = new Set<string>();
  const kept: FoundItem[] = [];
  for (const { source, item } of newest) {
    const key = wordsOf(itemText(item as Item)).join(" ") || itemText(item as Item);
    if (seen.has(key)) found.leave(source, source.split("/")[0] ?? source, "said more than once; the newest was taken");
    else kept.push(item);
    seen.add(key);
  }
  return kept;
}

const rank = (item: FoundItem) => ("status" in item && (item.status === "past" || item.status === "resolved") ? 0 : 1);

function dateOf(item: FoundItem): string {
  if ("date" in item && item.date !== undefined) return item.date;
  return item.confirmed_at ?? "";
}
