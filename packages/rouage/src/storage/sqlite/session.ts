/** Everything that reads and writes a store through one connection: one is for all of the process, another for its transactions. */
import type { StoredEntry } from "../storage.ts";
import { type ChangeWriter, changeWriter } from "./changes.ts";
import type { Database } from "./database.ts";
import { permissionReader } from "./permission-reader.ts";
import type { CachedPermissions, Getter, RememberedReads } from "./remembered-reads.ts";
import type { SqliteResource } from "./resources.ts";
import { one, storedObject } from "./rows.ts";

export interface Session {
  readonly database: Database;
  readonly changes: ChangeWriter;
  readonly permissions: CachedPermissions;
  /** One for each resource: the hottest path. */
  readonly gets: Map<string, Getter>;
  /** Stands between the reads and the connection. */
  readonly cache: RememberedReads | undefined;
}

export function openSession(
  database: Database,
  resources: ReadonlyMap<string, SqliteResource>,
  cache?: RememberedReads,
): Session {
  const changes = changeWriter(database, (name) => resourceIn(resources, name));
  const permissions = permissionReader(database);
  const session: Session = {
    database,
    changes: cache?.changes(changes) ?? changes,
    permissions: cache?.permissions(permissions) ?? permissions,
    gets: new Map(),
    cache,
  };
  for (const resource of resources.values()) addResource(session, resource);
  return session;
}

/** Makes the session ready for a resource that was defined, or defined anew. */
export function addResource({ database, gets, cache }: Session, resource: SqliteResource): void {
  const get = getter(database, resource);
  gets.set(resource.name, cache?.getter(resource.name, get) ?? get);
}

export function resourceIn(resources: ReadonlyMap<string, SqliteResource>, name: string): SqliteResource {
  const resource = resources.get(name);
  if (resource === undefined) throw new Error(`resource ${JSON.stringify(name)} is not defined in this storage`);
  return resource;
}

/** One prepared statement, no promise, nothing parsed. */
function getter({ prepare }: Database, { table, name }: SqliteResource) {
  const select = prepare(`SELECT revision, body, owner FROM ${table} WHERE parent = ? AND id = ?`);
  const selectTombstone = prepare("SELECT revision FROM tombstones WHERE resource = ? AND parent = ? AND id = ?");
  return (parent: string, id: string): StoredEntry | undefined => {
    const row = one(select, parent, id);
    if (row !== undefined) return storedObject(id, row[0], row[1], row[2]);
    const tombstone = one(selectTombstone, name, parent, id);
    return tombstone && { kind: "tombstone", id, revision: tombstone[0] as number };
  };
}
