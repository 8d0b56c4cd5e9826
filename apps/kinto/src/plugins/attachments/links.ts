/**
 * Which file belongs to which record. A link is there before its file is, and goes after it, so that no crash leaves a file that nobody knows of.
 * Files that no link names are nobody's business here: those of an earlier Kinto in the same folder, say.
 */
import { randomUUID } from "node:crypto";
import { type JsonObject, nobody, type Resource, resource } from "rouage";
import { type Change, type Filter, type ObjectKey, parseEntry, type Storage, type StoredObject } from "rouage/storage";
import { Type } from "typebox";

export interface RecordPlace {
  readonly bucket: string;
  readonly collection: string;
  readonly record: string;
}

export interface Link extends RecordPlace {
  readonly id: string;
  readonly revision: number;
  /** Path below the folder of files. */
  readonly location: string;
  /** For whoever asks for the file. */
  readonly filename: string;
  readonly mimetype: string;
  /** `pending`: no record has the file yet. `kept`: one has, or had. `doomed`: none will. */
  readonly state: "pending" | "kept" | "doomed";
  /** When it was made, milliseconds since the epoch. */
  readonly since: number;
}

export const linkList = { resource: "attachments", parent: "" } as const;

/** Kept like everything else, and shown to nobody. */
export const linkResource = resource("attachments", {
  path: "/__attachments__",
  schema: Type.Object({}),
  unknownFields: "keep",
  access: { create: [nobody], read: [nobody], write: [nobody] },
  disabled: ["list", "get", "create", "replace", "patch", "delete", "deleteList"],
  indexes: [["bucket", "collection", "record"], ["location"], ["state"]],
  logBodies: false,
}) as unknown as Resource;

/** @throws ServiceError `unavailable` */
export async function addLink(storage: Storage, body: Omit<Link, "id" | "revision" | "state">): Promise<Link> {
  const key = { ...linkList, id: randomUUID() };
  const [made] = await storage.commit([
    {
      kind: "put",
      key,
      body: JSON.stringify({ ...body, state: "pending" }),
      expect: { kind: "absent" },
      logBody: false,
    },
  ]);
  if (made === undefined || !("object" in made)) throw new Error("the storage answered without the link");
  return linkOf(made.object);
}

/** The same link in another state. Fails where somebody has changed it meanwhile. */
export function linkChange({ id, revision, ...link }: Link, state: Link["state"]): Change {
  const body = JSON.stringify({ ...link, state });
  return { kind: "put", key: { ...linkList, id }, body, expect: { kind: "revision", revision }, logBody: false };
}

export function linkRemoval({ id }: Link): Change {
  return { kind: "delete", key: { ...linkList, id }, expect: { kind: "any" } };
}

/** What is to be looked at when a record lets go of a file: an event of the log. */
export function releasedEvent(place: RecordPlace): Change {
  return { kind: "event", key: { ...linkList, id: place.record }, type: releasedType, data: { ...place } };
}

export const releasedType = "released";

/** Links of a bucket, of a collection, or of a record, page by page: what has been seen may be removed meanwhile. */
export async function* linksBelow(storage: Storage, place: Partial<RecordPlace>): AsyncGenerator<Link> {
  const filters = (["bucket", "collection", "record"] as const).flatMap((field) => {
    const value = place[field];
    return value === undefined ? [] : [equals(field, value)];
  });
  yield* linksWhere(storage, { kind: "and", filters });
}

export async function* linksInState(storage: Storage, state: Link["state"]): AsyncGenerator<Link> {
  yield* linksWhere(storage, equals("state", state));
}

async function* linksWhere(storage: Storage, filter: Filter): AsyncGenerator<Link> {
  const sort = [{ field: "id", direction: "ascending" }] as const;
  let after: readonly [string] | undefined;
  while (true) {
    const page = await storage.list(linkList, { filter, sort, limit: pageSize, ...(after && { after }) });
    for (const entry of page) if (entry.kind === "object") yield linkOf(entry);
    const last = page.at(-1);
    if (last === undefined || page.length < pageSize) return;
    after = [last.id];
  }
}

const pageSize = 200;

export async function linkAt(storage: Storage, location: string): Promise<Link | undefined> {
  const sort = [{ field: "id", direction: "ascending" }] as const;
  const [entry] = await storage.list(linkList, { filter: equals("location", location), sort, limit: 1 });
  return entry?.kind === "object" ? linkOf(entry) : undefined;
}

export async function* allLinks(storage: Storage): AsyncGenerator<Link> {
  for await (const entry of storage.scan(linkList.resource)) if (entry.kind === "object") yield linkOf(entry);
}

export function recordKey({ bucket, collection, record }: RecordPlace): ObjectKey {
  return { resource: "record", parent: `bucket/${bucket}/collection/${collection}`, id: record };
}

/** `parent` and `id` of a record, taken apart. */
export function placeOf({ parent, id }: Pick<ObjectKey, "parent" | "id">): RecordPlace {
  const [, bucket = "", , collection = ""] = parent.split("/");
  return { bucket, collection, record: id };
}

/** What the record says of its file now; undefined where it says nothing, or is gone. */
export async function attachmentOf(storage: Storage, place: RecordPlace): Promise<JsonObject | undefined> {
  const entry = await storage.get(recordKey(place));
  if (entry?.kind !== "object") return undefined;
  const { attachment } = JSON.parse(entry.body);
  return typeof attachment === "object" && attachment !== null ? attachment : undefined;
}

/** Where clients find it. */
export function urlOf(baseUrl: string, location: string): string {
  return baseUrl + location.split("/").map(encodeURIComponent).join("/");
}

/** Whether a URL leads to this location, whatever it began with when it was written: that may have been set anew. */
export function isAt(url: unknown, location: string): boolean {
  return typeof url === "string" && url.endsWith(urlOf("/", location));
}

function linkOf(entry: StoredObject): Link {
  const { last_modified, ...link } = parseEntry(entry);
  return { ...link, revision: last_modified } as unknown as Link;
}

function equals(field: string, value: string): Filter {
  return { kind: "compare", field, operator: "eq", value };
}
