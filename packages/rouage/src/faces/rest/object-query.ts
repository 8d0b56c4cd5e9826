/** What requests for one object say beside their body: how much to answer, which revision to give, what to explain. */
import { invalid, type Violation, type ViolationLocation } from "../../errors.ts";
import { parseQueryString } from "./query-string.ts";

export interface Question {
  readonly permission: string;
  readonly principal?: string;
}

/** `?explain=write&principal=account:bob`: why may they, or may they not? */
export function questionOf(search: string): Question | undefined {
  const parameters = parseQueryString(search);
  const permission = parameters.findLast(([name]) => name === "explain")?.[1];
  if (permission === undefined) return undefined;
  const principal = parameters.findLast(([name]) => name === "principal")?.[1];
  return principal === undefined || principal === "" ? { permission } : { permission, principal };
}

export function behaviorOf(header: string | undefined): "full" | "light" | "diff" | undefined {
  if (header === undefined) return undefined;
  const value = header.toLowerCase();
  if (value === "full" || value === "light" || value === "diff") return value;
  throw invalid(at("header", "Response-Behavior", "Response-Behavior must be one of full, light, diff", "enum"));
}

/** `?last_modified=` of a single DELETE: an integer, with or without quotes. */
export function wishedRevision(search: string): number | undefined {
  if (search === "") return undefined;
  const value = parseQueryString(search).findLast(([name]) => name === "last_modified")?.[1];
  if (value === undefined) return undefined;
  const digits = /^(?:"(\d{1,16})"|(\d{1,16}))$/.exec(value);
  const revision = Number(digits?.[1] ?? digits?.[2] ?? Number.NaN);
  if (!Number.isSafeInteger(revision))
    throw invalid(at("querystring", "last_modified", "Invalid value for last_modified", "invalid-value"));
  return revision;
}

export function at(location: ViolationLocation, name: string | null, description: string, code: string): Violation {
  return { location, name, description, code };
}
