/**
 * Signs a root for each finished day, and removes what is older than the retention, keeping the hash that the chain continues from.
 * Appends go on meanwhile: what is sealed and what is archived never changes any more. One maintenance runs at a time.
 */
import type { Clock } from "rouage";
import type { EraseScope, Storage } from "rouage/storage";
import { canonical, sha256 } from "./canonical.ts";
import { type AuditEntry, entryId, genesis } from "./entry.ts";
import { type ArchivedSegment, auditLists, type DayRoot } from "./records.ts";
import type { AuditSigner } from "./signer.ts";
import { entriesAfter, lastRecord } from "./store.ts";

export interface SealOptions {
  readonly storage: Storage;
  readonly sign: AuditSigner;
  readonly clock: Clock;
}

/** Signs the roots of all finished days that have none yet. Answers how many. */
export async function sealDays({ storage, sign, clock }: SealOptions): Promise<number> {
  const today = dayOf(new Date(clock.now() - settleMs).toISOString());
  let root = await lastRecord<DayRoot>(storage, auditLists.roots);
  let open: { readonly day: string; readonly first: number; last: AuditEntry } | undefined;
  let made = 0;
  const close = async () => {
    if (open === undefined) return;
    root = sign({
      kind: "day" as const,
      day: open.day,
      first: open.first,
      last: open.last.seq,
      hash: open.last.hash,
      previous_root: root === undefined ? genesis : sha256(canonical(root)),
    });
    await put(storage, auditLists.roots, open.day, root);
    made++;
  };
  for await (const entry of entriesAfter(storage, root?.last ?? 0)) {
    const day = dayOf(entry.recorded);
    if (open?.day === day) open.last = entry;
    else {
      await close();
      open = undefined;
      if (day >= today) break;
      open = { day, first: entry.seq, last: entry };
    }
  }
  await close();
  return made;
}

/** A day is finished a little after its end: another process's clock may be slow. */
const settleMs = 5 * 60_000;

/**
 * Removes the entries of whole, sealed days before `before` for good, with their notes and events. The segment's record is written
 * first: whatever happens in between, the chain stays verifiable.
 */
export async function archiveBefore({ storage, sign }: SealOptions, before: number): Promise<number> {
  const limit = dayOf(new Date(before).toISOString());
  const segment = await lastRecord<ArchivedSegment>(storage, auditLists.segments);
  let target: DayRoot | undefined;
  for (const stored of await allRoots(storage)) {
    if (stored.day < limit && stored.last > (segment?.to ?? 0)) target = stored;
  }
  if (target !== undefined) {
    const from = (segment?.to ?? 0) + 1;
    const record = sign({
      kind: "segment" as const,
      from,
      to: target.last,
      last_day: target.day,
      previous: segment?.hash ?? genesis,
      hash: target.hash,
    });
    await put(storage, auditLists.segments, entryId(from), record);
  }
  const to = target?.last ?? segment?.to ?? 0;
  let removed = 0;
  let scopes: EraseScope[] = [];
  const erase = async () => {
    removed += scopes.filter(({ resource }) => resource === auditLists.entries).length;
    if (scopes.length > 0) await storage.erase(scopes);
    scopes = [];
  };
  for await (const { seq, audit, subject = "" } of entriesAfter(storage, 0)) {
    if (seq > to) break;
    scopes.push(
      { resource: auditLists.entries, parent: "", id: entryId(seq) },
      { resource: auditLists.notes, parent: subject, id: audit },
      { resource: auditLists.events, parent: subject, id: audit },
    );
    if (scopes.length >= 300) await erase();
  }
  await erase();
  return removed;
}

async function allRoots(storage: Storage): Promise<readonly DayRoot[]> {
  const roots: DayRoot[] = [];
  for await (const entry of storage.scan(auditLists.roots))
    if (entry.kind === "object") roots.push(JSON.parse(entry.body) as DayRoot);
  return roots;
}

async function put(storage: Storage, resource: string, id: string, body: object): Promise<void> {
  await storage.commit([
    {
      kind: "put",
      key: { resource, parent: "", id },
      body: JSON.stringify(body),
      expect: { kind: "absent" },
      logBody: false,
    },
  ]);
}

function dayOf(time: string): string {
  return time.slice(0, 10);
}
