/** SQLite alone: `node:sqlite` in this thread, synced at each COMMIT. */
import { DatabaseSync } from "node:sqlite";
import { columnNames } from "../../packages/rouage/src/storage/sqlite/fields.ts";
import { type Driver, grouped, type Put, rendered } from "./driver-statements.ts";

export function driver(url: string, isGrouped: boolean): Driver {
  const database = new DatabaseSync(url.slice("sqlite:".length));
  database.exec(
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA mmap_size = 2000000000; PRAGMA cache_size = -65536",
  );
  const prepare = (sql: string) => {
    const statement = database.prepare(sql);
    statement.setReturnArrays(true);
    return statement;
  };
  const { rank, value } = columnNames("group");
  const select = prepare("SELECT revision, body FROM objects_1 WHERE parent = '' AND id = ?");
  const page = prepare(
    `SELECT id, revision, body FROM objects_1 WHERE parent = '' AND ${rank} = 2 AND ${value} = ? ORDER BY revision DESC LIMIT 50`,
  );
  const begin = prepare("BEGIN IMMEDIATE");
  const commit = prepare("COMMIT");
  const latest = prepare("SELECT revision FROM lists WHERE resource = 'kittens' AND parent = ''");
  const raise = prepare("UPDATE lists SET revision = ? WHERE resource = 'kittens' AND parent = ''");
  const insert = prepare(
    "INSERT INTO objects_1 (parent, id, revision, owner, body) VALUES ('', ?, ?, 'account:bench', ?)",
  );
  const update = prepare("UPDATE objects_1 SET revision = ?, body = ? WHERE parent = '' AND id = ?");
  const log = prepare(
    "INSERT INTO log (time, resource, parent, id, action, revision, body, principal) VALUES (?, 'kittens', '', ?, ?, ?, ?, 'account:bench')",
  );

  function write(groups: readonly (readonly Put[])[]): readonly (readonly string[])[] {
    const now = Date.now();
    begin.run();
    let revision = Number((latest.get() as unknown as readonly number[] | undefined)?.[0] ?? 0);
    const written = groups.map((puts) =>
      puts.map(({ id, body, isNew }) => {
        revision = Math.max(now, revision + 1);
        if (isNew) insert.run(id, revision, body);
        else {
          select.get(id);
          update.run(revision, body, id);
        }
        log.run(now, id, isNew ? "create" : "update", revision, body);
        return rendered(id, revision, body);
      }),
    );
    raise.run(revision);
    commit.run();
    return written;
  }

  return {
    get(id) {
      const row = select.get(id) as unknown as readonly [number, string] | undefined;
      return row && rendered(id, row[0], row[1]);
    },
    list: (group) =>
      (page.all(group) as unknown as readonly [string, number, string][]).map(([id, revision, body]) =>
        rendered(id, revision, body),
      ),
    put: isGrouped ? grouped(async (groups) => write(groups)) : async (puts) => write([puts])[0] ?? [],
  };
}
