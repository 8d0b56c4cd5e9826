/** What one commit, one erasure and one purge do to the state of the memory storage. */
import type { JsonObject } from "../json.ts";
import { append, blank, lengthOf, truncate } from "./memory-log.ts";
import {
  claim,
  type MemoryEntry,
  type MemoryState,
  place,
  touch,
  type Undo,
  writableResource,
} from "./memory-state.ts";
import { normalPermissions, withoutPrincipal } from "./normal-permissions.ts";
import { nextRevision } from "./revision.ts";
import {
  type Change,
  type ChangeResult,
  CommitConflict,
  type CommitContext,
  type EraseCount,
  type EraseScope,
  type ListKey,
  type LogEntry,
  type ObjectKey,
  type Permissions,
  type StoredEntry,
  type StoredObject,
  type Tombstone,
} from "./storage.ts";

/** Makes all changes or none. @throws CommitConflict */
export function applyChanges(
  state: MemoryState,
  changes: readonly Change[],
  context: CommitContext,
  now: number,
): readonly ChangeResult[] {
  const undo: Undo = [];
  const mark = lengthOf(state.log);
  try {
    return changes.map((change, index) => apply(state, change, index, context, now, undo));
  } catch (error) {
    for (const step of undo.reverse()) step();
    truncate(state.log, mark);
    throw error;
  }
}

/** Makes one change and adds what would take it back to `undo`. */
function apply(
  state: MemoryState,
  change: Change,
  index: number,
  context: CommitContext,
  now: number,
  undo: Undo,
): ChangeResult {
  switch (change.kind) {
    case "put":
    case "delete":
      return write(state, change, index, context, now, undo);
    case "event": {
      const body = JSON.stringify(change.data);
      const entry = { action: "event", revision: 0, type: change.type, body } as const;
      return { kind: "event", position: record(state, change.key, context, now, entry) };
    }
    case "require": {
      const resource = state.resources.get(change.key.resource);
      if (resource === undefined) throw undefinedResource(change.key.resource);
      const actual = resource.lists.get(change.key.parent)?.entries.get(change.key.id)?.stored;
      if (actual?.kind !== "object") throw new CommitConflict(index, { kind: "expectation", actual });
      return { kind: "require" };
    }
    case "tombstone":
      return restoreTombstone(state, change, index, undo);
    case "list":
      return raiseList(state, change, undo);
    case "members":
      setMembers(state, change.group, new Set(change.members), undo);
      return { kind: "members" };
    case "forget":
      forget(state, change.principal, undo);
      return { kind: "forget" };
  }
}

function write(
  state: MemoryState,
  change: Change & { kind: "put" | "delete" },
  index: number,
  context: CommitContext,
  now: number,
  undo: Undo,
): ChangeResult {
  const { key } = change;
  const resource = writableResource(state, key.resource);
  if (resource === undefined) throw undefinedResource(key.resource);
  const siblings = touch(state, resource, key.parent, undo);
  const actual = siblings.entries.get(key.id);
  const live = actual?.stored.kind === "object" ? actual.stored : undefined;
  const unexpected = () => new CommitConflict(index, { kind: "expectation", actual: actual?.stored });
  if (change.expect.kind === "absent" && live !== undefined) throw unexpected();
  if (change.expect.kind === "revision" && live?.revision !== change.expect.revision) throw unexpected();
  if (change.kind === "delete" && live === undefined) throw unexpected();

  const revision = nextRevision({
    list: siblings.revision,
    object: live?.revision,
    wish: change.revision,
    now,
    taken: (wish) => wish !== actual?.stored.revision && siblings.revisions.has(wish),
  });
  if (change.kind === "delete") {
    const tombstone: Tombstone = { kind: "tombstone", id: key.id, revision: revision.object };
    claim(resource, key, actual, undefined, undo);
    place(siblings, actual, evaluated(tombstone), revision.list, undo);
    const position = record(state, key, context, now, { action: "delete", revision: revision.object });
    return { kind: "deleted", tombstone, position };
  }
  const owner = live === undefined ? change.owner : live.owner;
  const object: StoredObject = {
    kind: "object",
    id: key.id,
    revision: revision.object,
    body: change.body,
    ...(owner === undefined ? {} : { owner }),
  };
  const permissions = change.permissions === undefined ? actual?.permissions : normalPermissions(change.permissions);
  const next = evaluated(object, permissions);
  const taken = claim(resource, key, actual, next, undo);
  if (taken !== undefined) {
    const existing = resource.lists.get(taken.parent)?.entries.get(taken.id)?.stored;
    if (existing?.kind === "object")
      throw new CommitConflict(index, { kind: "unique", fields: taken.fields, existing });
  }
  place(siblings, actual, next, revision.list, undo);
  const position = record(state, key, context, now, {
    action: live === undefined ? "create" : "update",
    revision: revision.object,
    ...(change.logBody === false ? {} : { body: change.body }),
  });
  return { kind: live === undefined ? "created" : "updated", object, position };
}

function restoreTombstone(
  state: MemoryState,
  { key, revision }: Change & { kind: "tombstone" },
  index: number,
  undo: Undo,
): ChangeResult {
  const resource = writableResource(state, key.resource);
  if (resource === undefined) throw undefinedResource(key.resource);
  const list = touch(state, resource, key.parent, undo);
  const actual = list.entries.get(key.id);
  if (actual?.stored.kind === "object") throw new CommitConflict(index, { kind: "expectation", actual: actual.stored });
  const tombstone = evaluated({ kind: "tombstone", id: key.id, revision });
  place(list, actual, tombstone, Math.max(list.revision, revision), undo);
  return { kind: "tombstone" };
}

function raiseList(state: MemoryState, { key, revision, purged }: Change & { kind: "list" }, undo: Undo): ChangeResult {
  const resource = writableResource(state, key.resource);
  if (resource === undefined) throw undefinedResource(key.resource);
  const list = touch(state, resource, key.parent, undo);
  const before = { revision: list.revision, purged: list.purged };
  undo.push(() => Object.assign(list, before));
  list.revision = Math.max(list.revision, revision);
  list.purged = Math.max(list.purged, purged);
  return { kind: "list" };
}

function record(
  { log }: MemoryState,
  { resource, parent, id }: ObjectKey,
  { principal, requestId, traceparent }: CommitContext,
  now: number,
  entry: Omit<LogEntry, "position" | "time" | keyof ListKey | "id" | keyof CommitContext>,
): number {
  return append(log, {
    time: now,
    resource,
    parent,
    id,
    ...entry,
    ...(principal === undefined ? {} : { principal }),
    ...(requestId === undefined ? {} : { requestId }),
    ...(traceparent === undefined ? {} : { traceparent }),
  });
}

function setMembers({ groups }: MemoryState, group: string, members: ReadonlySet<string>, undo: Undo): void {
  const before = groups.get(group);
  undo.push(() => (before === undefined ? groups.delete(group) : groups.set(group, before)));
  if (members.size === 0) groups.delete(group);
  else groups.set(group, members);
}

/** Looks at everything: this storage has no index of who is named where. */
function forget(state: MemoryState, principal: string, undo: Undo): void {
  for (const [group, members] of state.groups) {
    if (members.has(principal)) setMembers(state, group, members.difference(new Set([principal])), undo);
  }
  for (const [name, { lists }] of state.resources) {
    for (const [parent, { entries }] of lists) {
      const named = [...entries.values()].filter(({ permissions = {} }) =>
        Object.values(permissions).some((principals) => principals.includes(principal)),
      );
      if (named.length === 0) continue;
      const resource = writableResource(state, name);
      if (resource === undefined) continue;
      const list = touch(state, resource, parent, undo);
      for (const entry of named) {
        list.entries.set(entry.id, { ...entry, permissions: withoutPrincipal(entry.permissions ?? {}, principal) });
        undo.push(() => list.entries.set(entry.id, entry));
      }
    }
  }
}

export function eraseScopes(state: MemoryState, scopes: readonly EraseScope[], now: number): EraseCount {
  let objects = 0;
  let tombstones = 0;
  for (const scope of scopes) {
    const resource = writableResource(state, scope.resource);
    if (resource === undefined) continue;
    for (const [parent, { entries }] of resource.lists) {
      if (scope.parent !== undefined && scope.parent !== parent) continue;
      const erased = scope.id === undefined ? [...entries.values()] : [entries.get(scope.id)];
      for (const entry of erased) {
        if (entry === undefined) continue;
        const siblings = touch(state, resource, parent, []);
        siblings.entries.delete(entry.id);
        siblings.revisions.delete(entry.revision);
        claim(resource, { parent, id: entry.id }, entry, undefined, []);
        if (entry.stored.kind === "object") objects++;
        else tombstones++;
        if (entry === erased[erased.length - 1]) siblings.revision = Math.max(now, siblings.revision + 1);
      }
    }
  }
  return { objects, tombstones, logEntries: blank(state.log, (entry) => scopes.some((scope) => covers(scope, entry))) };
}

export function purge(state: MemoryState, { resource: name, parent }: ListKey, before: number): number {
  const resource = writableResource(state, name);
  if (resource?.lists.has(parent) !== true) return 0;
  const siblings = touch(state, resource, parent, []);
  let purged = 0;
  for (const [id, entry] of siblings.entries) {
    if (entry.stored.kind !== "tombstone" || entry.revision >= before) continue;
    siblings.entries.delete(id);
    siblings.revisions.delete(entry.revision);
    purged++;
  }
  if (purged > 0) siblings.purged = Math.max(siblings.purged, before);
  return purged;
}

export function undefinedResource(name: string): Error {
  return new Error(`resource ${JSON.stringify(name)} is not defined in this storage`);
}

const deleted: JsonObject = { deleted: true };

function evaluated(stored: StoredEntry, permissions?: Permissions): MemoryEntry {
  const { id, revision } = stored;
  if (stored.kind === "tombstone") return { id, revision, value: deleted, stored };
  return { id, revision, value: JSON.parse(stored.body), owner: stored.owner, permissions, stored };
}

function covers(scope: EraseScope, entry: LogEntry): boolean {
  return (
    scope.resource === entry.resource &&
    (scope.parent === undefined || scope.parent === entry.parent) &&
    (scope.id === undefined || scope.id === entry.id)
  );
}
