/**
 * What a store needs that a database's own tools have put back to an earlier time: lists beyond all that clients may have seen, and gone again who was
 * erased since. Knows the store by its interface alone; nobody else may use it meanwhile.
 */
import type { Erased } from "../erasure-ledger.ts";
import type { Change, EraseScope, Storage } from "../storage.ts";

export interface PutBackOptions {
  /** Names of all resources of the store; defined. */
  readonly resources: readonly string[];
  /** Milliseconds since the epoch: now, and the time that the store was put back to. */
  readonly now: number;
  readonly since: number;
  /** What was erased since; undefined: nothing is erased again. */
  readonly erased: Erased | undefined;
}

export interface PutBack {
  readonly lists: number;
  /** Objects, tombstones and log entries. */
  readonly erasedAgain: number;
}

/** More commits than were made between any backup and its loss. */
export const positionsSkipped = 1_000_000_000;

/** Lists that take more than a write a millisecond for a while run ahead of the time. */
export const aheadMs = 60_000;

const commitSize = 500;

export async function afterPuttingBack(storage: Storage, options: PutBackOptions): Promise<PutBack> {
  const { resources, now, since, erased } = options;
  const scopes = erased === undefined ? [] : await erasedIn(storage, resources, erased);
  const { objects, tombstones, logEntries } =
    scopes.length === 0 ? { objects: 0, tombstones: 0, logEntries: 0 } : await storage.erase(scopes);
  const erasedAgain = objects + tombstones + logEntries;
  if (storage.beginAnew !== undefined) return { lists: await storage.beginAnew({ now, since }), erasedAgain };
  const elapsed = Math.max(0, now - since);
  let lists = 0;
  let changes: Change[] = [];
  for await (const { resource, parent, revision } of storage.lists()) {
    const raised = Math.max(now, revision + elapsed) + aheadMs;
    changes.push({ kind: "list", key: { resource, parent }, revision: raised, purged: raised });
    lists++;
    if (changes.length < commitSize) continue;
    await storage.commit(changes);
    changes = [];
  }
  await storage.commit(changes);
  return { lists, erasedAgain };
}

/** Everything that the store or its log holds something of, and that was erased. */
async function erasedIn(
  storage: Storage,
  resources: readonly string[],
  erased: Erased,
): Promise<readonly EraseScope[]> {
  const found = new Map<string, EraseScope>();
  const note = (scope: EraseScope): boolean => {
    const isErased = erased.has(scope);
    if (isErased) found.set(JSON.stringify(scope), scope);
    return isErased;
  };
  const look = (resource: string, parent: string, id: string): void => {
    if (!note({ resource }) && !note({ resource, parent })) note({ resource, parent, id });
  };
  for (const resource of resources)
    for await (const { parent, id } of storage.scan(resource, { tombstones: true })) look(resource, parent, id);
  for await (const { resource, parent, id } of storage.log()) look(resource, parent, id);
  return [...found.values()];
}
