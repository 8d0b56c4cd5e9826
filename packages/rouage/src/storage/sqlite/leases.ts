/**
 * Rights that one process at a time has, as locks of the operating system: gone with the process, however it ends, and nobody has to say that it still
 * lives. Each is the write lock of an empty SQLite file beside the store, because SQLite keeps such locks right also where one process opens a file twice.
 */
import { closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import type { Lease } from "../storage.ts";
import { busyCode, resultCode, translated } from "./database.ts";

export interface SqliteLeases {
  /** Undefined while somebody else has it. */
  take(name: string): Lease | undefined;
  close(): void;
}

export function sqliteLeases(path: string): SqliteLeases {
  const held = new Set<DatabaseSync>();
  return {
    take(name) {
      const connection = locked(`${path}-lease-${name}`);
      if (connection === undefined) return undefined;
      held.add(connection);
      return {
        // A lock of a file is lost with the process alone.
        lost: new AbortController().signal,
        async release() {
          if (held.delete(connection)) connection.close();
        },
      };
    },
    close() {
      for (const connection of held) connection.close();
      held.clear();
    },
  };
}

function locked(file: string): DatabaseSync | undefined {
  create(file);
  const connection = new DatabaseSync(file, { timeout: 0 });
  try {
    // Nothing is ever written: no journal is needed, and none is left behind.
    connection.exec("PRAGMA journal_mode = MEMORY");
    connection.exec("BEGIN IMMEDIATE");
    return connection;
  } catch (error) {
    connection.close();
    if (resultCode(error) === busyCode) return undefined;
    throw translated(error);
  }
}

function create(file: string): void {
  try {
    closeSync(openSync(file, "wx", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw translated(error);
  }
}
