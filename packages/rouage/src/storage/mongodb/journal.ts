/**
 * The journal: one document for each step that commits, numbered without gaps. Inserting the document with the next number **is** the commit:
 * it is atomic on every server, a number is given once, and everything else follows from it. The log is read out of it.
 */
import type { DraftLogEntry } from "../draft.ts";
import type { Permissions } from "../permissions.ts";
import { bindable } from "../sort-key.ts";
import type { EraseScope, LogEntry, ObjectKey } from "../storage.ts";
import type { Written } from "./documents.ts";

/** An entry of the log as it is kept: its position follows from where it stands. */
export type LogRow = Omit<LogEntry, "position">;

export interface WrittenList {
  readonly resource: string;
  readonly parent: string;
  readonly revision: number;
  readonly purged: number;
}

export interface WrittenGroup {
  readonly group: string;
  readonly members: readonly string[];
}

/** Which entries of the log lose what they carry. */
export type BlankScope = EraseScope | "everything";

/** What a step does to the store. */
export interface Content {
  readonly log: readonly LogRow[];
  readonly objects: readonly Written[];
  readonly lists: readonly WrittenList[];
  readonly groups: readonly WrittenGroup[];
  /** Entries of the log, older than this step, that lose what they carry. */
  readonly blanked: readonly BlankScope[];
}

/** As `Written`, with short names; `b` is the body, or the index of the row of the log (of the same document) that has it. */
interface WrittenDocument {
  readonly r: string;
  readonly p: string;
  readonly i: string;
  readonly v?: number;
  readonly b?: string | number;
  readonly o?: string;
  readonly a?: string;
  readonly n?: true;
  /** Gone. */
  readonly x?: true;
}

export interface JournalDocument {
  /** See `slot`; of a further part: of its entry, and a number. */
  readonly _id: string;
  readonly n: number;
  /**
   * `turn`: a transaction of one process; nobody else commits until it has an outcome, which is a document of its own.
   * `void`: nothing, for ever.
   */
  readonly kind: "entry" | "turn" | "void" | "part";
  /** Of the attempt that inserted it, and of the process. */
  readonly attempt: string;
  readonly writer: string;
  /** Position of the newest entry of the log with this step. */
  readonly last: number;
  /** Of a turn: grows as long as its process works. */
  readonly beat?: number;
  /** Everything it says is done: it is history. */
  readonly done?: boolean;
  readonly log?: readonly LogRow[];
  /** Index of the first row among all of the step's. */
  readonly first?: number;
  /** Resources and lists that its rows are of, see `nameOfRows`. */
  readonly of?: readonly string[];
  /** Names of what it changes, see `namesOf`. */
  readonly touched?: readonly string[];
  readonly objects?: readonly WrittenDocument[];
  readonly lists?: readonly WrittenList[];
  readonly groups?: readonly WrittenGroup[];
  readonly blanked?: readonly BlankScope[];
  /** How many further parts it has. */
  readonly parts?: number;
}

/** Rows of one step, at most: positions leave this much room. */
export const positionsOfStep = 1_000_000;

/** Documents sort in the order of their numbers. */
export const slot = (n: number): string => String(n).padStart(12, "0");
/** Where a transaction that holds a turn says what has become of it. */
export const outcomeSlot = (n: number): string => `${slot(n)}+`;
export const partSlot = (attempt: string, index: number): string => `${attempt} ${index}`;

export function nameOfRows(resource: string, parent?: string): string {
  return JSON.stringify(parent === undefined ? [resource] : [resource, parent]);
}

/** Name of all groups together, among those of lists. */
export const nameOfGroups = "groups";

/** Of the lists that a step changes. */
export function namesOf({ objects, lists, groups }: Content): readonly string[] {
  const names = new Set<string>(groups.length > 0 ? [nameOfGroups] : []);
  for (const { key } of objects) names.add(nameOfRows(key.resource, key.parent));
  for (const { resource, parent } of lists) names.add(nameOfRows(resource, parent));
  return [...names];
}

/** Characters of a document, about: a server takes 16 MB. */
const largestDocument = 4_000_000;

interface Identity {
  readonly n: number;
  readonly attempt: string;
  readonly writer: string;
  readonly last: number;
}

/** The documents of a step: the one that commits it, and those that have to be there before. */
export function encoded(
  id: string,
  identity: Identity,
  content: Content,
): { readonly head: JournalDocument; readonly parts: readonly JournalDocument[] } {
  const pieces = split(content);
  const of = new Set<string>();
  for (const { resource, parent } of content.log) of.add(nameOfRows(resource)).add(nameOfRows(resource, parent));
  const [first, ...further] = pieces;
  const { lists, groups, blanked } = content;
  return {
    head: {
      _id: id,
      ...identity,
      kind: "entry",
      of: [...of],
      touched: namesOf(content),
      lists,
      groups,
      blanked,
      ...(first ?? { log: [], objects: [], first: 0 }),
      parts: further.length,
    },
    parts: further.map((piece, index) => ({
      _id: partSlot(identity.attempt, index),
      ...identity,
      kind: "part",
      ...piece,
    })),
  };
}

interface Piece {
  readonly log: LogRow[];
  readonly objects: WrittenDocument[];
  readonly first: number;
}

/** Rows in their order, each with the object whose body it has. */
function split({ log, objects }: Content): readonly Piece[] {
  const byRow = new Map<number, Written>();
  const others: Written[] = [];
  const rows = new Map<string, number>();
  for (const [index, row] of log.entries()) {
    const { resource, parent, id, action } = row;
    if (action !== "event") rows.set(JSON.stringify([resource, parent, id]), index);
  }
  for (const written of objects) {
    const { resource, parent, id } = written.key;
    const index = rows.get(JSON.stringify([resource, parent, id]));
    if (
      index !== undefined &&
      written.kind === "entry" &&
      written.body !== undefined &&
      log[index]?.body === written.body
    ) {
      byRow.set(index, written);
    } else others.push(written);
  }
  const pieces: Piece[] = [];
  let current: Piece = { log: [], objects: [], first: 0 };
  let size = 0;
  const room = (wanted: number, index: number) => {
    if (size > 0 && size + wanted > largestDocument) {
      pieces.push(current);
      current = { log: [], objects: [], first: index };
      size = 0;
    }
    size += wanted;
  };
  for (const [index, row] of log.entries()) {
    const written = byRow.get(index);
    room(200 + (row.body?.length ?? 0) + (written === undefined ? 0 : sizeOf(written, false)), index);
    current.log.push(row);
    if (written !== undefined) current.objects.push(short(written, current.log.length - 1));
  }
  for (const written of others) {
    room(sizeOf(written, true), log.length);
    current.objects.push(short(written, undefined));
  }
  return [...pieces, current];
}

function sizeOf(written: Written, withBody: boolean): number {
  const { parent, id } = written.key;
  const permissions = written.kind === "gone" ? 0 : JSON.stringify(written.permissions).length;
  const body = withBody && written.kind === "entry" ? (written.body?.length ?? 0) : 0;
  return 100 + parent.length + id.length + permissions + body;
}

function short(written: Written, row: number | undefined): WrittenDocument {
  const { resource: r, parent: p, id: i } = written.key;
  if (written.kind === "gone") return { r, p, i, x: true };
  const a = JSON.stringify(written.permissions);
  if (written.kind === "permissions") return { r, p, i, a };
  const { revision: v, body, owner, isNew } = written;
  return {
    r,
    p,
    i,
    v,
    ...(body === undefined ? {} : { b: row ?? body }),
    ...(owner === null ? {} : { o: owner }),
    a,
    ...(isNew ? { n: true as const } : {}),
  };
}

/** What the documents of a step say, in the order of `encoded`. */
export function decoded(documents: readonly JournalDocument[]): Content {
  const [head] = documents;
  return {
    log: documents.flatMap(({ log = [] }) => log),
    objects: documents.flatMap(({ objects = [], log = [] }) => objects.map((each) => written(each, log))),
    lists: head?.lists ?? [],
    groups: head?.groups ?? [],
    blanked: head?.blanked ?? [],
  };
}

function written({ r, p, i, v, b, o, a, n, x }: WrittenDocument, log: readonly LogRow[]): Written {
  const key: ObjectKey = { resource: r, parent: p, id: i };
  if (x === true) return { kind: "gone", key };
  const permissions: Permissions = JSON.parse(a ?? "{}");
  if (v === undefined) return { kind: "permissions", key, permissions };
  const body = typeof b === "number" ? log[b]?.body : b;
  return { kind: "entry", key, revision: v, body, owner: o ?? null, permissions, isNew: n === true };
}

/** A row of the log. */
export function rowOf({ key, time, action, revision, type, body, context }: DraftLogEntry): LogRow {
  const { resource, parent, id } = key;
  const { principal, requestId, traceparent } = context;
  return {
    time,
    resource,
    parent,
    id,
    action,
    revision,
    ...(type === undefined ? {} : { type: bindable(type) }),
    ...(body === undefined ? {} : { body }),
    ...(principal === undefined ? {} : { principal: bindable(principal) }),
    ...(requestId === undefined ? {} : { requestId: bindable(requestId) }),
    ...(traceparent === undefined ? {} : { traceparent: bindable(traceparent) }),
  };
}

/** Whether a row of the log is within one of the scopes. */
export function isWithin({ resource, parent, id }: LogRow, scopes: readonly BlankScope[]): boolean {
  return scopes.some(
    (scope) =>
      scope === "everything" ||
      (scope.resource === resource &&
        (scope.parent === undefined || scope.parent === parent) &&
        (scope.id === undefined || scope.id === id)),
  );
}

export function carries({ body, principal, requestId, traceparent }: LogRow): boolean {
  return [body, principal, requestId, traceparent].some((value) => value !== undefined);
}

/** The row without what it carried. */
export function blank<Row extends LogRow>(row: Row): Omit<Row, "body" | "principal" | "requestId" | "traceparent"> {
  const { body: _body, principal: _principal, requestId: _requestId, traceparent: _traceparent, ...rest } = row;
  return rest;
}
