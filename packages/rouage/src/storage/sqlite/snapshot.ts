/**
 * Copies of SQLite files that are in use. Every file is read from a snapshot of its own that is opened while no other process may write to any of them, so that
 * several files fit together, and writers wait for milliseconds however long the copying takes.
 */
import { chmodSync, closeSync, existsSync, openSync } from "node:fs";
import { backup, DatabaseSync } from "node:sqlite";
import { resultCode } from "./database.ts";
import { applicationId } from "./migrations.ts";

export interface Snapshot {
  readonly path: string;
  /** Version of the store's own tables. */
  readonly schema: number;
  /** Newest position of the log. */
  readonly position: number;
  /** Writes the snapshot to a file that does not exist yet (mode 0600). */
  copy(to: string, progress?: (done: number, total: number) => void): Promise<void>;
}

export interface Snapshots extends Disposable {
  readonly stores: readonly Snapshot[];
}

/** Pages copied in one go: about 4 MB, a hundredth of a second. */
const portion = 1_000;
/** Another process holds the lock for as long as one commit takes; who holds it longer waits for a lock of ours, maybe. */
const lockMs = 500;
const lockTries = 60;

/**
 * Opens a snapshot of each file as of one moment. What `during` does happens in that moment too: nobody commits meanwhile.
 * @throws Error when a file is missing or no store of ours, or stays locked for half a minute
 */
export async function openSnapshots(
  paths: readonly string[],
  during: () => Promise<void> = async () => {},
): Promise<Snapshots> {
  for (const path of paths) if (!existsSync(path)) throw new Error(`there is no store: ${path} does not exist`);
  const readers = new DisposableStack();
  try {
    for (let tries = 1; ; tries++) {
      using locks = new DisposableStack();
      try {
        for (const path of paths) lock(locks.adopt(new DatabaseSync(path, { timeout: lockMs }), close), path);
      } catch (error) {
        if (resultCode(error) !== 5 || tries === lockTries) throw error;
        continue;
      }
      await during();
      const stores = paths.map((path) => snapshotOf(readers.adopt(new DatabaseSync(path), close), path));
      return { stores, [Symbol.dispose]: () => readers.dispose() };
    }
  } catch (error) {
    readers.dispose();
    throw error;
  }
}

/** Nothing is written: rolled back when the connection closes. */
function lock(connection: DatabaseSync, path: string): void {
  const { application_id: id } = connection.prepare("PRAGMA application_id").get() ?? {};
  if (id !== applicationId) throw new Error(`${path} is no store of Rouage`);
  connection.exec("PRAGMA wal_autocheckpoint = 0; BEGIN IMMEDIATE");
}

function snapshotOf(connection: DatabaseSync, path: string): Snapshot {
  // The copy reads through this transaction, and so what the file was when it began.
  connection.exec("PRAGMA wal_autocheckpoint = 0; BEGIN");
  const number = (sql: string): number => Number(connection.prepare(sql).get()?.n ?? 0);
  const schema = number("SELECT value AS n FROM meta WHERE key = 'schema'");
  const position = number("SELECT max(position) AS n FROM log");
  return {
    ...{ path, schema, position },
    async copy(to, progress = () => {}) {
      closeSync(openSync(to, "wx", 0o600));
      await backup(connection, to, {
        rate: portion,
        progress: ({ totalPages, remainingPages }) => progress(totalPages - remainingPages, totalPages),
      });
      chmodSync(to, 0o600);
    },
  };
}

function close(connection: DatabaseSync): void {
  connection.close();
}
