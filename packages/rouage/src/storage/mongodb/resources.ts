/** The collection of each resource: indexed as its definition says. */
import type { Collection, Document } from "mongodb";
import { indexName, wantedIndexes } from "../index-name.ts";
import type { ListDefinition } from "../storage.ts";
import type { ObjectDocument } from "./documents.ts";
import { codeOf, namespaceMissing } from "./failures.ts";
import { keyOf } from "./fields.ts";
import { all, placeOf } from "./filters.ts";
import { type Collections, collectionName } from "./names.ts";
import { conditionFor } from "./queries.ts";

export interface MongoResource {
  readonly name: string;
  readonly definition: ListDefinition;
}

/** Key of null. */
const nothing = keyOf(null);

/** Indexes are named like those of other storages, whose names have a table's in them. */
export const table = "objects";

type Key = Readonly<Record<string, 1 | -1>>;

/** By revision, by id, by principal, and by what is shared with them. */
export const always: ReadonlyMap<string, Key> = new Map([
  ["list_revision", { p: 1, r: -1 }],
  ["list_id", { p: 1, i: 1 }],
  ["principal", { w: 1, p: 1, i: 1 }],
  ["shared", { g: 1, p: 1, i: 1 }],
]);

/** Runs `work` while no process writes or defines anything: not every server makes the same index for two at once. */
export type Exclusively = <T>(work: () => Promise<T>) => Promise<T>;

/** Creates or adapts the collection of a resource, where it is not as its definition says. */
export async function defineResource(
  collections: Collections,
  definition: ListDefinition,
  exclusively: Exclusively,
): Promise<MongoResource> {
  const name = definition.resource;
  const collection = collections.objects(name);
  const across = definition.uniqueAcrossParents === true;
  const wanted = new Map(always);
  for (const [index, fields] of wantedIndexes(table, definition)) {
    const isUnique = definition.unique.some((other) => indexName(table, other, across) === index);
    wanted.set(index, columnsOf(fields, across && isUnique));
  }
  const constraints = new Map(definition.unique.map((fields) => [indexName(table, fields, across), fields]));
  const isUpToDate = async () => {
    const indexes = await indexesOf(collection);
    const found = await collections.resources.findOne({ _id: name });
    return (
      [...indexes].every((index) => !index.startsWith(`${table}_f_`) || wanted.has(index)) &&
      [...wanted.keys()].every((index) => indexes.has(index)) &&
      JSON.stringify(found?.unique) === JSON.stringify([...constraints.keys()])
    );
  };
  if (await isUpToDate()) return { name, definition };
  await exclusively(async () => {
    const setOnInsert = { $setOnInsert: { collection: collectionName(name), unique: [] } };
    await collections.resources.updateOne({ _id: name }, setOnInsert, { upsert: true });
    await createIndexes(collection, wanted);
    for (const index of await indexesOf(collection)) {
      if (index.startsWith(`${table}_f_`) && !wanted.has(index)) await collection.dropIndex(index);
    }
    const known = new Set((await collections.resources.findOne({ _id: name }))?.unique ?? []);
    for (const [index, fields] of constraints) {
      if (!known.has(index)) await checkUnique(collection, name, fields, across);
    }
    await collections.resources.updateOne({ _id: name }, { $set: { unique: [...constraints.keys()] } });
  });
  return { name, definition };
}

/** Of what every store has. */
export async function createOwnIndexes(collections: Collections, exclusively: Exclusively): Promise<void> {
  const { journal, lists, groups } = collections;
  const of = new Map<string, Key>([["of", { of: 1, _id: 1 }]]);
  const key = new Map<string, Key>([["key", { resource: 1, parent: 1 }]]);
  const members = new Map<string, Key>([["members", { members: 1 }]]);
  // The last of them: who finds it finds the others.
  if ((await indexesOf(groups)).has("members")) return;
  await exclusively(async () => {
    await createIndexes(journal, of);
    await createIndexes(lists, key);
    await createIndexes(groups, members);
  });
}

/** Resources as the store has them, whose collections stay as they are; all of them where none is named. */
export async function foundResources(
  collections: Collections,
  definitions: readonly ListDefinition[],
): Promise<readonly MongoResource[]> {
  const names = (await collections.resources.find({}, { projection: { _id: 1 } }).toArray()).map(({ _id }) => _id);
  if (definitions.length === 0) {
    return names.map((name) => ({ name, definition: { resource: name, indexes: [], unique: [] } }));
  }
  return definitions
    .filter(({ resource }) => names.includes(resource))
    .map((definition) => ({ name: definition.resource, definition }));
}

/** Those that are not there yet. */
async function createIndexes<Schema extends Document>(
  collection: Collection<Schema>,
  wanted: ReadonlyMap<string, Key>,
): Promise<void> {
  const known = await indexesOf(collection);
  const missing = [...wanted].filter(([name]) => !known.has(name)).map(([name, key]) => ({ name, key }));
  if (missing.length > 0) await collection.createIndexes(missing);
}

export async function indexesOf<Schema extends Document>(collection: Collection<Schema>): Promise<ReadonlySet<string>> {
  try {
    const found = await collection.listIndexes().toArray();
    return new Set(found.map(({ name }) => String(name)));
  } catch (error) {
    if (codeOf(error) === namespaceMissing) return new Set();
    throw error;
  }
}

/** Newest first within equal values, the usual order of a page. */
function columnsOf(fields: readonly string[], across: boolean): Key {
  const columns: Record<string, 1 | -1> = across ? {} : { p: 1 };
  for (const field of fields) {
    const { name, isTurned } = placeOf(field);
    columns[name] ??= isTurned ? -1 : 1;
  }
  columns.r ??= -1;
  return columns;
}

/** Refuses a new constraint that objects already break. */
async function checkUnique(
  collection: Collection<ObjectDocument>,
  resource: string,
  fields: readonly string[],
  across: boolean,
): Promise<void> {
  const places = fields.map((field) => placeOf(field).name);
  const present = all([{ l: true }, ...places.map((name) => ({ [name]: { $exists: true } }))]);
  const sort = {
    ...(across ? {} : { p: 1 as const }),
    ...Object.fromEntries(places.map((name) => [name, 1 as const])),
  };
  const projection = { p: 1, i: 1, r: 1, ...Object.fromEntries(places.map((name) => [name, 1])) };
  let before: string | undefined;
  for await (const { p, i, r, k } of collection.find(conditionFor([present]), { sort, projection })) {
    const values = places.map((name) => (name === "i" ? i : name === "r" ? r : k?.[name.slice(2)]));
    // Null and missing never collide.
    if (values.includes(nothing)) continue;
    const now = JSON.stringify([across ? "" : p, ...values]);
    if (now === before) throw new Error(`objects of ${resource} already share values of ${fields.join(", ")}`);
    before = now;
  }
}
