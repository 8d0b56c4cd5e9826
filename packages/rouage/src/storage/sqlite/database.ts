/** Opens one connection to a store's file with everything the store relies on: pragmas, functions, file modes. */
import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { ServiceError } from "../../errors.ts";
import { type QueryBudget, registerFunctions } from "./functions.ts";

export interface Database {
  readonly connection: DatabaseSync;
  /** A prepared statement whose rows come as arrays, from a bounded cache. */
  prepare(sql: string): StatementSync;
  readonly budget: QueryBudget;
  close(): void;
}

/** More distinct statements than this are prepared again when they come back. */
const cachedStatements = 256;

/**
 * WAL with synchronous=FULL: a commit that returned survives a power cut. secure_delete: what is deleted is overwritten.
 * Checkpoints are made by others (see checkpoint.ts), never inside a commit.
 */
export function openDatabase(path: string, { busyMs = 50 }: { readonly busyMs?: number } = {}): Database {
  const connection = open(path);
  connection.exec("PRAGMA synchronous = FULL");
  connection.exec("PRAGMA secure_delete = ON");
  connection.exec("PRAGMA wal_autocheckpoint = 0");
  connection.exec("PRAGMA temp_store = MEMORY");
  connection.exec("PRAGMA cache_size = -65536");
  // Reads come from the system's page cache without a copy: twice as many point reads among a million objects.
  connection.exec("PRAGMA mmap_size = 2000000000");
  connection.exec(`PRAGMA busy_timeout = ${busyMs}`);
  const budget = registerFunctions(connection);
  const statements = new Map<string, StatementSync>();
  return {
    connection,
    budget,
    prepare(sql) {
      const cached = statements.get(sql);
      if (cached !== undefined) {
        statements.delete(sql);
        statements.set(sql, cached);
        return cached;
      }
      const statement = connection.prepare(sql);
      statement.setReturnArrays(true);
      statements.set(sql, statement);
      const [oldest] = statements.keys();
      if (statements.size > cachedStatements && oldest !== undefined) statements.delete(oldest);
      return statement;
    },
    close() {
      statements.clear();
      connection.close();
    },
  };
}

/** @throws Error that names the file and what is wrong with it */
function open(path: string): DatabaseSync {
  let connection: DatabaseSync | undefined;
  try {
    createFile(path);
    connection = new DatabaseSync(path, { timeout: 10_000, enableDoubleQuotedStringLiterals: false });
    connection.exec("PRAGMA journal_mode = WAL");
    return connection;
  } catch (error) {
    connection?.close();
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`the storage file ${path} cannot be opened: ${reason}`, { cause: error });
  }
}

/** Makes the file and its folders for the owner alone; SQLite gives its side files the same mode. */
function createFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  try {
    // Never opens a file that exists: closing it again would drop the locks that this process holds on it (POSIX).
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error) || error.code !== "EEXIST") throw error;
  }
}

/** Primary result code of an error that SQLite raised, undefined for others. https://sqlite.org/rescode.html */
export function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return undefined;
  return error.errcode & 0xff;
}

export const busyCode = 5;
export const constraintCode = 19;

/** PERM, BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, CORRUPT, FULL, CANTOPEN, PROTOCOL, NOTADB. */
const backendCodes: ReadonlySet<number> = new Set([3, busyCode, 6, 7, 8, 9, 10, 11, 13, 14, 15, 26]);

/** True when the error tells about the state of the store, not about what was asked. */
export function isBackendError(error: unknown): boolean {
  const code = resultCode(error);
  return code !== undefined && backendCodes.has(code);
}

export function unavailable(cause: unknown): ServiceError {
  return new ServiceError("unavailable", { cause });
}

/** The error as the interface promises it. */
export function translated(error: unknown): unknown {
  if (isBackendError(error)) return unavailable(error);
  // Node's own complaint about a connection or statement that was closed.
  if (error instanceof Error && "code" in error && error.code === "ERR_INVALID_STATE") return unavailable(error);
  return error;
}
