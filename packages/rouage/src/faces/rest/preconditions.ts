/** `If-Match` and `If-None-Match`: one quoted integer or `*`, compared for strict equality. */
import { invalid, type Violation } from "../../errors.ts";
import type { HttpRequest } from "../../http.ts";
import type { Preconditions } from "../../operations/operations.ts";

const none: Preconditions = Object.freeze({});

/** @throws ServiceError `invalid-parameters` */
export function preconditionsOf(request: HttpRequest): Preconditions {
  const match = request.header("if-match");
  const noneMatch = request.header("if-none-match");
  if (match === undefined && noneMatch === undefined) return none;
  const violations: Violation[] = [];
  const ifMatch = parse("If-Match", match, violations);
  const ifNoneMatch = parse("If-None-Match", noneMatch, violations);
  if (violations.length > 0) throw invalid(...violations);
  return {
    ...(ifMatch === undefined ? {} : { ifMatch }),
    ...(ifNoneMatch === undefined ? {} : { ifNoneMatch }),
  };
}

function parse(name: string, value: string | undefined, violations: Violation[]): number | "*" | undefined {
  if (value === undefined || value === "*") return value;
  if (/^"[0-9]{1,20}"$/.test(value)) {
    const revision = Number(value.slice(1, -1));
    // Beyond the safe integers two revisions would look alike: such a one equals none.
    return Number.isSafeInteger(revision) ? revision : -1;
  }
  violations.push({
    location: "header",
    name,
    description: "The value should be integer between double quotes.",
    code: "invalid-etag",
  });
  return undefined;
}
