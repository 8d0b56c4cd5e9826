/** What errors of the driver and of the server mean. */
import { ServiceError } from "../../errors.ts";
import { CommitConflict, QueryTooCostly } from "../storage.ts";

/** The connection is of no use any more, or was never made. What was under way on it may or may not have happened. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";
  /** The time that it may take was up: the same again would take as long again, and adds to what the database has to do. */
  readonly isLate: boolean;
  constructor(message: string, { isLate = false, ...options }: ErrorOptions & { readonly isLate?: boolean } = {}) {
    super(message, options);
    this.isLate = isLate;
  }
}

/** True where the database did not answer in time, or others kept the store for too long: who waits for the same would wait as long again. */
export function isLate(error: unknown): boolean {
  return (error instanceof ConnectionLost && error.isLate) || sqlState(error) === lockNotAvailable;
}

/** `lock_timeout` was up. */
const lockNotAvailable = "55P03";

/** A connection that broke may have been idle for long: whoever finds that out tries once more. */
export function isWorthAnotherTry(error: unknown): boolean {
  return error instanceof ConnectionLost && !error.isLate;
}

/** SQLSTATE of what the server refused; undefined where it said nothing. */
export function sqlState(error: unknown): string | undefined {
  const code: unknown = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) && error instanceof Error && "severity" in error
    ? code
    : undefined;
}

/** Cancelled by `statement_timeout`. */
export const cancelled = "57014";

/** The server took the transaction back because of another one: the same again may succeed. */
export function isTransient(error: unknown): boolean {
  const state = sqlState(error);
  return state === "40001" || state === "40P01";
}

/** What was sent is what the server refuses, whoever else sends something with it. */
export function isOfTheData(error: unknown): boolean {
  const state = sqlState(error);
  return state?.startsWith("22") === true || state?.startsWith("54") === true;
}

/** True for what the backend said, or left unsaid; false for conflicts and for what the caller did wrong. */
export function isBackendError(error: unknown): boolean {
  return error instanceof ConnectionLost || sqlState(error) !== undefined;
}

/** The error as callers of a storage see it. */
export function translated(error: unknown): unknown {
  if (error instanceof CommitConflict || error instanceof QueryTooCostly || ServiceError.is(error)) return error;
  if (error instanceof ConnectionLost) return unavailable(error);
  if (sqlState(error) === undefined) return error;
  // More than the server can keep: nesting beyond its stack, a key beyond a page of an index.
  if (isOfTheData(error)) {
    return new ServiceError("invalid-parameters", { message: "The object cannot be stored", cause: error });
  }
  return unavailable(error);
}

export function unavailable(cause: unknown): ServiceError {
  return ServiceError.is(cause) && cause.code === "unavailable" ? cause : new ServiceError("unavailable", { cause });
}
