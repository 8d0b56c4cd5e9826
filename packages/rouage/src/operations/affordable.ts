/** Queries that a storage refuses because they would hold up others: for the client to ask otherwise. */
import { invalid } from "../errors.ts";
import { QueryTooCostly } from "../storage/storage.ts";

/** @throws ServiceError `invalid-parameters` in place of QueryTooCostly */
export async function affordable<T>(query: () => Promise<T>): Promise<T> {
  try {
    return await query();
  } catch (error) {
    if (!(error instanceof QueryTooCostly)) throw error;
    throw invalid({
      location: "querystring",
      name: null,
      description: "The list is too long for this query: filter and sort by fields that have an index",
      code: "too-costly",
    });
  }
}
