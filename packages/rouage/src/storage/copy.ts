/**
 * Makes one store like another, whatever both are: objects with ids, revisions, owners and permissions, tombstones, revisions and purges of lists, groups.
 * Both are walked side by side in the order of keys, so that what is equal already is not written, memory is bounded, and an interrupted copy goes on.
 * The log is not copied, as in a dump: every object becomes an entry of the target's own.
 */
import { fewAtOnce } from "./few-at-once.ts";
import { normalPermissions } from "./normal-permissions.ts";
import { sideBySide } from "./side-by-side.ts";
import type { Change, EraseScope, ListKey, Permissions, Storage, StoredEntry } from "./storage.ts";
import { CommitConflict } from "./storage.ts";

export interface CopyOptions {
  /** Names of the resources; defined in both. */
  readonly resources: readonly string[];
  /** Those whose entries in the target's log keep no bodies. */
  readonly withoutLogBodies?: ReadonlySet<string>;
  /** The target may hold an earlier copy: only differences are written. Default: it has to be empty. */
  readonly update?: boolean;
  /** Called now and then with the entries of the source that were looked at. */
  readonly progress?: (done: number, total: number) => void;
}

export interface Copied {
  readonly objects: number;
  readonly tombstones: number;
  readonly lists: number;
  readonly groups: number;
  /** Entries that were written or erased because they differed. */
  readonly written: number;
  /** Entries that came to the source's log meanwhile: with any, the copy is of no one moment, and not finished. */
  readonly missed: number;
}

/** The copy was not made, or not finished; the message says what to do. */
export class CopyError extends Error {
  override readonly name = "CopyError";
}

export type CopiedEntry = StoredEntry & { readonly parent: string; readonly permissions: Permissions };

/** One commit takes at most so many changes, and characters. */
const largestCommit = { changes: 500, size: 2_000_000 };

/** @throws CopyError where the target is not empty, or holds something newer than the source */
export async function copyStore(from: Storage, to: Storage, options: CopyOptions): Promise<Copied> {
  const { resources, withoutLogBodies = new Set(), update = false, progress } = options;
  const wanted = new Set(resources);
  const filled = (await to.totals()).find(({ objects, tombstones }) => objects + tombstones > 0);
  if (filled !== undefined && !update)
    throw new CopyError(
      `the target is not empty: it has ${filled.objects} objects of ${filled.resource}; --update brings an earlier or interrupted copy up to date`,
    );
  const total = (await from.totals())
    .filter(({ resource }) => wanted.has(resource))
    .reduce((sum, { objects, tombstones }) => sum + objects + tombstones, 0);
  const began = await from.position();
  const writer = writerTo(to);
  const counts = { object: 0, tombstone: 0 };
  const gone: EraseScope[] = [];
  let written = 0;

  for (const resource of resources) {
    const logBody = !withoutLogBodies.has(resource);
    let anew = 0;
    for await (const [source, target] of entriesSideBySide(from, to, resource)) {
      if (source === undefined) {
        if (target !== undefined) gone.push({ resource, parent: target.parent, id: target.id });
        continue;
      }
      counts[source.kind]++;
      progress?.(counts.object + counts.tombstone, total);
      if (target !== undefined && difference(source, target) === undefined) continue;
      written++;
      if (isMadeAnew(source, target)) anew++;
      else await writer.add([changeTo({ resource, parent: source.parent }, source, target, logBody)]);
    }
    // Deleting takes a new revision of the list, which what is still to come may have.
    await writer.flush();
    if (anew === 0) continue;
    for await (const [source, target] of entriesSideBySide(from, to, resource)) {
      if (source === undefined || difference(source, target ?? source) === undefined) continue;
      const list = { resource, parent: source.parent };
      // Beyond the object's, so that it cannot be the very one that the deletion takes.
      const revision = source.revision + 1;
      const remove: Change = { kind: "delete", key: { ...list, id: source.id }, expect: { kind: "any" }, revision };
      await writer.add([remove, changeTo(list, source, undefined, logBody)]);
    }
    await writer.flush();
  }
  const groups = await copyGroups(from, to, writer);
  const hasMoved = (await from.position()) !== began;
  let lists = 0;
  for await (const { resource, parent, revision, purged } of from.lists()) {
    if (!wanted.has(resource)) continue;
    lists++;
    // Raised by what came meanwhile, a list would not take the revisions of it in the next run.
    if (!hasMoved) await writer.add([{ kind: "list", key: { resource, parent }, revision, purged }]);
  }
  await writer.flush();
  if (gone.length > 0) await to.erase(gone);
  return {
    ...{ objects: counts.object, tombstones: counts.tombstone, lists, groups },
    ...{ written: written + gone.length, missed: (await from.position()) - began },
  };
}

/** What one store holds of a resource, in the order of keys, permissions included. */
async function* entriesOf(storage: Storage, resource: string): AsyncIterable<CopiedEntry> {
  let batch: (StoredEntry & { readonly parent: string })[] = [];
  const completed = (): Promise<readonly CopiedEntry[]> =>
    fewAtOnce(batch, async (entry) => {
      if (entry.kind === "tombstone") return { ...entry, permissions: {} };
      const { parent, id } = entry;
      return { ...entry, permissions: normalPermissions(await storage.permissions.of({ resource, parent, id })) };
    });
  for await (const entry of storage.scan(resource, { tombstones: true })) {
    batch.push(entry);
    if (batch.length < 200) continue;
    yield* await completed();
    batch = [];
  }
  yield* await completed();
}

/** Pairs of what has the same key in both, which come in its order; undefined where one has nothing. */
export function entriesSideBySide(from: Storage, to: Storage, resource: string) {
  return sideBySide(entriesOf(from, resource), entriesOf(to, resource), [({ parent }) => parent, ({ id }) => id]);
}

/** In words, what differs between two entries of the same key; undefined where they are alike. */
export function difference(source: CopiedEntry, target: CopiedEntry): string | undefined {
  const both = (left: unknown, right: unknown): string => `${left} in the source and ${right} in the target`;
  const named = ({ kind }: CopiedEntry): string => (kind === "object" ? "an object" : "a tombstone");
  if (source.kind !== target.kind) return `is ${both(named(source), named(target))}`;
  if (source.revision !== target.revision) return `has revision ${both(source.revision, target.revision)}`;
  if (source.kind !== "object" || target.kind !== "object") return undefined;
  if (source.body !== target.body) return "has another body";
  if (source.owner !== target.owner) return "has another owner";
  if (JSON.stringify(source.permissions) !== JSON.stringify(target.permissions)) return "has other permissions";
  return undefined;
}

/**
 * True where a live object of the target cannot become the source's entry by a change: its owner and a revision that is not smaller stay.
 * @throws CopyError where it is of somebody else who writes to the target
 */
function isMadeAnew(source: CopiedEntry, target: CopiedEntry | undefined): boolean {
  if (target?.kind !== "object") return false;
  // The same content under a greater revision is of a copy that took place while the source was written to.
  if (target.revision > source.revision && (source.kind === "tombstone" || source.body !== target.body))
    throw new CopyError(
      `the target has something newer: ${JSON.stringify(source.id)} below ${JSON.stringify(source.parent)} has revision ${target.revision} there; somebody else writes to it`,
    );
  return target.revision >= source.revision || (source.kind === "object" && source.owner !== target.owner);
}

/** What makes the target's entry like the source's. */
function changeTo(list: ListKey, source: CopiedEntry, target: CopiedEntry | undefined, logBody: boolean): Change {
  const { id, revision } = source;
  const key = { ...list, id };
  if (source.kind === "tombstone")
    return target?.kind === "object"
      ? { kind: "delete", key, expect: { kind: "any" }, revision }
      : { kind: "tombstone", key, revision };
  const { body, owner, permissions } = source;
  return {
    ...{ kind: "put", key, body, revision, expect: { kind: "any" }, permissions },
    ...(owner === undefined ? {} : { owner }),
    ...(logBody ? {} : { logBody: false }),
  };
}

interface Writer {
  add(changes: readonly Change[]): Promise<void>;
  flush(): Promise<void>;
}

function writerTo(storage: Storage): Writer {
  let waiting: Change[] = [];
  let size = 0;
  const flush = async (): Promise<void> => {
    const changes = waiting;
    [waiting, size] = [[], 0];
    try {
      if (changes.length > 0) await storage.commit(changes);
    } catch (error) {
      if (!(error instanceof CommitConflict)) throw error;
      const change = changes[error.change];
      const id = change !== undefined && "key" in change && "id" in change.key ? change.key.id : "";
      throw new CopyError(`${JSON.stringify(id)} cannot be written to the target: ${error.message}`, { cause: error });
    }
  };
  return {
    flush,
    async add(changes) {
      waiting.push(...changes);
      for (const change of changes) if (change.kind === "put") size += change.body.length;
      if (waiting.length >= largestCommit.changes || size >= largestCommit.size) await flush();
    },
  };
}

/** Answers how many there are. */
async function copyGroups(from: Storage, to: Storage, writer: Writer): Promise<number> {
  let count = 0;
  for await (const [source, target] of groupsSideBySide(from, to)) {
    if (source !== undefined) count++;
    const group = source?.group ?? target?.group ?? "";
    const members = source?.members ?? [];
    if (JSON.stringify(members) !== JSON.stringify(target?.members))
      await writer.add([{ kind: "members", group, members }]);
  }
  return count;
}

export function groupsSideBySide(from: Storage, to: Storage) {
  return sideBySide(from.permissions.groups(), to.permissions.groups(), [({ group }) => group]);
}
