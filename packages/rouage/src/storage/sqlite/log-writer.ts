/** Appends entries to the log, inside of a transaction that others have begun. */
import type { StatementSync } from "node:sqlite";
import type { CommitContext, ObjectKey } from "../storage.ts";
import type { Database } from "./database.ts";

export interface NewEntry {
  readonly action: string;
  readonly revision: number;
  readonly type?: string;
  readonly body?: string;
}

/** Returns the entry's position. */
export type LogWriter = (key: ObjectKey, context: CommitContext, now: number, entry: NewEntry) => number;

export function logWriter({ prepare }: Pick<Database, "prepare">): LogWriter {
  const insert = prepare(
    "INSERT INTO log (time, resource, parent, id, action, revision, type, body, principal, request_id, traceparent) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
  );
  // Each value that is bound costs: those that nearly all entries have in common are not.
  const usual: Readonly<Record<string, StatementSync>> = {
    create: withoutTrace("create"),
    update: withoutTrace("update"),
    delete: withoutTrace("delete"),
  };

  function withoutTrace(action: string): StatementSync {
    return prepare(
      `INSERT INTO log (time, resource, parent, id, action, revision, body, principal, request_id) VALUES (?, ?, ?, ?, '${action}', ?, ?, ?, ?)`,
    );
  }

  return ({ resource, parent, id }, { principal = null, requestId = null, traceparent }, now, entry) => {
    const { action, revision, type, body = null } = entry;
    const statement = traceparent === undefined && type === undefined ? usual[action] : undefined;
    const { lastInsertRowid } =
      statement === undefined
        ? insert.run(
            ...[now, resource, parent, id, action, revision, type ?? null],
            ...[body, principal, requestId, traceparent ?? null],
          )
        : statement.run(now, resource, parent, id, revision, body, principal, requestId);
    return Number(lastInsertRowid);
  };
}
