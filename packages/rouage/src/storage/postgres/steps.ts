/** What one or many commits do to the store, through a connection that holds its lock. */
import type { Change, ChangeResult, CommitContext, ListKey } from "../storage.ts";
import { CommitConflict } from "../storage.ts";
import type { Connection, Statement } from "./connection.ts";
import { Clash, draftOf } from "./draft.ts";
import { load } from "./load.ts";
import type { PostgresResource } from "./resources.ts";
import { type StoredRow, storedEntry, storedObject } from "./rows.ts";
import { saveStatements } from "./save.ts";

export interface Store {
  resourceOf(name: string): PostgresResource;
  now(): number;
  /** Of NOTIFY. */
  readonly channel: string;
}

/** A commit, or a list that is asked for its revision. */
export type Wanted =
  | { readonly kind: "commit"; readonly changes: readonly Change[]; readonly context: CommitContext }
  | { readonly kind: "touch"; readonly changes: readonly []; readonly touch: ListKey };

export type Outcome = PromiseSettledResult<readonly ChangeResult[] | number>;

export interface Prepared {
  /** One for each of what was wanted. */
  readonly outcomes: readonly Outcome[];
  /** What is left to run; nothing was written so far. */
  readonly statements: readonly Statement[];
}

/** @throws what the backend throws; what is wrong with one commit is in its outcome */
export async function prepareSteps(
  connection: Pick<Connection, "run">,
  wanted: readonly Wanted[],
  { resourceOf, now, channel }: Store,
): Promise<Prepared> {
  const known = wanted.filter((each) => unknownResource(each, resourceOf) === undefined);
  const loaded = await load(connection, known, resourceOf);
  const draft = draftOf(loaded, resourceOf);
  const outcomes: Outcome[] = [];
  for (const each of wanted) {
    try {
      const unknown = unknownResource(each, resourceOf);
      if (unknown !== undefined) throw unknown;
      const value =
        each.kind === "touch" ? draft.touch(each.touch, now()) : draft.commit(each.changes, each.context, now());
      outcomes.push({ status: "fulfilled", value });
    } catch (error) {
      const reason = error instanceof Clash ? await conflictOf(connection, error, resourceOf) : error;
      outcomes.push({ status: "rejected", reason });
    }
  }
  return { outcomes, statements: saveStatements(draft, loaded.position, resourceOf, channel) };
}

/** The conflict with the entry that is in the way, whose body may have to be read. */
async function conflictOf(
  { run }: Pick<Connection, "run">,
  { change, entry, fields }: Clash,
  resourceOf: Store["resourceOf"],
): Promise<CommitConflict> {
  if (entry === undefined) return new CommitConflict(change, { kind: "expectation", actual: undefined });
  const { id, parent, resource } = entry.key;
  let actual = entry.body === undefined ? undefined : storedObject(id, entry.revision, entry.body, entry.owner);
  if (actual === undefined && entry.live) {
    const text = `SELECT id, revision, body, owner FROM ${resourceOf(resource).table} WHERE parent = $1 AND id = $2`;
    const { rows } = await run({ text, values: [parent, id], prepared: true });
    const stored = rows[0] && storedEntry(rows[0] as StoredRow);
    if (stored?.kind === "object") actual = stored;
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
function unknownResource({ changes }: Wanted, resourceOf: Store["resourceOf"]): unknown {
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
