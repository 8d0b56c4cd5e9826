/** The history of a profile, read from the log: who changed which sections when, newest first. */
import { invalid } from "rouage";
import type { LogEntry, Storage } from "rouage/storage";
import { changesBetween, type SectionChange } from "./changes.ts";
import { readProfile } from "./migrate.ts";
import { freshProfile, type Profile } from "./schema.ts";
import { lists } from "./store.ts";

export interface Version {
  /** `last_modified` of the profile after the change. */
  readonly version: number;
  readonly at: string;
  readonly action: "create" | "update" | "delete";
  readonly by: "self" | "service";
  /** Names of the sections that changed. */
  readonly sections: readonly string[];
  readonly changes: readonly SectionChange[];
}

export interface HistoryPage {
  readonly data: readonly Version[];
  /** Where the next page begins; absent on the last. */
  readonly next?: string;
}

export interface HistoryQuery {
  readonly limit: number;
  /** `next` of the page before. */
  readonly token?: string | undefined;
}

export async function history(storage: Storage, person: string, { limit, token }: HistoryQuery): Promise<HistoryPage> {
  const before = token === undefined ? Number.POSITIVE_INFINITY : positionOf(token);
  const query = { resources: [lists.profile], parent: person, id: "profile", reverse: true } as const;
  const data: Version[] = [];
  // An entry is told by comparing it with the one before it, which comes next when reading backwards.
  let newer: LogEntry | undefined;
  let last = 0;
  for await (const entry of storage.log(query)) {
    if (entry.position >= before || entry.action === "event") continue;
    // Erased: this version and all before it say nothing any more.
    if (entry.body === undefined && entry.action !== "delete") break;
    if (newer !== undefined) {
      if (data.length === limit) return { data, next: String(last) };
      data.push(versionOf(newer, profileOf(entry), person));
      last = newer.position;
    }
    newer = entry;
  }
  if (newer === undefined) return { data };
  if (data.length === limit) return { data, next: String(last) };
  data.push(versionOf(newer, freshProfile(), person));
  return { data };
}

function versionOf(entry: LogEntry, before: Profile, person: string): Version {
  const changes = entry.action === "delete" ? [] : changesBetween(before, profileOf(entry));
  return {
    version: entry.revision,
    at: new Date(entry.time).toISOString(),
    action: entry.action === "event" ? "update" : entry.action,
    by: entry.principal === person ? "self" : "service",
    sections: changes.map(({ section }) => section),
    changes,
  };
}

const profileOf = ({ body }: LogEntry): Profile =>
  body === undefined ? freshProfile() : readProfile(JSON.parse(body));

function positionOf(token: string): number {
  if (/^[0-9]{1,15}$/.test(token)) return Number(token);
  throw invalid({
    location: "querystring",
    name: "_token",
    description: "_token has invalid content",
    code: "invalid-token",
  });
}
