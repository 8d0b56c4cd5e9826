/** Fills in what the server owns: ids of new items, and when and by whom each item was last confirmed. */
import { isDeepStrictEqual } from "node:util";
import {
  type Confirmer,
  type Profile,
  type ProfileInput,
  profileVersion,
  type Statement,
  sectionNames,
} from "./schema.ts";

export interface Completion {
  /** What is stored now; its unchanged items keep their confirmation. */
  readonly previous?: Profile | undefined;
  readonly now: number;
  readonly newId: () => string;
}

/**
 * An item whose content is unchanged and that still carries a `confirmed_at` keeps the stored confirmation; new, changed
 * and re-confirmed (`confirmed_at` left out) items are confirmed now by the person. An item that comes from an import
 * keeps the date of its document: it is as old as that.
 */
export function completeProfile(input: ProfileInput, completion: Completion): Profile {
  const { previous } = completion;
  const sections = sectionNames.map((name) => {
    const { statement, items, confirmed_at } = input[name];
    const known = new Map((previous?.[name].items ?? []).map((item) => [item.id, item as LooseItem]));
    const completed = (items as readonly LooseItem[]).map((item) => completeItem(item, known, completion));
    const said = statementConfirmation(statement, confirmed_at, previous?.[name], completion);
    return [name, { statement, items: completed, ...said }];
  });
  const profile = { schema_version: profileVersion, identity: input.identity, ...Object.fromEntries(sections) };
  return input.what_matters === undefined ? profile : { ...profile, what_matters: input.what_matters };
}

interface LooseItem {
  readonly id?: string;
  readonly confirmed_at?: string;
  readonly confirmed_by?: Confirmer;
}

function completeItem(item: LooseItem, known: ReadonlyMap<string, LooseItem>, { now, newId }: Completion): LooseItem {
  const id = item.id ?? newId();
  const stored = known.get(id);
  const { confirmed_at, confirmed_by, ...content } = { ...item, id };
  if (stored !== undefined && confirmed_at !== undefined) {
    const { confirmed_at: at, confirmed_by: by, ...storedContent } = stored;
    if (isDeepStrictEqual(content, storedContent)) return confirmed(content, at ?? iso(now), by ?? "self");
  }
  if (stored === undefined && confirmed_by === "import" && confirmed_at !== undefined) {
    return confirmed(content, iso(Math.min(now, Date.parse(confirmed_at))), "import");
  }
  return confirmed(content, iso(now), "self");
}

const confirmed = (content: LooseItem, confirmed_at: string, confirmed_by: Confirmer): LooseItem => ({
  ...content,
  confirmed_at,
  confirmed_by,
});

function statementConfirmation(
  statement: Statement,
  confirmedAt: string | undefined,
  stored:
    | { readonly statement: Statement; readonly confirmed_at?: string; readonly confirmed_by?: Confirmer }
    | undefined,
  { now }: Completion,
): { confirmed_at?: string; confirmed_by?: Confirmer } {
  if (statement !== "none-known" && statement !== "declined") return {};
  const kept = stored?.statement === statement && confirmedAt !== undefined ? stored.confirmed_at : undefined;
  if (kept !== undefined) return { confirmed_at: kept, confirmed_by: stored?.confirmed_by ?? "self" };
  return { confirmed_at: iso(now), confirmed_by: "self" };
}

const iso = (time: number) => new Date(time).toISOString();
