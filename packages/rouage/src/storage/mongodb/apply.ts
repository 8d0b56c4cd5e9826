/**
 * Makes what a step of the journal says so in the other collections. May be done any number of times, by anybody, late: each document keeps
 * the number of the step that wrote it and takes nothing from an earlier one, and what is gone leaves its key and that number behind.
 */
import type { AnyBulkWriteOperation, Collection, Document } from "mongodb";
import { documentOf, idOf, type ObjectDocument, permissionFields, type Written } from "./documents.ts";
import { codeOf, duplicateKey } from "./failures.ts";
import {
  type BlankScope,
  blank,
  type Content,
  carries,
  isWithin,
  type JournalDocument,
  nameOfRows,
  partSlot,
  slot,
} from "./journal.ts";
import type { Collections } from "./names.ts";

/** Documents and keys sent at once. */
const portion = 500;
/** Replacements sent at once: FerretDB 1 stands still when there are some dozens in one command. */
const fewReplacements = 16;

/** Of a document that is gone everything is taken but `_id` and `s`. */
const withoutContents = { p: "", i: "", r: "", l: "", b: "", o: "", a: "", w: "", g: "", k: "", e: "", t: "" } as const;

export async function apply(collections: Collections, n: number, content: Content): Promise<void> {
  const { objects, lists, groups, blanked } = content;
  const waiting: Promise<void>[] = [];
  for (const [resource, written] of Map.groupBy(objects, ({ key }) => key.resource)) {
    waiting.push(applyObjects(collections.objects(resource), n, written));
  }
  waiting.push(
    bulk(
      collections.lists,
      lists.map((list) => replace(JSON.stringify([list.resource, list.parent]), n, { ...list })),
    ),
    bulk(
      collections.groups,
      groups.map(({ group, members }) => replace(group, n, { members })),
    ),
  );
  if (blanked.length > 0) waiting.push(blankLog(collections, n, blanked));
  // All of them end before anybody learns that one has failed: nothing is left to happen later.
  for (const outcome of await Promise.allSettled(waiting)) if (outcome.status === "rejected") throw outcome.reason;
}

async function applyObjects(collection: Collection<ObjectDocument>, n: number, all: readonly Written[]): Promise<void> {
  const fresh: ObjectDocument[] = [];
  const gone: string[] = [];
  const others: AnyBulkWriteOperation<ObjectDocument>[] = [];
  for (const written of all) {
    if (written.kind === "gone") gone.push(idOf(written.key));
    else if (written.kind === "permissions") {
      const $set = { ...permissionFields(written.permissions), s: n };
      others.push({ updateOne: { filter: { _id: idOf(written.key), s: { $lt: n } }, update: { $set } } });
    } else {
      const { _id, ...document } = documentOf(written, n);
      if (written.isNew) fresh.push({ _id, ...document });
      else others.push(replace(_id, n, document));
    }
  }
  for (let from = 0; from < fresh.length; from += portion)
    await insertNew(collection, fresh.slice(from, from + portion));
  await bulk(collection, others);
  for (let from = 0; from < gone.length; from += portion) {
    const filter = { _id: { $in: gone.slice(from, from + portion) }, s: { $lt: n } };
    await collection.updateMany(filter, { $set: { s: n }, $unset: withoutContents });
  }
}

/** What is there already was put there by somebody who has applied the same step, or a later one. */
async function insertNew(collection: Collection<ObjectDocument>, documents: readonly ObjectDocument[]): Promise<void> {
  try {
    await collection.insertMany(documents, { ordered: false });
  } catch (error) {
    if (codeOf(error) !== duplicateKey) throw error;
    // Some servers insert none of them where there is one.
    for (const document of documents) await collection.insertOne(document).catch(unlessThere);
  }
}

function replace<Schema extends Document & { readonly _id: string }>(
  _id: string,
  n: number,
  document: Omit<Schema, "_id" | "s"> | Document,
): AnyBulkWriteOperation<Schema> {
  // What is there from a later step does not match, and is in the way of the insertion.
  const operation = { filter: { _id, s: { $lt: n } }, replacement: { ...document, s: n }, upsert: true };
  return { replaceOne: operation } as unknown as AnyBulkWriteOperation<Schema>;
}

async function bulk<Schema extends Document>(
  collection: Collection<Schema>,
  operations: readonly AnyBulkWriteOperation<Schema>[],
): Promise<void> {
  for (let from = 0; from < operations.length; from += fewReplacements) {
    const some = operations.slice(from, from + fewReplacements);
    try {
      await collection.bulkWrite(some, { ordered: false });
    } catch (error) {
      if (codeOf(error) !== duplicateKey) throw error;
      // Some servers make none of those behind the first that fails.
      for (const operation of some) await collection.bulkWrite([operation]).catch(unlessThere);
    }
  }
}

function unlessThere(error: unknown): void {
  if (codeOf(error) !== duplicateKey) throw error;
}

/** Takes out of older steps what the scopes name. They are applied, so that what else they say is of no use any more. */
async function blankLog({ journal, parts }: Collections, n: number, scopes: readonly BlankScope[]): Promise<void> {
  for await (const head of journal.find(concerned(n, scopes))) {
    for await (const document of withParts(parts, head)) {
      const log = document.log ?? [];
      const blanked = log.map((row) => (isWithin(row, scopes) ? blank(row) : row));
      const collection = document.kind === "part" ? parts : journal;
      await collection.updateOne({ _id: document._id }, { $set: { log: blanked }, $unset: { objects: "" } });
    }
  }
}

/** How many entries of the log would lose something. */
export async function countCarrying(
  { journal, parts }: Collections,
  n: number,
  scopes: readonly BlankScope[],
  besides: readonly BlankScope[],
): Promise<number> {
  let count = 0;
  for await (const head of journal.find(concerned(n, scopes))) {
    for await (const { log = [] } of withParts(parts, head)) {
      count += log.filter((row) => carries(row) && isWithin(row, scopes) && !isWithin(row, besides)).length;
    }
  }
  return count;
}

function concerned(n: number, scopes: readonly BlankScope[]): Document {
  const names = scopes.flatMap((scope) => (scope === "everything" ? [] : [nameOfRows(scope.resource, scope.parent)]));
  const before = { _id: { $lt: slot(n) } };
  return scopes.includes("everything") ? before : { ...before, of: { $in: names } };
}

export async function* withParts(parts: Collections["parts"], head: JournalDocument): AsyncIterable<JournalDocument> {
  yield head;
  for (let index = 0; index < (head.parts ?? 0); index++) {
    const part = await parts.findOne({ _id: partSlot(head.attempt, index) });
    if (part !== null) yield part;
  }
}
