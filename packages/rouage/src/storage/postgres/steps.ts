/** What one or many commits do to the store, through a connection that holds its lock. */
import { draftOf } from "../draft.ts";
import { answerable, makeSteps, type Outcome, type Wanted } from "../draft-steps.ts";
import type { Connection, Statement } from "./connection.ts";
import { load } from "./load.ts";
import type { PostgresResource } from "./resources.ts";
import { type StoredRow, storedEntry } from "./rows.ts";
import { saveStatements } from "./save.ts";

export interface Store {
  resourceOf(name: string): PostgresResource;
  now(): number;
  /** Of NOTIFY. */
  readonly channel: string;
}

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
  const loaded = await load(connection, answerable(wanted, resourceOf), resourceOf);
  const draft = draftOf(loaded, resourceOf);
  const outcomes = await makeSteps(draft, wanted, {
    resourceOf,
    now,
    async stored({ resource, parent, id }) {
      const text = `SELECT id, revision, body, owner FROM ${resourceOf(resource).table} WHERE parent = $1 AND id = $2`;
      const { rows } = await connection.run({ text, values: [parent, id], prepared: true });
      return rows[0] && storedEntry(rows[0] as StoredRow);
    },
  });
  return { outcomes, statements: saveStatements(draft, loaded.position, resourceOf, channel) };
}
