/** The audit's records as the store holds them, read in order for verification, sealing and retention. */
import type { Storage, StoredEntry } from "rouage/storage";
import { headKey } from "./chain.ts";
import { type AuditEntry, entryId } from "./entry.ts";
import { type ArchivedSegment, auditLists, type ChainHead, type DayRoot } from "./records.ts";
import type { ChainSource } from "./verify.ts";

const pageSize = 500;

export function storedChain(storage: Storage): ChainSource {
  return {
    async *entries() {
      for await (const { id, body } of inOrder(storage, auditLists.entries))
        yield { id, entry: parse<AuditEntry>(body) };
    },
    roots: () => records<DayRoot>(storage, auditLists.roots),
    segments: () => records<ArchivedSegment>(storage, auditLists.segments),
    async head() {
      const stored = await storage.get(headKey);
      return stored?.kind === "object" ? parse<ChainHead>(stored.body) : undefined;
    },
  };
}

/** Entries behind a position, oldest first. */
export async function* entriesAfter(storage: Storage, seq: number): AsyncIterable<AuditEntry> {
  for await (const { body } of inOrder(storage, auditLists.entries, entryId(seq))) {
    const entry = parse<AuditEntry>(body);
    if (entry !== undefined) yield entry;
  }
}

export async function lastRecord<T>(storage: Storage, resource: string): Promise<T | undefined> {
  const [last] = await storage.list(
    { resource, parent: "" },
    { sort: [{ field: "id", direction: "descending" }], limit: 1 },
  );
  return last?.kind === "object" ? parse<T>(last.body) : undefined;
}

async function* records<T>(storage: Storage, resource: string): AsyncIterable<T> {
  for await (const { body } of inOrder(storage, resource)) {
    const record = parse<T>(body);
    if (record !== undefined) yield record;
  }
}

async function* inOrder(
  storage: Storage,
  resource: string,
  after?: string,
): AsyncIterable<{ id: string; body: string }> {
  let behind = after;
  for (;;) {
    const page: readonly StoredEntry[] = await storage.list(
      { resource, parent: "" },
      {
        sort: [{ field: "id", direction: "ascending" }],
        limit: pageSize,
        ...(behind === undefined ? {} : { after: [behind] }),
      },
    );
    for (const entry of page) if (entry.kind === "object") yield entry;
    behind = page.at(-1)?.id;
    if (page.length < pageSize) return;
  }
}

function parse<T>(body: string): T | undefined {
  try {
    return JSON.parse(body) as T;
  } catch {
    return undefined;
  }
}
