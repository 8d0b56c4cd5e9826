/**
 * The storage interface: lists of JSON objects, their tombstones and revisions, and the one append-only log. A commit makes
 * all of its changes durable in one atomic step, log entries included, or none. Knows nothing of HTTP, access or schemas.
 */
import type { Json, JsonObject } from "../json.ts";
import type { Filter, Sort, SortValue } from "./filter.ts";
import type { ListKey, ObjectKey } from "./keys.ts";
import type { PermissionReader, Permissions } from "./permissions.ts";

export interface StoredObject {
  readonly kind: "object";
  readonly id: string;
  /** The protocol's `last_modified`: strictly increasing within the list. */
  readonly revision: number;
  /** JSON text of the object **without** `id` and `last_modified`, always `{…}`; see `renderObject`. */
  readonly body: string;
  /** Id of the principal that created it; never sent to clients. */
  readonly owner?: string;
}

export interface Tombstone {
  readonly kind: "tombstone";
  readonly id: string;
  readonly revision: number;
}

export type StoredEntry = StoredObject | Tombstone;

/** What a list needs, declared once at start. */
export interface ListDefinition {
  readonly resource: string;
  /** Each a field or several fields compared in order; used by filters and sorts on them. */
  readonly indexes: readonly (readonly string[])[];
  /** Each a field, or several fields together, whose value no two live objects of the same parent share. Null and missing never collide. */
  readonly unique: readonly (readonly string[])[];
  /** True: unique over all parents. */
  readonly uniqueAcrossParents?: boolean;
}

export interface ListQuery {
  readonly filter?: Filter;
  /** The storage appends nothing: callers end with a unique key (`last_modified` or `id`). */
  readonly sort: readonly Sort[];
  /** At most this many entries. */
  readonly limit: number;
  /** Stops behind the entry with which the bodies are together longer than this, in characters. Default: `limit` alone bounds. */
  readonly size?: number;
  /** Continue behind the entry with these values of the sort fields, one for each of `sort`. */
  readonly after?: readonly SortValue[];
  /** Also return tombstones (their only fields are `id`, `last_modified` and `deleted: true`). */
  readonly tombstones?: boolean;
}

export interface ScanQuery {
  readonly filter?: Filter;
  readonly tombstones?: boolean;
}

/** What must hold for a change to be made; checked inside the commit. */
export type Expectation =
  | { readonly kind: "any" }
  /**
   * No live object has this id. `isNew`: it was made just now, by chance and long, so that nothing else has it; a storage may believe that instead of
   * looking, and fail as `unavailable` where it is not so.
   */
  | { readonly kind: "absent"; readonly isNew?: boolean }
  /** The live object has exactly this revision. */
  | { readonly kind: "revision"; readonly revision: number };

export type Change =
  /** Creates or replaces an object. */
  | {
      readonly kind: "put";
      readonly key: ObjectKey;
      /** JSON text without `id` and `last_modified`. */
      readonly body: string;
      readonly expect: Expectation;
      /** Kept from the first put of a live object; later values are ignored. */
      readonly owner?: string;
      /**
       * A revision wished by the client. Creating: equal to the list's current one, it is bumped; greater, it becomes the list's; smaller, it
       * is kept on the object and the list's stays, unless another entry of the list has it already (then the next revision is taken).
       * Replacing: ignored unless greater than the object's own.
       */
      readonly revision?: number;
      /** False: the log entry says what happened to which object but does not keep the body. Default true. */
      readonly logBody?: boolean;
      /** Replaces all of the object's own permission entries. Absent: they stay as they are. */
      readonly permissions?: Permissions;
    }
  /** Deletes a live object, its permission entries with it, and leaves a tombstone; `revision` as for replacing. */
  | { readonly kind: "delete"; readonly key: ObjectKey; readonly expect: Expectation; readonly revision?: number }
  /** Replaces the members of a group, named by its principal; none: the group is forgotten. */
  | { readonly kind: "members"; readonly group: string; readonly members: readonly string[] }
  /** Strikes a principal out of every permission entry and every group. */
  | { readonly kind: "forget"; readonly principal: string }
  /** Changes nothing: the commit fails unless this live object exists, as the changes before it leave it. */
  | { readonly kind: "require"; readonly key: ObjectKey }
  /** Puts a tombstone as another store had it, for copies. Fails where there is a live object; not in the log. */
  | { readonly kind: "tombstone"; readonly key: ObjectKey; readonly revision: number }
  /** Raises a list's revision, and what it has purged, to what another store had, for copies. Not in the log. */
  | { readonly kind: "list"; readonly key: ListKey; readonly revision: number; readonly purged: number }
  /** Appends to the log without touching an object: a domain event. */
  | { readonly kind: "event"; readonly key: ObjectKey; readonly type: string; readonly data: JsonObject };

/** Who and what caused a commit; kept in its log entries. */
export interface CommitContext {
  readonly principal?: string;
  readonly requestId?: string;
  /** W3C trace of the request. */
  readonly traceparent?: string;
}

export type ChangeResult =
  | { readonly kind: "created" | "updated"; readonly object: StoredObject; readonly position: number }
  | { readonly kind: "deleted"; readonly tombstone: Tombstone; readonly position: number }
  | { readonly kind: "event"; readonly position: number }
  | { readonly kind: "tombstone" | "list" | "members" | "forget" | "require" };

/** The commit was not made, nothing changed. Not an error for the client yet: operations translate it. */
export class CommitConflict extends Error {
  override readonly name = "CommitConflict";
  /** Index of the change whose expectation or uniqueness failed. */
  readonly change: number;
  readonly reason:
    | { readonly kind: "expectation"; readonly actual: StoredEntry | undefined }
    | { readonly kind: "unique"; readonly fields: readonly string[]; readonly existing: StoredObject };
  constructor(change: number, reason: CommitConflict["reason"]) {
    super(reason.kind === "unique" ? `unique ${reason.fields.join(", ")} violated` : "expectation failed");
    this.change = change;
    this.reason = reason;
  }
}

/** A list or count would have taken too long. Not an error for the client yet: operations translate it. */
export class QueryTooCostly extends Error {
  override readonly name = "QueryTooCostly";
}

export interface LogEntry {
  /** Position in the store's log: strictly increasing in commit order over all lists, may have gaps. */
  readonly position: number;
  /** Milliseconds since the epoch, of the commit. */
  readonly time: number;
  readonly resource: string;
  readonly parent: string;
  readonly id: string;
  readonly action: "create" | "update" | "delete" | "event";
  /** Revision of the object after the change; 0 for events. */
  readonly revision: number;
  /** Type of a domain event. */
  readonly type?: string;
  /** Object's body (create, update) or the event's data, as JSON text; undefined where not kept or erased. */
  readonly body?: string;
  readonly principal?: string;
  readonly requestId?: string;
  readonly traceparent?: string;
}

export interface LogQuery {
  /** Only entries behind this position. Default 0: from the start. */
  readonly after?: number;
  /** True: never end, wait for new entries until `signal` aborts (then the iteration ends without an error). */
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
  /** Only these resources. */
  readonly resources?: readonly string[];
  /** Only this parent, and only this id below it. */
  readonly parent?: string;
  readonly id?: string;
  /** Newest first; not together with `follow`. */
  readonly reverse?: boolean;
}

/** What to erase for good: one object, one list, or (parent undefined) a whole resource. */
export interface EraseScope {
  readonly resource: string;
  readonly parent?: string;
  readonly id?: string;
}

export interface EraseCount {
  /** Live objects removed. */
  readonly objects: number;
  readonly tombstones: number;
  /** Log entries whose body, principal, request id and trace were blanked; the entries themselves stay, so positions keep their meaning. */
  readonly logEntries: number;
}

export interface ResourceTotal {
  readonly resource: string;
  /** Live ones. */
  readonly objects: number;
  readonly tombstones: number;
}

/** Milliseconds since the epoch. */
export interface PutBackTimes {
  readonly now: number;
  /** The time that the store was put back to. */
  readonly since: number;
}

export interface ListState extends ListKey {
  readonly revision: number;
  /** See `purgedBefore`. */
  readonly purged: number;
}

/** Something that contradicts what a storage promises. */
export interface Violation {
  readonly rule: "log" | "state" | "body" | "revision" | "unique" | "permissions" | "groups" | "backend";
  /** What is wrong, in words that hold nothing of an object's content. */
  readonly message: string;
  readonly resource?: string;
  readonly parent?: string;
  readonly id?: string;
}

export type Finding =
  | ({ readonly kind: "violation" } & Violation)
  /** What could not be looked at, and why. */
  | { readonly kind: "skipped"; readonly message: string };

/** What a storage can do; callers ask this instead of asking which storage it is. */
export interface StorageCapabilities {
  /** Survives the end of the process. */
  readonly durable: boolean;
  /** Other processes may use the same store. */
  readonly shared: boolean;
  /** Declared indexes are really used by queries. */
  readonly indexes: boolean;
  /** What `transaction` promises holds; false: it throws. */
  readonly transactions: boolean;
}

/** The right to do what one process at a time does. It never replaces an expectation: who has it may lose it and not have noticed yet. */
export interface Lease {
  /** Aborts when somebody else may have it. */
  readonly lost: AbortSignal;
  /** Gives it back; what is lost or given back already stays so. */
  release(): Promise<void>;
}

/** One storage, opened on a URL. Every method may throw ServiceError `unavailable` when the backend cannot be reached. */
export interface Storage extends AsyncDisposable {
  readonly capabilities: StorageCapabilities;
  /** Declares lists; creates and migrates what they need. Called once for each resource before it is used. */
  define(definitions: readonly ListDefinition[]): Promise<void>;

  /** The entry with this id; a tombstone where the object was deleted. May answer without a promise. */
  get(key: ObjectKey): StoredEntry | undefined | Promise<StoredEntry | undefined>;
  /** @throws QueryTooCostly where a filter or sort that no index helps would hold up other requests */
  list(key: ListKey, query: ListQuery): Promise<readonly StoredEntry[]>;
  /** Number of live objects that match. @throws QueryTooCostly as for `list` */
  count(key: ListKey, filter?: Filter): Promise<number>;
  /** All entries of a resource over all parents, in key order (parent, id); for retention, copies and checks. */
  scan(resource: string, query?: ScanQuery): AsyncIterable<StoredEntry & { readonly parent: string }>;
  /** The list's revision; a list never touched gets one now and keeps it. With `readOnly` nothing is written and a stable value answered. */
  timestamp(key: ListKey, readOnly?: boolean): Promise<number>;

  /**
   * Makes all changes or none; resolves when they are durable. Results are in the order of the changes.
   * A revision is `max(now, current + 1)` of the list, except where a change wishes another.
   * @throws CommitConflict when an expectation or a unique constraint fails
   */
  commit(changes: readonly Change[], context?: CommitContext): Promise<readonly ChangeResult[]>;

  /**
   * Runs `work` as one transaction. Whatever is done with this storage while `work` runs, by the code that `work` calls (however deep, and after
   * any wait), belongs to it: reads see its writes, commits join it, and nobody else sees any of it until `work` resolves; then all of it becomes
   * durable in one step. When `work` rejects, all of it is taken back. A commit that fails inside takes only itself back. Inside of a transaction
   * it is a part of the outer one: when its work rejects that part alone is taken back, and nothing is durable before the end of the outer one.
   * Transactions and other commits wait for each other, so `work` should not wait for anything slow.
   * @throws what `work` throws; ServiceError `deadline-exceeded` when it holds the storage for longer than ten seconds
   */
  transaction<T>(work: () => Promise<T>): Promise<T>;
  /** True where the calling code runs inside of a transaction of this storage. */
  inTransaction(): boolean;
  /** Runs `task` once what was written so far is durable: inside of a transaction after its end (never when it was taken back), otherwise at once. */
  afterCommit(task: () => void | Promise<void>): void | Promise<void>;

  /** Permission entries and groups, as of this moment (inside of a transaction: with its own changes). */
  readonly permissions: PermissionReader;

  /** Reads the log in order. */
  log(query?: LogQuery): AsyncIterable<LogEntry>;
  /** Position of the newest log entry; 0 when the log is empty. */
  position(): Promise<number>;

  /** Every list that was ever touched, ordered by resource and parent; for copies. */
  lists(): AsyncIterable<ListState>;
  /** How many objects and tombstones there are of each resource, over all lists. */
  totals(): Promise<readonly ResourceTotal[]>;
  /**
   * Empties the store: objects, tombstones, permission entries, groups, and the revisions of lists, so that all of them seem never touched. Entries
   * of the log stay without what they carried. Whether a file still holds the bytes is not promised; `erase` does that.
   */
  flush(): Promise<void>;
  /** Erases for good: objects, tombstones, indexes and log bodies; afterwards no file of the store contains the erased bytes. */
  erase(scopes: readonly EraseScope[]): Promise<EraseCount>;
  /** Drops tombstones with a revision below `before` (and remembers per list that it did). Returns how many. */
  purgeTombstones(key: ListKey, before: number): Promise<number>;
  /** Highest `before` at which the list really lost tombstones, 0 when never: a client that saw less must start afresh. */
  purgedBefore(key: ListKey): Promise<number>;

  /**
   * Takes the right of this name (lower-case letters and dashes) over all who use the store, in whatever process; undefined while another has it. It ends with
   * `release`, with `close`, and with the process, however that ends, and nothing is written to the log for it. Absent where no other process can use the store.
   */
  lease?(name: string): Promise<Lease | undefined>;

  /**
   * For a store that was put back to an earlier time by other means: raises every list's revision above what may have been handed out since, declares
   * what was seen before as too old, also of lists that it does not know, and lets positions of the log go on far above, behind an event
   * `store.restored`. To be called while nobody else uses the store. Answers how many lists it raised. Absent where positions cannot be raised.
   */
  beginAnew?(times: PutBackTimes): Promise<number>;

  /** A tiny real round trip; throws when the store is not usable. With `readOnly` it writes nothing. */
  check(readOnly?: boolean): Promise<void>;
  /** What only the backend can say of itself, for `verifyStorage`: damaged files and indexes, rows that belong to nothing. Writes nothing. */
  inspect?(): AsyncIterable<Finding>;
  /** Ends open log readers, waits for commits under way, closes. */
  close(): Promise<void>;
}

/** The object as clients see it: id and last_modified in front of the stored body, spliced as text. */
export function renderObject(object: StoredObject): string {
  const head = `{"id":${JSON.stringify(object.id)},"last_modified":${object.revision}`;
  return object.body.length === 2 ? `${head}}` : `${head},${object.body.slice(1)}`;
}

export function renderTombstone(tombstone: Tombstone): string {
  return `{"id":${JSON.stringify(tombstone.id)},"last_modified":${tombstone.revision},"deleted":true}`;
}

export function renderEntry(entry: StoredEntry): string {
  return entry.kind === "object" ? renderObject(entry) : renderTombstone(entry);
}

/** The object as a value, `id` and `last_modified` included. */
export function parseEntry(entry: StoredEntry): JsonObject & { readonly id: string; readonly last_modified: number } {
  return JSON.parse(renderEntry(entry));
}

export type { Filter, Json, JsonObject, ListKey, ObjectKey, PermissionReader, Permissions, Sort, SortValue };
