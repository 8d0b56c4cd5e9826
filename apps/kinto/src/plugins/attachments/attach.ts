/** A file on its way to a record: received, put in its place, and named by the record; or gone again. */
import { randomUUID } from "node:crypto";
import {
  bodyStream,
  invalid,
  type JsonObject,
  type OperationContext,
  preconditionsOf,
  type RouteContext,
  type ServiceContext,
  ServiceError,
} from "rouage";
import type { KintoSettings } from "../../settings/kinto-settings.ts";
import type { AttachmentSettings, Rules } from "./attachment-settings.ts";
import { extensionOf } from "./extensions.ts";
import type { Arrived, FileStore } from "./file-store.ts";
import { addLink, attachmentOf, isAt, type Link, linkRemoval, type RecordPlace, recordKey, urlOf } from "./links.ts";
import { assertMayAttach } from "./may-write.ts";
import { type Form, readForm } from "./multipart.ts";
import type { OwnWrites } from "./record-hook.ts";

export interface AttachParts {
  readonly service: ServiceContext;
  readonly granted: KintoSettings["granted"];
  readonly settings: AttachmentSettings;
  readonly files: FileStore;
  readonly own: OwnWrites;
}

/** What a record says of its file. */
export interface Attachment {
  readonly filename: string;
  readonly location: string;
  /** SHA-256, hexadecimal. */
  readonly hash: string;
  readonly mimetype: string;
  /** Bytes. */
  readonly size: number;
}

export type Attached = { readonly attachment: Attachment; readonly isNew: boolean };

type Context = Omit<RouteContext<unknown, unknown, unknown>, "params" | "body" | "query">;

export async function attach(parts: AttachParts, context: Context, place: RecordPlace): Promise<Attached> {
  const { service, granted, settings, files } = parts;
  const { request } = context;
  if (request.partOf !== undefined || service.storage.inTransaction())
    throw refused("A file cannot be part of a batch", "not-in-batch");
  const preconditions = preconditionsOf(request);
  await assertMayAttach(service, granted, context, place);

  const rules = settings.rulesFor(place.bucket, place.collection);
  const { body_limit: textLimit } = service.settings;
  // Of a form there is more than what is in it.
  const limit = rules.maxSize + 2 * textLimit + formOverhead;
  const form = await readForm(bodyStream(request, limit), {
    contentType: request.header("content-type") ?? "",
    textLimit,
    accept: (filename) => assertExtension(filename, rules),
    receive: (source) => files.receive(source, rules.maxSize),
    discard: files.discard,
    signal: context.signal,
  });
  try {
    const fields = { data: parsed(form, "data") ?? {}, permissions: parsed(form, "permissions") };
    return await keep(parts, context, place, form, rules, (write, attachment) =>
      writeRecord(service, write, place, { ...fields, ...preconditions }, attachment),
    );
  } finally {
    await files.discard(form.file);
  }
}

const formOverhead = 64 * 1024;

type WriteRecord = (context: OperationContext, attachment: Attachment) => Promise<boolean>;

/** From here on there is a link: whatever ends this, the file is found by it. */
async function keep(
  { service: { storage, clock }, settings, files, own }: AttachParts,
  context: Context,
  place: RecordPlace,
  { file, filename, mimetype: sent }: Form<Arrived>,
  rules: Rules,
  write: WriteRecord,
): Promise<Attached> {
  const mimetype = rules.mimetypes.get(extensionOf(filename)) ?? sent;
  const name = nameOf(filename, rules, place, clock.now());
  const folder = rules.folder.replaceAll("{bucket_id}", place.bucket).replaceAll("{collection_id}", place.collection);
  // A random name is nobody else's.
  const location = rules.randomize ? [folder, name].filter(Boolean).join("/") : await files.reserve(folder, name);
  const link = await addLink(storage, { ...place, location, filename, mimetype, since: clock.now() }).catch((error) =>
    (rules.randomize ? Promise.resolve() : files.remove(location)).then(() => Promise.reject(error)),
  );
  const { hash, size } = file;
  const attachment = { filename, location: urlOf(settings.baseUrl, location), hash, mimetype, size };
  try {
    await files.place(file, location);
    const writing = { ...context };
    own.set(writing, link);
    return { attachment, isNew: await write(writing, attachment) };
  } catch (error) {
    await undo(link).catch((cause: unknown) =>
      context.log.warn({ err: cause, location }, "a file that no record names is removed later"),
    );
    throw error;
  }

  /** The write may have been made although its answer was an error: then the file stays. */
  async function undo(link: Link): Promise<void> {
    if (isAt((await attachmentOf(storage, place))?.location, link.location)) return;
    await files.remove(link.location);
    await storage.commit([linkRemoval(link)]);
  }
}

/** Answers whether the record is new. Whoever is first, one of the two writes fits; again where that changes in between. */
async function writeRecord(
  { storage, operations }: ServiceContext,
  context: OperationContext,
  place: RecordPlace,
  {
    data,
    permissions,
    ifMatch,
    ifNoneMatch,
  }: {
    readonly data: JsonObject;
    readonly permissions: unknown;
    readonly ifMatch?: number | "*";
    readonly ifNoneMatch?: number | "*";
  },
  attachment: Attachment,
): Promise<boolean> {
  const records = operations.get("record");
  if (records === undefined) throw new Error("there are no records");
  const target = { params: { bucket_id: place.bucket, collection_id: place.collection }, id: place.record };
  const next = { ...data, attachment: { ...attachment } };
  const shared = permissions === undefined ? {} : { permissions };
  const match = ifMatch === undefined ? {} : { ifMatch };
  for (let tries = 1; ; tries++) {
    const isThere = (await storage.get(recordKey(place)))?.kind === "object";
    try {
      if (isThere) {
        const noneMatch = ifNoneMatch === undefined ? {} : { ifNoneMatch };
        await records.patch(context, target, {
          patch: { kind: "merge", data: next, ...shared },
          ...match,
          ...noneMatch,
        });
      } else await records.replace(context, target, { data: next, ...shared, ...match, ifNoneMatch: "*" });
      return !isThere;
    } catch (error) {
      const isLate = ServiceError.is(error) && error.code === (isThere ? "object-not-found" : "precondition-failed");
      const hasChanged = ((await storage.get(recordKey(place)))?.kind === "object") !== isThere;
      if (!isLate || !hasChanged || tries === mostTries) throw error;
    }
  }
}

const mostTries = 5;

/** @throws ServiceError */
function assertExtension(filename: string, { extensions }: Rules): void {
  if (extensions !== undefined && !extensions.has(extensionOf(filename)))
    throw refused("File extension is not allowed.", "extension");
}

function refused(description: string, code: string): ServiceError {
  return invalid({ location: "body", name: null, description, code });
}

/** Nothing that a file system, a URL or a shell would take for something else. */
function nameOf(filename: string, { randomize, filenamePattern }: Rules, { record }: RecordPlace, now: number): string {
  const extension = safe(extensionOf(filename)).slice(0, 32);
  const base = safe(extension === "" ? filename : filename.slice(0, -extensionOf(filename).length - 1)).slice(0, 100);
  const name = `${randomize ? randomUUID() : base === "" ? "file" : base}${extension === "" ? "" : `.${extension}`}`;
  if (filenamePattern === undefined) return name;
  const datetime = new Date(now).toISOString().replaceAll(/\D/g, "").slice(0, 14);
  return filenamePattern.replaceAll(
    /\{(\w+)\}/g,
    (_, word) => ({ filename: name, datetime, rid: record })[word as string] ?? "",
  );
}

function safe(text: string): string {
  return text.replaceAll(/[^a-zA-Z0-9_.-]+/g, "_").replace(/^[._-]+/, "");
}

/** @throws ServiceError `invalid-posted-data` */
function parsed({ texts }: Form<unknown>, name: "data" | "permissions"): JsonObject | undefined {
  const text = texts.get(name);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw posted(`body: ${name} is not valid JSON (${error instanceof Error ? error.message.slice(0, 200) : ""})`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw posted(`body: ${name} must be a JSON object`);
}

function posted(message: string): ServiceError {
  return new ServiceError("invalid-posted-data", { message });
}
