/** What errors of the driver and of the server mean. */
import { ServiceError } from "../../errors.ts";

/** The first word of what a server refused; undefined where it said nothing. */
export function replyCode(error: unknown): string | undefined {
  // The classes of which the driver makes errors of what a server says, and nothing else.
  if (!(error instanceof Error) || !/^(SimpleError|BlobError|ErrorReply)$/.test(error.constructor.name))
    return undefined;
  return /^([A-Z]{2,})(?: |$)/.exec(error.message)?.[1];
}

/** States that a server gets out of without anybody changing a setting. */
const passing: ReadonlySet<string> = new Set([
  "OOM",
  "LOADING",
  "READONLY",
  "MISCONF",
  "BUSY",
  "MASTERDOWN",
  "NOREPLICAS",
  "TRYAGAIN",
  "CLUSTERDOWN",
]);

/** Wrong credentials, a database that does not exist, a command that is not allowed: waiting does not help. */
function isMistake(error: unknown): boolean {
  const code = replyCode(error);
  return code !== undefined && !passing.has(code) && !/max number of clients/.test(String(error));
}

/** What to do about it, for who reads the log. */
const advice: Readonly<Record<string, string>> = {
  OOM: "Redis has no memory left (maxmemory) and may not drop anything: give it more, or set maxmemory-policy to allkeys-lru",
  READONLY: "this Redis is a replica: the URL must name the primary",
  MISCONF: "Redis refuses writes because it cannot save to its disk",
  MOVED: "this Redis is a cluster: the cache needs a single server, or one with replicas",
  CROSSSLOT: "this Redis is a cluster: the cache needs a single server, or one with replicas",
  NOAUTH: "Redis asks for a password: redis://:PASSWORD@HOST",
  WRONGPASS: "user or password is wrong",
  NOPERM: "the user may not run a command that the cache needs: +@read +@write +@scripting +@connection on its keys",
};

const tooOld = "this Redis does not know what the cache needs: it takes version 6.2 or later";

/** The error as callers of a cache see it: not to be reached, whatever the reason. */
export function unavailable(error: unknown): ServiceError {
  if (ServiceError.is(error) && error.code === "unavailable") return error;
  return new ServiceError("unavailable", { cause: explained(error) });
}

/** The same error, that says what to do where that is known. */
export function explained(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const known = /unknown command/i.test(error.message) ? tooOld : advice[replyCode(error) ?? ""];
  return known === undefined ? error : new Error(`${known} (${error.message})`, { cause: error });
}

/** Why a start has to fail: the server is there and refuses what waiting does not change. Undefined: it may be tried later. */
export function startRefused(error: unknown): Error | undefined {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  if (!isMistake(cause)) return undefined;
  const said = explained(cause);
  return new Error(`the cache in Redis cannot be used: ${said instanceof Error ? said.message : String(said)}`, {
    cause,
  });
}
