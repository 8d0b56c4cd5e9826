/** The records of a collection as they were at a revision: those that have not changed since, and of the others what the history says. */
import type { JsonObject, ServiceContext } from "rouage";
import { type Filter, type ListKey, parseEntry, type StoredEntry } from "rouage/storage";

type Stored = JsonObject & { readonly id: string; readonly last_modified: number };

/** Newest first; undefined where there were more than `most`. */
export async function snapshotOf(
  { storage }: Pick<ServiceContext, "storage">,
  { bucket, collection, at, most }: { bucket: string; collection: string; at: number; most: number },
): Promise<readonly Stored[] | undefined> {
  const records: ListKey = { resource: "record", parent: `bucket/${bucket}/collection/${collection}` };
  const found = new Map<string, Stored | undefined>();
  const unchanged: Filter = { kind: "compare", field: "last_modified", operator: "le", value: at };
  for await (const record of pages(records, unchanged)) {
    found.set(record.id, parseEntry(record) as Stored);
    if (found.size > most) return undefined;
  }
  const told: Filter = {
    kind: "and",
    filters: [
      { kind: "compare", field: "collection_id", operator: "eq", value: collection },
      { kind: "compare", field: "resource_name", operator: "eq", value: "record" },
      { kind: "compare", field: "target.data.last_modified", operator: "le", value: at },
    ],
  };
  // Newest first: of each record the first entry that is met is the one that held.
  for await (const entry of pages({ resource: "history", parent: `bucket/${bucket}` }, told)) {
    const { action, target } = parseEntry(entry) as unknown as { action: string; target: { data: Stored } };
    const { data } = target;
    const known = found.get(data.id);
    if (found.has(data.id) && (known === undefined || known.last_modified >= data.last_modified)) continue;
    found.set(data.id, action === "delete" ? undefined : data);
    if (found.size > most) return undefined;
  }
  return [...found.values()].filter((record) => record !== undefined).sort((a, b) => b.last_modified - a.last_modified);

  async function* pages(list: ListKey, filter: Filter): AsyncIterable<StoredEntry> {
    let after: readonly [number] | undefined;
    while (true) {
      const page = await storage.list(list, {
        filter,
        sort: [{ field: "last_modified", direction: "descending" }],
        limit: 500,
        ...(after === undefined ? {} : { after }),
      });
      yield* page;
      const last = page.at(-1);
      if (last === undefined || page.length < 500) return;
      after = [last.revision];
    }
  }
}
