/** Conditions on revisions (RFC 9110 §13, with the protocol's strict equality), decided in one place. */
import { ServiceError } from "../errors.ts";
import type { Preconditions } from "./operations.ts";

export type Verdict = "pass" | "not-modified" | "failed";

/**
 * @param current revision of the target; undefined when it does not exist
 * @param isRead whether the request only reads, so that a known revision answers `not-modified`
 */
export function judge({ ifMatch, ifNoneMatch }: Preconditions, current: number | undefined, isRead: boolean): Verdict {
  if (ifMatch !== undefined && (current === undefined || (ifMatch !== "*" && ifMatch !== current))) return "failed";
  if (ifNoneMatch === undefined || current === undefined) return "pass";
  if (ifNoneMatch === "*") return "failed";
  if (ifNoneMatch !== current) return "pass";
  return isRead ? "not-modified" : "failed";
}

/** The 412, with the revision that is current where the caller may know it. */
export function preconditionFailed(revision: number | undefined, existing?: unknown): ServiceError {
  return new ServiceError("precondition-failed", {
    ...(existing === undefined ? {} : { details: { existing } }),
    ...(revision === undefined
      ? {}
      : { headers: { etag: `"${revision}"`, "last-modified": new Date(revision).toUTCString() } }),
  });
}
