/** What one or many commits make of a draft, each with its own outcome: for storages in a database. */
import { Clash, type Draft, type DraftEntry, type DraftResource } from "./draft.ts";
import type { Change, ChangeResult, CommitContext, ListKey, ObjectKey, StoredEntry } from "./storage.ts";
import { CommitConflict } from "./storage.ts";
import { storedObject } from "./stored-object.ts";

/** A commit, or a list that is asked for its revision. */
export type Wanted =
  | { readonly kind: "commit"; readonly changes: readonly Change[]; readonly context: CommitContext }
  | { readonly kind: "touch"; readonly changes: readonly []; readonly touch: ListKey };

export type Outcome = PromiseSettledResult<readonly ChangeResult[] | number>;

export interface StepOptions {
  resourceOf(name: string): DraftResource;
  now(): number;
  /** What is stored; asked for where a conflict names an object whose body was not loaded. */
  stored(key: ObjectKey): Promise<StoredEntry | undefined>;
}

/** Those that name no resource that nobody has defined: what the others ask about cannot be loaded. */
export function answerable(wanted: readonly Wanted[], resourceOf: StepOptions["resourceOf"]): readonly Wanted[] {
  return wanted.filter((each) => unknownResource(each, resourceOf) === undefined);
}

/**
 * Makes all of them in the draft, in their order; one outcome for each.
 * @throws what the database throws; what is wrong with one commit is in its outcome
 */
export async function makeSteps(
  draft: Draft,
  wanted: readonly Wanted[],
  options: StepOptions,
): Promise<readonly Outcome[]> {
  const { resourceOf, now } = options;
  const outcomes: Outcome[] = [];
  for (const each of wanted) {
    try {
      const unknown = unknownResource(each, resourceOf);
      if (unknown !== undefined) throw unknown;
      const value =
        each.kind === "touch" ? draft.touch(each.touch, now()) : draft.commit(each.changes, each.context, now());
      outcomes.push({ status: "fulfilled", value });
    } catch (error) {
      const reason = error instanceof Clash ? await conflictOf(error, options) : error;
      outcomes.push({ status: "rejected", reason });
    }
  }
  return outcomes;
}

/** The conflict with the entry that is in the way, whose body may have to be read. */
async function conflictOf({ change, entry, fields }: Clash, { stored }: StepOptions): Promise<CommitConflict> {
  if (entry === undefined) return new CommitConflict(change, { kind: "expectation", actual: undefined });
  const { id } = entry.key;
  let actual = entry.body === undefined ? undefined : storedObject(id, entry.revision, entry.body, entry.owner);
  if (actual === undefined && entry.live) {
    const found = await stored(entry.key);
    if (found?.kind === "object") actual = found;
  }
  if (fields !== undefined && actual !== undefined) {
    return new CommitConflict(change, { kind: "unique", fields, existing: actual });
  }
  return new CommitConflict(change, {
    kind: "expectation",
    actual: actual ?? { kind: "tombstone", id, revision: entry.revision },
  });
}

/** The error of who names a resource that was not defined. */
function unknownResource({ changes }: Wanted, resourceOf: StepOptions["resourceOf"]): unknown {
  for (const change of changes) {
    if (change.kind === "event" || change.kind === "members" || change.kind === "forget") continue;
    try {
      resourceOf(change.key.resource);
    } catch (error) {
      return error;
    }
  }
  return undefined;
}

/** As callers of a storage get it; of an entry whose body is in the draft, where it has one. */
export function draftedObject({ key, revision, body, owner, live, gone }: DraftEntry): StoredEntry | undefined {
  if (gone === true) return undefined;
  return live ? storedObject(key.id, revision, body ?? "{}", owner) : { kind: "tombstone", id: key.id, revision };
}
