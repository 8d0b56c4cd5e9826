/** Puts what was imported beside what the person entered. What the person said stays; where the two disagree, both are listed. */
import { isDeepStrictEqual } from "node:util";
import { wordsOf } from "../antithrombotics.ts";
import {
  type Identity,
  type Item,
  itemText,
  type Profile,
  type SectionName,
  sectionLimits,
  sectionNames,
} from "../schema.ts";

export interface Conflict {
  readonly section: SectionName | "identity" | "what_matters";
  readonly field?: string;
  readonly item_id?: string;
  /** What the profile says and keeps. */
  readonly yours: unknown;
  /** What the document says. */
  readonly imported: unknown;
}

export interface Merged {
  readonly profile: Profile;
  readonly conflicts: readonly Conflict[];
  readonly warnings: readonly string[];
}

export function merge(current: Profile, imported: Profile): Merged {
  const conflicts: Conflict[] = [];
  const warnings: string[] = [];
  const identity: Record<string, unknown> = { ...current.identity };
  for (const [field, value] of Object.entries(imported.identity)) {
    const yours = current.identity[field as keyof Identity];
    if (yours === undefined) identity[field] = value;
    else if (!isDeepStrictEqual(yours, value)) {
      const shown = field === "photo" ? { yours: "(photo)", imported: "(photo)" } : { yours, imported: value };
      conflicts.push({ section: "identity", field, ...shown });
    }
  }
  const sections = sectionNames.map((name) => [name, mergeSection(name, current, imported, conflicts, warnings)]);
  const profile: Record<string, unknown> = { ...current, ...Object.fromEntries(sections), identity };
  if (imported.what_matters !== undefined) {
    if (current.what_matters === undefined) profile.what_matters = imported.what_matters;
    else if (current.what_matters !== imported.what_matters) {
      conflicts.push({ section: "what_matters", yours: current.what_matters, imported: imported.what_matters });
    }
  }
  return { profile: profile as Profile, conflicts, warnings };
}

function mergeSection(
  name: SectionName,
  currentProfile: Profile,
  importedProfile: Profile,
  conflicts: Conflict[],
  warnings: string[],
): unknown {
  const current = currentProfile[name];
  const imported = importedProfile[name];
  if (imported.statement === "no-information" || isDeepStrictEqual(current, imported)) return current;
  if (current.statement === "no-information") return imported;
  if (current.statement !== "listed" || imported.statement !== "listed") {
    if (current.statement !== imported.statement) {
      conflicts.push({ section: name, yours: said(current), imported: said(imported) });
    }
    return current;
  }
  const limit = sectionLimits[name];
  const items: Item[] = [...current.items];
  const byKey = new Map(items.flatMap((item, place) => keysOf(name, item).map((key) => [key, place] as const)));
  let dropped = 0;
  for (const item of imported.items as readonly Item[]) {
    const place = keysOf(name, item)
      .map((key) => byKey.get(key))
      .find((found) => found !== undefined);
    const known = place === undefined ? undefined : items[place];
    if (place !== undefined && known !== undefined) items[place] = filledIn(name, known, item, conflicts);
    else if (items.length < limit) items.push(item);
    else if (limit === 1) conflicts.push({ section: name, yours: said(current), imported: said(imported) });
    else dropped += 1;
  }
  if (dropped > 0) warnings.push(`${dropped} items of ${name} were left out: a section holds at most ${limit}.`);
  return { ...current, items };
}

const said = ({ statement, items }: { statement: string; items: readonly Item[] }) =>
  statement === "listed" ? items.map((item) => itemText(item)) : statement;

/** Items with a key in common are the same thing: the same code, or the same words. */
function keysOf(section: SectionName, item: Item): string[] {
  // There is one pregnancy and one blood group; each item of these is about the same thing.
  if (section === "pregnancy" || section === "blood_group") return [section];
  const text = `text:${wordsOf(itemText(item)).join(" ")}`;
  const code = "code" in item ? item.code : undefined;
  return code === undefined ? [text] : [text, `code:${code.system}|${code.code}`];
}

const owned = new Set(["id", "text", "name", "confirmed_at", "confirmed_by"]);

/** The person's item with the details it lacked; a detail that differs is a conflict, and the person's stays. */
function filledIn(section: SectionName, mine: Item, theirs: Item, conflicts: Conflict[]): Item {
  const result: Record<string, unknown> = { ...mine };
  for (const [field, value] of Object.entries(theirs)) {
    if (owned.has(field)) continue;
    const yours = result[field];
    if (yours === undefined) result[field] = value;
    else if (!isDeepStrictEqual(yours, value) && field !== "code") {
      conflicts.push({ section, item_id: mine.id, field, yours, imported: value });
    }
  }
  return result as unknown as Item;
}
