/** Makes the changes of one commit, inside of a transaction and savepoint that others have begun. */
import type { StatementSync } from "node:sqlite";
import { uniqueValue } from "../evaluate.ts";
import { nextRevision } from "../revision.ts";
import {
  type Change,
  type ChangeResult,
  CommitConflict,
  type CommitContext,
  type ListKey,
  type ObjectKey,
  type StoredEntry,
  type StoredObject,
} from "../storage.ts";
import { constraintCode, type Database, resultCode } from "./database.ts";
import { sqlField } from "./fields.ts";
import { all, equalSql } from "./filters.ts";
import { logWriter } from "./log-writer.ts";
import { permissionWriter } from "./permission-writer.ts";
import type { SqliteResource } from "./resources.ts";
import { one, storedObject } from "./rows.ts";

export interface ChangeWriter {
  /** @throws CommitConflict; the caller takes back what was done before it */
  write(changes: readonly Change[], context: CommitContext, now: number, checked?: boolean): readonly ChangeResult[];
  /**
   * True when `write` of these, with `checked` and within `together`, has changed nothing where it throws a CommitConflict: one object with what
   * belongs to it, whose requirements are met.
   */
  check(changes: readonly Change[]): boolean;
  /** The list's revision, 0 when it was never touched. */
  revision(key: ListKey): number;
  setRevision(key: ListKey, revision: number): void;
  /** For writes of one transaction that are kept or taken back together: what they ask of a list is read once, and written at the end. */
  readonly together: Together;
}

export interface Together {
  begin(): void;
  /** Before COMMIT. */
  end(): void;
  /** The transaction is taken back. */
  drop(): void;
  /** Writes what is known and not written yet, and forgets it all: ahead of what looks at the lists itself, and behind what changes them. */
  forget(): void;
  /** From here on what is known can be taken back, to be called with each savepoint. They nest. */
  save(): void;
  keep(): void;
  takeBack(): void;
}

/** What a transaction knows of a list. */
interface KnownList {
  readonly key: ListKey;
  revision: number;
  changed: boolean;
  hasTombstones: boolean;
}

type Write = Extract<Change, { kind: "put" | "delete" }>;

export function changeWriter(database: Database, resourceOf: (name: string) => SqliteResource): ChangeWriter {
  const { prepare } = database;
  const selectList = prepare("SELECT revision FROM lists WHERE resource = ? AND parent = ?");
  const upsertList = prepare(
    "INSERT INTO lists (resource, parent, revision) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET revision = excluded.revision",
  );
  // An upsert, and whatever has RETURNING, opens a savepoint of its own, which costs the more the more the transaction has changed already.
  const updateList = prepare("UPDATE lists SET revision = ? WHERE resource = ? AND parent = ?");
  const raiseList = prepare(
    "INSERT INTO lists (resource, parent, revision, purged) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET revision = max(revision, excluded.revision), purged = max(purged, excluded.purged)",
  );
  const selectTombstone = prepare("SELECT revision FROM tombstones WHERE resource = ? AND parent = ? AND id = ?");
  const insertTombstone = prepare("INSERT INTO tombstones (resource, parent, id, revision) VALUES (?, ?, ?, ?)");
  const deleteTombstone = prepare("DELETE FROM tombstones WHERE resource = ? AND parent = ? AND id = ?");
  const anyTombstone = prepare("SELECT 1 FROM tombstones WHERE resource = ? AND parent = ? LIMIT 1");
  const tombstoneAt = prepare("SELECT id FROM tombstones WHERE resource = ? AND parent = ? AND revision = ? LIMIT 2");
  const record = logWriter(database);
  const entries = permissionWriter(database);
  const statements = new WeakMap<SqliteResource, TableStatements>();
  let known: Map<string, KnownList> | undefined;
  /** How to take back what was learnt of lists, and where in it the open savepoints began. */
  const undo: (() => void)[] = [];
  const saved: number[] = [];

  function tableStatements(resource: SqliteResource): TableStatements {
    let found = statements.get(resource);
    if (found === undefined) {
      found = prepareTable(prepare, resource.table);
      statements.set(resource, found);
    }
    return found;
  }

  function revision({ resource, parent }: ListKey): number {
    return (one(selectList, resource, parent)?.[0] as number | undefined) ?? 0;
  }

  function bump({ resource, parent }: ListKey, next: number): void {
    if (updateList.run(next, resource, parent).changes === 0) upsertList.run(resource, parent, next);
  }

  /** Undefined where nothing is remembered from change to change. */
  function knownList({ resource, parent }: ListKey): KnownList | undefined {
    if (known === undefined) return undefined;
    const name = parent === "" ? resource : `${resource.length} ${resource}${parent}`;
    let list = known.get(name);
    if (list === undefined) {
      const key = { resource, parent };
      const hasTombstones = one(anyTombstone, resource, parent) !== undefined;
      list = { key, revision: revision(key), changed: false, hasTombstones };
      known.set(name, list);
      if (saved.length > 0) undo.push(() => known?.delete(name));
    }
    return list;
  }

  /** Ahead of every change of what is known. */
  function remember(list: KnownList): void {
    if (saved.length === 0) return;
    const { revision, changed, hasTombstones } = list;
    undo.push(() => Object.assign(list, { revision, changed, hasTombstones }));
  }

  function writeKnown(): void {
    if (known === undefined) return;
    for (const [name, list] of known) {
      if (saved.length > 0) undo.push(() => known?.set(name, list));
      if (list.changed) bump(list.key, list.revision);
    }
    known.clear();
  }

  function begin(): void {
    known = new Map();
    undo.length = 0;
    saved.length = 0;
  }

  function drop(): void {
    known = undefined;
    undo.length = 0;
    saved.length = 0;
  }

  /** What a conflict reports: looked up only then. */
  function actual(table: TableStatements, { resource, parent, id }: ObjectKey): StoredEntry | undefined {
    const row = one(table.get, parent, id);
    if (row !== undefined) return storedObject(id, row[0], row[1], row[2]);
    const tombstone = one(selectTombstone, resource, parent, id);
    return tombstone && { kind: "tombstone", id, revision: tombstone[0] as number };
  }

  function taken(table: TableStatements, { resource, parent, id }: ObjectKey, wish: number): boolean {
    const others = [...table.at.all(parent, wish), ...tombstoneAt.all(resource, parent, wish)];
    return others.some((row: unknown) => (row as readonly unknown[])[0] !== id);
  }

  /** The revision of a change; the list has its own from here on. */
  function allocate(table: TableStatements, change: Write, object: number | undefined, now: number): number {
    const { key, revision: wish } = change;
    const list = knownList(key);
    const current = list?.revision ?? revision(key);
    const isTaken = (revision: number): boolean => taken(table, key, revision);
    const next = nextRevision({ list: current, object, wish, now, taken: isTaken });
    if (list === undefined) bump(key, next.list);
    else {
      remember(list);
      list.revision = next.list;
      list.changed = true;
    }
    return next.object;
  }

  function checkUnique(resource: SqliteResource, change: Write & { kind: "put" }, index: number): void {
    const { unique, uniqueAcrossParents } = resource.definition;
    if (unique.length === 0) return;
    const { id, parent } = change.key;
    const entry = { id, revision: 0, value: JSON.parse(change.body) };
    for (const fields of unique) {
      const values = uniqueValue(entry, fields);
      if (values === undefined) continue;
      const source = { body: "body", declared: resource.declared };
      const same = all(fields.map((field, at) => equalSql(sqlField(field, source), values[at] ?? null)));
      const across = uniqueAcrossParents === true;
      const row = one(
        prepare(
          `SELECT id, revision, body, owner FROM ${resource.table} WHERE ${across ? "" : "parent = ? AND "}(${same.text}) AND NOT (parent = ? AND id = ?) LIMIT 1`,
        ),
        ...(across ? [] : [parent]),
        ...same.values,
        parent,
        id,
      );
      if (row === undefined) continue;
      const existing = storedObject(row[0] as string, row[1], row[2], row[3]);
      throw new CommitConflict(index, { kind: "unique", fields, existing });
    }
  }

  function put(change: Write & { kind: "put" }, index: number, context: CommitContext, now: number): ChangeResult {
    const { key, body } = change;
    const resource = resourceOf(key.resource);
    const table = tableStatements(resource);
    const isNew = change.expect.kind === "absent" && resource.definition.unique.length === 0;
    // That nothing has the id is then for the index to say.
    const live = isNew ? undefined : one(table.head, key.parent, key.id);
    if (!isNew) expect(change, index, live, () => actual(table, key));
    const allocated = allocate(table, change, live?.[1] as number | undefined, now);
    checkUnique(resource, change, index);
    const owner = live === undefined ? (change.owner ?? null) : live[2];
    if (live === undefined) {
      insert(table, change, index, allocated);
      if (knownList(key)?.hasTombstones !== false) deleteTombstone.run(key.resource, key.parent, key.id);
    } else {
      table.update.run(allocated, body, live[0] as number);
    }
    if (change.permissions !== undefined) entries.replace(key, change.permissions, live !== undefined);
    const position = record(key, context, now, {
      action: live === undefined ? "create" : "update",
      revision: allocated,
      ...(change.logBody === false ? {} : { body }),
    });
    const object: StoredObject = storedObject(key.id, allocated, body, owner);
    return { kind: live === undefined ? "created" : "updated", object, position };
  }

  function insert(table: TableStatements, change: Write & { kind: "put" }, index: number, revision: number): void {
    const { key, owner = null, body } = change;
    try {
      table.insert.run(key.parent, key.id, revision, owner, body);
    } catch (error) {
      if (resultCode(error) !== constraintCode) throw error;
      throw new CommitConflict(index, { kind: "expectation", actual: actual(table, key) });
    }
  }

  function remove(
    change: Write & { kind: "delete" },
    index: number,
    context: CommitContext,
    now: number,
  ): ChangeResult {
    const { key } = change;
    const table = tableStatements(resourceOf(key.resource));
    const live = one(table.head, key.parent, key.id);
    expect(change, index, live, () => actual(table, key));
    const allocated = allocate(table, change, live?.[1] as number | undefined, now);
    table.remove.run((live?.[0] as number | undefined) ?? null);
    insertTombstone.run(key.resource, key.parent, key.id, allocated);
    const list = knownList(key);
    if (list?.hasTombstones === false) {
      remember(list);
      list.hasTombstones = true;
    }
    entries.remove(key);
    const position = record(key, context, now, { action: "delete", revision: allocated });
    return { kind: "deleted", tombstone: { kind: "tombstone", id: key.id, revision: allocated }, position };
  }

  function restoreTombstone(change: Change & { kind: "tombstone" }, index: number): ChangeResult {
    const { key, revision } = change;
    const { resource, parent, id } = key;
    writeKnown();
    const found = actual(tableStatements(resourceOf(resource)), key);
    if (found?.kind === "object") throw new CommitConflict(index, { kind: "expectation", actual: found });
    if (found !== undefined) deleteTombstone.run(resource, parent, id);
    insertTombstone.run(resource, parent, id, revision);
    raiseList.run(resource, parent, revision, 0);
    return { kind: "tombstone" };
  }

  function make(
    change: Change,
    index: number,
    context: CommitContext,
    now: number,
    checked: boolean | undefined,
  ): ChangeResult {
    switch (change.kind) {
      case "put":
        return put(change, index, context, now);
      case "delete":
        return remove(change, index, context, now);
      case "event": {
        const body = JSON.stringify(change.data);
        const entry = { action: "event", revision: 0, type: change.type, body };
        return { kind: "event", position: record(change.key, context, now, entry) };
      }
      case "require": {
        if (checked === true || isMet(change)) return { kind: "require" };
        const found = actual(tableStatements(resourceOf(change.key.resource)), change.key);
        throw new CommitConflict(index, { kind: "expectation", actual: found });
      }
      case "tombstone":
        return restoreTombstone(change, index);
      case "list": {
        const { key, revision, purged } = change;
        resourceOf(key.resource);
        writeKnown();
        raiseList.run(key.resource, key.parent, revision, purged);
        return { kind: "list" };
      }
      case "members":
        entries.setMembers(change.group, change.members);
        return { kind: "members" };
      case "forget":
        entries.forget(change.principal);
        return { kind: "forget" };
    }
  }

  function isMet({ key }: Change & { kind: "require" }): boolean {
    return one(tableStatements(resourceOf(key.resource)).head, key.parent, key.id) !== undefined;
  }

  return {
    write: (changes, context, now, checked) =>
      changes.map((change, index) => make(change, index, context, now, checked)),
    check([first, ...others]) {
      if (first?.kind !== "put" && first?.kind !== "delete") return false;
      resourceOf(first.key.resource);
      return others.every(
        (change) =>
          belonging.has(change.kind) ||
          (change.kind === "require" && !isSameKey(change.key, first.key) && isMet(change)),
      );
    },
    together: {
      begin,
      end() {
        writeKnown();
        drop();
      },
      drop,
      forget: writeKnown,
      save: () => void saved.push(undo.length),
      keep() {
        saved.pop();
        if (saved.length === 0) undo.length = 0;
      },
      takeBack() {
        const begun = saved.pop() ?? 0;
        while (undo.length > begun) undo.pop()?.();
      },
    },
    revision,
    setRevision: ({ resource, parent }, value) => {
      upsertList.run(resource, parent, value);
    },
  };
}

function isSameKey(a: ObjectKey, b: ObjectKey): boolean {
  return a.id === b.id && a.parent === b.parent && a.resource === b.resource;
}

/** What cannot meet a conflict. */
const belonging: ReadonlySet<Change["kind"]> = new Set(["members", "forget"]);

interface TableStatements {
  /** (revision, body, owner) */
  readonly get: StatementSync;
  /** (number, revision, owner) */
  readonly head: StatementSync;
  /** (id) of what has this revision */
  readonly at: StatementSync;
  readonly insert: StatementSync;
  readonly update: StatementSync;
  readonly remove: StatementSync;
}

function prepareTable(prepare: Database["prepare"], table: string): TableStatements {
  return {
    get: prepare(`SELECT revision, body, owner FROM ${table} WHERE parent = ? AND id = ?`),
    head: prepare(`SELECT number, revision, owner FROM ${table} WHERE parent = ? AND id = ?`),
    at: prepare(`SELECT id FROM ${table} WHERE parent = ? AND revision = ? LIMIT 2`),
    insert: prepare(`INSERT INTO ${table} (parent, id, revision, owner, body) VALUES (?, ?, ?, ?, ?)`),
    update: prepare(`UPDATE ${table} SET revision = ?, body = ? WHERE number = ?`),
    remove: prepare(`DELETE FROM ${table} WHERE number = ?`),
  };
}

function expect(
  change: Write,
  index: number,
  live: readonly unknown[] | undefined,
  actual: () => StoredEntry | undefined,
): void {
  const { expect: expected } = change;
  const met =
    expected.kind === "any" || (expected.kind === "absent" ? live === undefined : live?.[1] === expected.revision);
  if (!met || (change.kind === "delete" && live === undefined)) {
    throw new CommitConflict(index, { kind: "expectation", actual: actual() });
  }
}
