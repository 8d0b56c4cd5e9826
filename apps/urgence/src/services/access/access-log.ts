/** The audit as people read it: a person reads who looked, a responder what they themselves looked up. Newest first, in pages. */
import { invalid, type Principal } from "rouage";
import type { Filter, Storage } from "rouage/storage";
import type { AuditEntry } from "./audit/entry.ts";
import { auditLists } from "./audit/records.ts";
import type { Subjects } from "./audit/subjects.ts";

export interface Page {
  readonly data: readonly object[];
  /** Token of the next page. */
  readonly next?: string;
}

export interface PageRequest {
  readonly limit: number;
  readonly token?: string | undefined;
}

/** Every access to what this person gave; empty when there was none. */
export async function accessLog(
  storage: Storage,
  subjects: Subjects,
  person: string,
  page: PageRequest,
): Promise<Page> {
  const subject = await subjects.find(person);
  if (subject === undefined) return { data: [] };
  const { entries, next } = await read(
    storage,
    { kind: "compare", field: "subject", operator: "eq", value: subject },
    page,
  );
  const data = await Promise.all(entries.map(async (entry) => forPerson(entry, await noteOf(storage, subject, entry))));
  return next === undefined ? { data } : { data, next };
}

/** The responder's own lookups; whom they concerned is not said again. */
export async function ownLookups(storage: Storage, { id = "" }: Principal, page: PageRequest): Promise<Page> {
  const { entries, next } = await read(storage, { kind: "compare", field: "actor", operator: "eq", value: id }, page);
  const data = entries.map(({ audit, at, level, reason, incident, outcome, sections, site }) =>
    compact({ id: audit, at, level, reason, incident, outcome, sections, site }),
  );
  return next === undefined ? { data } : { data, next };
}

/** Role, site and service are named; the responder's own identity is the officer's business. */
function forPerson(entry: AuditEntry, note: string | undefined): object {
  const { audit, at, level, role, site, service, reason, incident, sections, outcome } = entry;
  return compact({
    id: audit,
    at,
    level,
    who: compact({ role, site, service }),
    reason,
    note,
    incident,
    sections,
    outcome,
  });
}

async function noteOf(
  storage: Storage,
  subject: string,
  { audit, note_hash }: AuditEntry,
): Promise<string | undefined> {
  if (note_hash === undefined) return undefined;
  const stored = await storage.get({ resource: auditLists.notes, parent: subject, id: audit });
  return stored?.kind === "object" ? (JSON.parse(stored.body) as { text: string }).text : undefined;
}

async function read(storage: Storage, filter: Filter, { limit, token }: PageRequest) {
  if (token !== undefined && !/^\d{12}$/.test(token))
    throw invalid({
      location: "querystring",
      name: "_token",
      description: "_token has invalid content",
      code: "format",
    });
  const found = await storage.list(
    { resource: auditLists.entries, parent: "" },
    {
      filter,
      sort: [{ field: "id", direction: "descending" }],
      limit: limit + 1,
      ...(token === undefined ? {} : { after: [token] }),
    },
  );
  const page = found.slice(0, limit);
  const entries = page.flatMap((entry) => (entry.kind === "object" ? [JSON.parse(entry.body) as AuditEntry] : []));
  const next = found.length > limit ? page.at(-1)?.id : undefined;
  return { entries, next };
}

function compact(object: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}
