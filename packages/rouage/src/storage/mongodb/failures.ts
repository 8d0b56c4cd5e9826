/** What errors of the driver and of the server mean. */
import { ServiceError } from "../../errors.ts";
import { CommitConflict, QueryTooCostly } from "../storage.ts";

/** The turn that was held is another's: it was held for too long. */
export class TurnLost extends Error {
  override readonly name = "TurnLost";
}

/** Others kept the store for as long as somebody may wait for it. */
export class TurnBusy extends Error {
  override readonly name = "TurnBusy";
}

/** Number of what the server refused; undefined where it said nothing. */
export function codeOf(error: unknown): number | undefined {
  const code: unknown = isBackendError(error) && "code" in error ? error.code : undefined;
  return typeof code === "number" ? code : undefined;
}

/** There is a document with this key. */
export const duplicateKey = 11_000;
/** There is no such collection yet. */
export const namespaceMissing = 26;
/** `maxTimeMS` is over. */
const timeExpired = 50;
/** A document is larger than the server takes. */
const tooLarge: ReadonlySet<number> = new Set([10_334, 17_419, 17_420]);

/** True for what the driver or the server said; false for conflicts and for what the caller did wrong. */
export function isBackendError(error: unknown): error is Error {
  return error instanceof TurnLost || (error instanceof Error && error.name.startsWith("Mongo"));
}

/** Nobody knows whether what was sent has happened. */
export function isUnanswered(error: unknown): boolean {
  return isBackendError(error) && codeOf(error) === undefined;
}

/** True where the database did not answer in time: it is slow, and asking again adds to what it has to do. */
export function isLate(error: unknown): boolean {
  return isBackendError(error) && late.has(error.name);
}

/** True where whoever waits for the same would wait as long again. */
export function isInVain(error: unknown): boolean {
  const cause = ServiceError.is(error) ? error.cause : error;
  return cause instanceof TurnBusy || isLate(cause);
}

/** A connection that broke may have been idle for long: whoever finds that out tries once more. */
export function isWorthAnotherTry(error: unknown): boolean {
  return isUnanswered(error) && !isLate(error) && !(error instanceof TurnLost);
}

const late: ReadonlySet<string> = new Set([
  "MongoNetworkTimeoutError",
  "MongoOperationTimeoutError",
  "MongoServerSelectionError",
  "MongoWaitQueueTimeoutError",
]);

/** The error as callers of a storage see it. */
export function translated(error: unknown): unknown {
  if (error instanceof CommitConflict || error instanceof QueryTooCostly || ServiceError.is(error)) return error;
  if (!isBackendError(error)) return error;
  if (tooLarge.has(codeOf(error) ?? 0)) return notStorable(error);
  return unavailable(error);
}

/** Of a store that is being opened: whoever starts a service reads what is wrong, and no client does. */
export function notConnected(error: unknown): unknown {
  if (!isBackendError(error)) return error;
  if (isOfTheUrl(error)) {
    return new Error(
      `storage: ${error.message}; special characters of user and password are written as %40 (@), %2F (/), %3A (:), …`,
    );
  }
  return new ServiceError("unavailable", { message: `no connection to the database: ${error.message}`, cause: error });
}

/** True where the driver cannot read the URL, and has asked nobody. */
export function isOfTheUrl(error: Error): boolean {
  return error.name === "MongoParseError" || error.name === "MongoInvalidArgumentError";
}

export function notStorable(cause: unknown): ServiceError {
  return new ServiceError("invalid-parameters", { message: "The object cannot be stored", cause });
}

export function unavailable(cause: unknown): ServiceError {
  return ServiceError.is(cause) && cause.code === "unavailable" ? cause : new ServiceError("unavailable", { cause });
}

/** A query that took longer than it may is its asker's matter, and not the server's. */
export async function asCostly<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw codeOf(error) === timeExpired ? new QueryTooCostly() : error;
  }
}
