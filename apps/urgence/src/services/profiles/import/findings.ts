/** What an import has found so far, as the person will read it: taken, left out and why, and warnings. All of it bounded. */
import type { Item, ProfileInput, SectionName, Statement } from "../schema.ts";
import { itemText } from "../schema.ts";

/** An item of a section without its id, with the date it was recorded. */
export type FoundItem<N extends SectionName = SectionName> = N extends SectionName
  ? Omit<ProfileInput[N]["items"][number], "id" | "confirmed_by">
  : never;

export interface Understood {
  /** `Condition/c64139e7…` */
  readonly source: string;
  readonly section: string;
  readonly text: string;
}

export interface NotUnderstood {
  /** One resource, or a kind of resource with its number: `Observation (61)`. */
  readonly source: string;
  readonly reason: string;
}

export interface Found {
  readonly items: Map<SectionName, { source: string; item: FoundItem }[]>;
  readonly statements: Map<SectionName, { statement: Statement; confirmed_at: string | undefined }>;
  readonly understood: Understood[];
  notUnderstood(): NotUnderstood[];
  readonly warnings: string[];
  add<N extends SectionName>(section: N, source: string, item: FoundItem<N>): void;
  say(section: SectionName, source: string, statement: Statement, confirmedAt: string | undefined): void;
  took(source: string, section: string, text: string): void;
  /** Leaves out one resource; many with the same type and reason become one line. */
  leave(source: string, type: string, reason: string): void;
  warn(text: string): void;
}

const maxLines = 200;

export function found(): Found {
  const items: Found["items"] = new Map();
  const statements: Found["statements"] = new Map();
  const understood: Understood[] = [];
  const warnings: string[] = [];
  const left = new Map<string, { source: string; type: string; reason: string; count: number }>();
  const note = (line: Understood) => {
    if (understood.length < maxLines * 5) understood.push(line);
  };
  return {
    items,
    statements,
    understood,
    warnings,
    notUnderstood: () =>
      [...left.values()].map(({ source, type, reason, count }) => ({
        source: count === 1 ? source : `${type} (${count})`,
        reason,
      })),
    add(section, source, item) {
      const list = items.get(section) ?? [];
      items.set(section, list);
      list.push({ source, item });
      note({ source, section, text: itemText(item as Item) });
    },
    say(section, source, statement, confirmed_at) {
      const known = statements.get(section)?.statement;
      if (known === undefined || known === "no-information") statements.set(section, { statement, confirmed_at });
      note({ source, section, text: statement });
    },
    took(source, section, text) {
      note({ source, section, text });
    },
    leave(source, type, reason) {
      const key = `${type}|${reason}`;
      const known = left.get(key);
      if (known !== undefined) known.count += 1;
      else if (left.size < maxLines) left.set(key, { source, type, reason, count: 1 });
    },
    warn(text) {
      if (warnings.length < maxLines && !warnings.includes(text)) warnings.push(text);
    },
  };
}
