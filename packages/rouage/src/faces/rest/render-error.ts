/** Errors on the wire: the protocol's JSON, or RFC 9457 problem details where the caller asks for them. */
import type { ServiceError, Violation } from "../../errors.ts";
import type { Answer } from "./exchange.ts";

export interface ErrorRendering {
  /** Link to information about errors, sent with the service's own faults. */
  readonly infoLink: string | undefined;
  /** `WWW-Authenticate` of each policy. */
  readonly challenges: readonly string[];
  /** Seconds, where a retry can help and the thrower named none. */
  readonly retryAfter: number;
}

export function renderError(error: ServiceError, problem: boolean, rendering: ErrorRendering): Answer {
  const { status, errno, title } = error.kind;
  const message = error.hasMessage ? error.message : undefined;
  const info = status === 500 ? rendering.infoLink : undefined;
  const headers: Record<string, string | readonly string[]> = {
    "content-type": problem ? "application/problem+json" : "application/json",
    "cache-control": "no-cache, no-store",
  };
  if (status === 401 && rendering.challenges.length > 0)
    headers["www-authenticate"] =
      rendering.challenges.length === 1 ? (rendering.challenges[0] ?? "") : rendering.challenges;
  if (retried.has(status)) headers["retry-after"] = String(rendering.retryAfter);
  const revision = status === 412 ? existingRevision(error.details) : undefined;
  if (revision !== undefined) {
    headers.etag = `"${revision}"`;
    headers["last-modified"] = new Date(revision).toUTCString();
  }
  const body = problem
    ? {
        type: "about:blank",
        title,
        status,
        detail: message,
        errno,
        code: error.code,
        info,
        ...(isViolations(error.details) ? { violations: error.details } : { details: error.details }),
      }
    : { code: status, errno, error: title, message, info, details: error.details };
  return { status, headers: { ...headers, ...error.headers }, body: JSON.stringify(body) };
}

/** Statuses whose answers say when to come back. */
const retried: ReadonlySet<number> = new Set([409, 429, 503]);

function isViolations(details: ServiceError["details"]): details is readonly Violation[] {
  return Array.isArray(details);
}

function existingRevision(details: ServiceError["details"]): number | undefined {
  if (details === undefined || isViolations(details)) return undefined;
  const existing = details.existing as { readonly last_modified?: unknown } | null | undefined;
  const revision = existing?.last_modified;
  return typeof revision === "number" && Math.abs(revision) <= 8.64e15 ? revision : undefined;
}
