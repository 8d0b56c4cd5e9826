/** What a request for a stream asks for: from which revision on, which objects, which of their fields. */
import { invalid, type Violation, violationError } from "../../errors.ts";
import type { WatchRequest } from "../../operations/operations.ts";
import type { GrammarOptions } from "../rest/list-conditions.ts";
import { parseListQuery } from "../rest/list-query.ts";
import type { Parameter } from "../rest/query-string.ts";

/**
 * The revision to go on from: `Last-Event-ID`, which a client that comes back sends with the URL it began with, else `_since`.
 * @throws ServiceError `invalid-parameters`
 */
export function sinceOf(lastEventId: string | undefined, parameters: readonly Parameter[]): number | undefined {
  if (lastEventId !== undefined && lastEventId !== "") return revisionOf("header", "Last-Event-ID", lastEventId);
  const since = parameters.findLast(([name]) => name === "_since")?.[1];
  if (since === undefined) return undefined;
  return since === "null" ? 0 : revisionOf("querystring", "_since", since);
}

/** The rest of the query, in the grammar of lists. @throws ServiceError `invalid-parameters` */
export function watchedOf(
  parameters: readonly Parameter[],
  grammar: GrammarOptions,
): ReturnType<NonNullable<WatchRequest["query"]>> {
  const misplaced = parameters.filter(([name]) => pageParameters.has(name));
  if (misplaced.length > 0)
    throw violationError(
      "invalid-parameters",
      misplaced.map(
        ([name]): Violation => ({
          location: "querystring",
          name,
          description: `${name} has no meaning for a stream`,
          code: "not-for-streams",
        }),
      ),
    );
  const { filter, fields } = parseListQuery(
    parameters.filter(([name]) => name !== "_since"),
    grammar,
  ).options;
  return { ...(filter === undefined ? {} : { filter }), ...(fields === undefined ? {} : { fields }) };
}

const pageParameters: ReadonlySet<string> = new Set(["_sort", "_limit", "_token", "_before", "_to"]);

function revisionOf(location: "header" | "querystring", name: string, text: string): number {
  const digits = /^(?:"(\d{1,16})"|(\d{1,16}))$/.exec(text);
  const revision = Number(digits?.[1] ?? digits?.[2] ?? Number.NaN);
  if (!Number.isSafeInteger(revision))
    throw invalid({ location, name, description: `Invalid value for ${name}`, code: "invalid-value" });
  return revision;
}
