/**
 * What is so about one key, asked exactly: its entry, and everything that the log says of it. Others may be writing meanwhile, so that a fault is
 * one only when a transaction sees it too.
 */
import type { LogEntry, ObjectKey, Storage, StoredEntry } from "../storage.ts";

/** What is wrong with this key, in words; undefined: nothing. */
export async function faultOf(storage: Storage, key: ObjectKey): Promise<string | undefined> {
  const sequence = await faultOfSequence(storage, key);
  if (sequence !== undefined) return sequence;
  const state = async () => {
    const entry = await storage.get(key);
    return faultOfState(entry, await lastOf(storage, key), async () => (entry ? 0 : storage.purgedBefore(key)));
  };
  return (await state()) === undefined ? undefined : storage.transaction(state);
}

/** True where an entry of the log carries nothing that an erasure would have taken. */
export function isBlank({ body, principal, requestId, traceparent }: LogEntry): boolean {
  return body === undefined && principal === undefined && requestId === undefined && traceparent === undefined;
}

/** What cannot follow on what the log said before of the same key. */
export function cannotFollow(
  { action, revision }: Pick<LogEntry, "action" | "revision">,
  before: { readonly kind: "put" | "delete"; readonly revision: number; readonly isBlank: boolean } | undefined,
): string | undefined {
  const isLive = before?.kind === "put";
  // What was erased, or emptied out, begins anew.
  if (action === "create") return isLive && !before.isBlank ? "creates what is there" : undefined;
  if (!isLive) return `${action}s what is not there`;
  return revision > before.revision ? undefined : `${action}s with a revision that is not greater than the one before`;
}

async function faultOfSequence(storage: Storage, key: ObjectKey): Promise<string | undefined> {
  let before: Parameters<typeof cannotFollow>[1];
  for await (const entry of storage.log({ resources: [key.resource], parent: key.parent, id: key.id })) {
    if (entry.action === "event") continue;
    const problem = cannotFollow(entry, before);
    if (problem !== undefined) return `entry ${entry.position} of the log ${problem}`;
    before = {
      kind: entry.action === "delete" ? "delete" : "put",
      revision: entry.revision,
      isBlank: isBlank(entry),
    };
  }
  return undefined;
}

async function lastOf(storage: Storage, key: ObjectKey): Promise<LogEntry | undefined> {
  const entries = storage.log({ resources: [key.resource], parent: key.parent, id: key.id, reverse: true });
  for await (const entry of entries) if (entry.action !== "event") return entry;
  return undefined;
}

async function faultOfState(
  entry: StoredEntry | undefined,
  last: LogEntry | undefined,
  purged: () => Promise<number>,
): Promise<string | undefined> {
  // Copies bring tombstones without entries of the log.
  if (last === undefined) return entry?.kind === "object" ? "is there, and the log knows nothing of it" : undefined;
  const said = `entry ${last.position} of the log`;
  const isDeletion = last.action === "delete";
  if (entry?.kind === "object") {
    if (isDeletion) return `is there, though ${said} deletes it`;
    if (entry.revision !== last.revision) return `has revision ${entry.revision}, in ${said} it has ${last.revision}`;
    return last.body === undefined || last.body === entry.body ? undefined : `has another body than in ${said}`;
  }
  if (isBlank(last)) return undefined;
  if (entry === undefined) {
    if (!isDeletion) return `is gone, though ${said} has it and its erasure left no trace there`;
    return last.revision < (await purged())
      ? undefined
      : `has no tombstone, though ${said} deletes it and none was purged`;
  }
  if (!isDeletion) return `is deleted, though ${said} has it and no later one deletes it`;
  return entry.revision === last.revision
    ? undefined
    : `has a tombstone of revision ${entry.revision}, in ${said} it has ${last.revision}`;
}
