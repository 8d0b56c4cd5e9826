/** A collection in one answer: what it says of itself, its revision, and its records or what became of them since a revision. */
import { type JsonObject, type ServiceContext, ServiceError } from "rouage";
import { type Filter, type ListKey, parseEntry, renderEntry, type StoredEntry } from "rouage/storage";

export interface Changeset {
  readonly timestamp: number;
  /** JSON text. */
  readonly text: string;
}

export interface ChangesetRequest {
  readonly bucket: string;
  readonly collection: string;
  readonly since: number | undefined;
  readonly limit: number | undefined;
}

/** Records that are put together for one answer, and characters. */
const mostRecords = 100_000;
const mostCharacters = 64 * 1024 * 1024;
const pageSize = 4 * 1024 * 1024;
/** Tries to read a list that nobody writes to meanwhile. */
const attempts = 3;

/** @throws ServiceError `route-not-found` where there is no such collection, `invalid-parameters` where it is too large */
export async function changesetOf(
  { storage, settings: { readonly } }: Pick<ServiceContext, "storage" | "settings">,
  { bucket, collection, since, limit }: ChangesetRequest,
): Promise<Changeset> {
  const list: ListKey = { resource: "record", parent: `bucket/${bucket}/collection/${collection}` };
  for (let attempt = 1; ; attempt++) {
    const timestamp = await storage.timestamp(list, readonly);
    const found = await storage.get({ resource: "collection", parent: `bucket/${bucket}`, id: collection });
    if (found?.kind !== "object")
      throw new ServiceError("route-not-found", { details: { id: collection, resource_name: "collection" } });
    // Deletions behind that are forgotten: everything, as lists answer.
    const isKept = since !== undefined && since + 1 >= (await storage.purgedBefore(list));
    const changes = await changesOf(list, timestamp, isKept ? since : undefined, limit ?? mostRecords);
    if (attempt < attempts && (await storage.timestamp(list, readonly)) !== timestamp) continue;
    const metadata: JsonObject = { ...parseEntry(found), bucket };
    const text = `{"metadata":${JSON.stringify(metadata)},"timestamp":${timestamp},"changes":[${changes.join(",")}]}`;
    return { timestamp, text };
  }

  /** Newest first. What is written meanwhile has a higher revision, and is left to the next time. */
  async function changesOf(key: ListKey, until: number, from: number | undefined, most: number) {
    const bounds: Filter[] = [{ kind: "compare", field: "last_modified", operator: "le", value: until }];
    if (from !== undefined) bounds.push({ kind: "compare", field: "last_modified", operator: "gt", value: from });
    const filter: Filter = { kind: "and", filters: bounds };
    const sort = [{ field: "last_modified", direction: "descending" }] as const;
    const texts: string[] = [];
    let characters = 0;
    let after: readonly [number] | undefined;
    while (texts.length < most) {
      const page: readonly StoredEntry[] = await storage.list(key, {
        filter,
        sort,
        limit: Math.min(1000, most - texts.length),
        size: pageSize,
        tombstones: from !== undefined,
        ...(after === undefined ? {} : { after }),
      });
      for (const entry of page) {
        const text = renderEntry(entry);
        characters += text.length;
        texts.push(text);
      }
      const last = page.at(-1);
      if (last === undefined) break;
      if (characters > mostCharacters) throw tooLarge();
      after = [last.revision];
    }
    if (limit === undefined && texts.length >= mostRecords) throw tooLarge();
    return texts;
  }
}

function tooLarge(): ServiceError {
  return new ServiceError("invalid-parameters", {
    message: "The collection is too large for one answer: read its records page by page",
  });
}
