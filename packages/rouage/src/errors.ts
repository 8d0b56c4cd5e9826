/**
 * The one error table of the toolkit, and the one error type. Every face renders a `ServiceError` in its own wire format;
 * nothing else may reach a client. Status and errno follow the public Kinto protocol where it defines them.
 */

export interface ErrorKind {
  /** HTTP status. */
  readonly status: number;
  /** Protocol error number; stable for ever. */
  readonly errno: number;
  /** Short name of the error, the protocol's `error` field. */
  readonly title: string;
  /** Message sent when the thrower gave none; absent: the field is omitted. */
  readonly message?: string;
  /** Whether the same request may succeed later without being changed. */
  readonly retry: boolean;
}

export const errorTable = {
  // The caller is not known
  "missing-credentials": {
    status: 401,
    errno: 104,
    title: "Unauthorized",
    message: "Please authenticate yourself to use this endpoint.",
    retry: false,
  },
  "invalid-credentials": {
    status: 401,
    errno: 105,
    title: "Unauthorized",
    message: "The credentials are not valid or no longer valid.",
    retry: false,
  },

  // The request is wrong
  "invalid-parameters": { status: 400, errno: 107, title: "Invalid parameters", retry: false },
  "missing-parameter": { status: 400, errno: 108, title: "Missing parameter", retry: false },
  "invalid-posted-data": { status: 400, errno: 109, title: "Invalid posted data", retry: false },
  "not-acceptable": { status: 406, errno: 107, title: "Invalid parameters", retry: false },
  "unsupported-media-type": { status: 415, errno: 107, title: "Invalid parameters", retry: false },
  "length-required": { status: 411, errno: 112, title: "Length Required", retry: false },
  "body-too-large": {
    status: 413,
    errno: 113,
    title: "Request Entity Too Large",
    message: "The request body is larger than this service accepts.",
    retry: false,
  },
  "header-too-large": {
    status: 431,
    errno: 113,
    title: "Request Header Fields Too Large",
    message: "The request line and headers are larger than this service accepts.",
    retry: false,
  },
  "uri-too-long": { status: 414, errno: 113, title: "URI Too Long", retry: false },
  "request-timeout": {
    status: 408,
    errno: 118,
    title: "Request Timeout",
    message: "The request did not arrive in time.",
    retry: true,
  },

  // The target is not there
  "object-not-found": { status: 404, errno: 110, title: "Not Found", retry: false },
  "route-not-found": {
    status: 404,
    errno: 111,
    title: "Not Found",
    message: "The resource you are looking for could not be found.",
    retry: false,
  },
  "version-not-served": {
    status: 404,
    errno: 116,
    title: "Not Found",
    message: "The requested API version is not available on this server.",
    retry: false,
  },
  gone: {
    status: 410,
    errno: 202,
    title: "Gone",
    message: "The service you are trying to connect no longer exists at this location.",
    retry: false,
  },
  "history-purged": {
    status: 410,
    errno: 204,
    title: "Gone",
    message: "Deletions since then are no longer known. Forget what you have and read the list from the start.",
    retry: false,
  },

  // The request is understood and refused
  "method-not-allowed": {
    status: 405,
    errno: 115,
    title: "Method Not Allowed",
    message: "Method not allowed on this endpoint.",
    retry: false,
  },
  forbidden: {
    status: 403,
    errno: 121,
    title: "Forbidden",
    message: "This user cannot access this resource.",
    retry: false,
  },
  "precondition-failed": {
    status: 412,
    errno: 114,
    title: "Precondition Failed",
    message: "Resource was modified meanwhile",
    retry: false,
  },
  conflict: {
    status: 409,
    errno: 122,
    title: "Conflict",
    message: "Integrity constraint violated, please retry.",
    retry: true,
  },
  "failed-dependency": {
    status: 424,
    errno: 123,
    title: "Failed Dependency",
    message: "The batch is atomic, and another of its requests failed.",
    retry: false,
  },
  "key-in-use": {
    status: 409,
    errno: 124,
    title: "Conflict",
    message: "A request with this Idempotency-Key is still being answered.",
    retry: true,
  },
  "key-reused": {
    status: 422,
    errno: 125,
    title: "Unprocessable Content",
    message: "This Idempotency-Key was used for another request.",
    retry: false,
  },
  "too-many-requests": {
    status: 429,
    errno: 117,
    title: "Too Many Requests",
    message: "Too many requests, slow down.",
    retry: true,
  },
  "insufficient-storage": { status: 507, errno: 121, title: "Insufficient Storage", retry: false },

  // The service is at fault
  internal: {
    status: 500,
    errno: 999,
    title: "Internal Server Error",
    message: "A programmatic error occurred, developers have been informed.",
    retry: false,
  },
  unavailable: {
    status: 503,
    errno: 201,
    title: "Service Unavailable",
    message: "Service temporary unavailable due to overloading or maintenance, please retry later.",
    retry: true,
  },
  "deadline-exceeded": {
    status: 504,
    errno: 203,
    title: "Gateway Timeout",
    message: "The work did not finish within its deadline.",
    retry: true,
  },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof errorTable;

export type ViolationLocation = "body" | "querystring" | "header" | "path" | "url" | "cookies" | "method";

/** One thing that is wrong with a request. */
export interface Violation {
  readonly location: ViolationLocation;
  /** Dotted path or parameter name; null when the whole location is meant. */
  readonly name: string | null;
  readonly description: string;
  /** Stable machine-readable code, kebab-case (`min-length`, `unknown-field`, `read-only`). */
  readonly code: string;
}

export interface ErrorOptions {
  readonly message?: string;
  /** A list of violations, or a plain object such as `{ id, resource_name }` or `{ existing }`. */
  readonly details?: readonly Violation[] | Readonly<Record<string, unknown>>;
  /** Extra response headers, lower-case names (`retry-after` in seconds, `www-authenticate`, `allow`). */
  readonly headers?: Readonly<Record<string, string>>;
  /** What went wrong inside; for the log only. */
  readonly cause?: unknown;
}

const mark = Symbol.for("rouage.ServiceError");

/** The error of every operation, interface and face. Carries only what a client may see; `cause` goes to the log. */
export class ServiceError extends Error {
  readonly [mark] = true;
  override readonly name = "ServiceError";
  readonly code: ErrorCode;
  readonly kind: ErrorKind;
  readonly details: ErrorOptions["details"];
  readonly headers: Readonly<Record<string, string>>;
  /** True when the thrower or the table gave a message to show. */
  readonly hasMessage: boolean;

  constructor(code: ErrorCode, options: ErrorOptions = {}) {
    const kind: ErrorKind = errorTable[code];
    const message = options.message ?? kind.message;
    super(message ?? kind.title, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.kind = kind;
    this.details = options.details;
    this.headers = options.headers ?? {};
    this.hasMessage = message !== undefined;
  }

  /** True for any ServiceError, also one of another copy of this package. */
  static is(value: unknown): value is ServiceError {
    return typeof value === "object" && value !== null && mark in value;
  }
}

/** A 400 with all violations, sorted by name; the message is derived from the first, as the protocol asks. */
export function invalid(...violations: readonly Violation[]): ServiceError {
  return violationError("invalid-parameters", violations);
}

/** Like `invalid`, for another code of the table (406, 415), and for lists whose length a client decides. */
export function violationError(code: ErrorCode, violations: readonly Violation[]): ServiceError {
  const details = violations.slice(0, mostViolations).sort((a, b) => compareNames(a.name, b.name));
  const first = details[0];
  return new ServiceError(code, first === undefined ? { details } : { message: violationMessage(first), details });
}

/** More than anyone reads; bounds the answer to a hostile request. */
const mostViolations = 100;

function violationMessage({ location, name, description }: Violation): string {
  if (name === null) return `${location}: ${description}`;
  return mentions(description, name) ? description : `${name} in ${location}: ${description}`;
}

/** As a word of its own: a parameter called `q` is not named by "Required". */
function mentions(description: string, name: string): boolean {
  if (name === "") return false;
  for (let at = description.indexOf(name); at >= 0; at = description.indexOf(name, at + 1)) {
    if (!wordPart.test(description[at - 1] ?? " ") && !wordPart.test(description[at + name.length] ?? " ")) return true;
  }
  return false;
}

const wordPart = /[\w-]/;

function compareNames(a: string | null, b: string | null): number {
  if (a === b) return 0;
  if (a === null) return -1;
  if (b === null) return 1;
  return a < b ? -1 : 1;
}
