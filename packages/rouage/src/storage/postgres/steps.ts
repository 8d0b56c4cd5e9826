/** What one or many commits do to the store, through a connection that holds its lock. */
import { draftOf } from "../draft.ts";
import { answerable, makeSteps, type Outcome, type Wanted } from "../draft-steps.ts";
import type { Connection, Statement } from "./connection.ts";
import { load } from "./load.ts";
import { readEntry } from "./point-reads.ts";
import type { PostgresResource } from "./resources.ts";
import { notification, saveStatements } from "./save.ts";

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
    stored: (key) => readEntry(connection, resourceOf(key.resource), key),
  });
  const statements = saveStatements(draft, { position: loaded.position, resourceOf });
  return { outcomes, statements: draft.log.length === 0 ? statements : [...statements, notification(channel)] };
}
