/** What differs between two versions of a profile, by section. Pure. */
import { isDeepStrictEqual } from "node:util";
import { type Item, itemText, type Profile, type Statement, sectionNames } from "./schema.ts";

export interface SectionChange {
  readonly section: string;
  readonly statement?: { readonly from: Statement; readonly to: Statement };
  /** Words of the items. */
  readonly added?: readonly string[];
  readonly removed?: readonly string[];
  readonly changed?: readonly { readonly text: string; readonly fields: readonly string[] }[];
  /** Items that were only confirmed again. */
  readonly confirmed?: readonly string[];
  /** Changed fields of the identity. */
  readonly fields?: readonly string[];
}

export function changesBetween(before: Profile, after: Profile): SectionChange[] {
  const found: SectionChange[] = [];
  const fields = differing({ ...before.identity }, { ...after.identity });
  if (fields.length > 0) found.push({ section: "identity", fields });
  for (const name of sectionNames) {
    const change = sectionChange(before[name], after[name]);
    if (Object.keys(change).length > 0) found.push({ section: name, ...change });
  }
  if (before.what_matters !== after.what_matters) found.push({ section: "what_matters" });
  return found;
}

interface AnySection {
  readonly statement: Statement;
  readonly items: readonly Item[];
  readonly confirmed_at?: string;
}

function sectionChange(before: AnySection, after: AnySection): Omit<SectionChange, "section"> {
  const old = new Map(before.items.map((item) => [item.id, item]));
  const kept = new Set(after.items.map((item) => item.id));
  const changed: { text: string; fields: string[] }[] = [];
  const confirmed: string[] = [];
  for (const item of after.items) {
    const previous = old.get(item.id);
    if (previous === undefined) continue;
    const fields = differing({ ...previous }, { ...item });
    const content = fields.filter((field) => field !== "confirmed_at" && field !== "confirmed_by");
    if (content.length > 0) changed.push({ text: itemText(item), fields: content });
    else if (fields.length > 0) confirmed.push(itemText(item));
  }
  const added = after.items.filter((item) => !old.has(item.id)).map((item) => itemText(item));
  const removed = before.items.filter((item) => !kept.has(item.id)).map((item) => itemText(item));
  const again = before.statement === after.statement && before.confirmed_at !== after.confirmed_at;
  return {
    ...(before.statement === after.statement ? {} : { statement: { from: before.statement, to: after.statement } }),
    ...(added.length === 0 ? {} : { added }),
    ...(removed.length === 0 ? {} : { removed }),
    ...(changed.length === 0 ? {} : { changed }),
    ...(confirmed.length === 0 && !again ? {} : { confirmed }),
  };
}

function differing(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): string[] {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].filter((key) => !isDeepStrictEqual(a[key], b[key]));
}
