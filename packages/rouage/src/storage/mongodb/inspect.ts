/**
 * What only the collections can say of themselves: whether the journal is one sequence, whether what documents say of their objects agrees with the
 * objects, whether anything belongs to nothing, and whether the server finds its files and indexes sound. Reads in batches, keeps nobody from writing.
 */
import { isDeepStrictEqual } from "node:util";
import type { Db } from "mongodb";
import type { Finding, Violation } from "../storage.ts";
import { optionsOf } from "./connect.ts";
import { evaluated, idOf, type ObjectDocument, permissionFields, permissionsIn } from "./documents.ts";
import type { Driver } from "./driver.ts";
import { codeOf } from "./failures.ts";
import { fieldTexts } from "./fields.ts";
import { type JournalDocument, nameOfRows, outcomeSlot, partSlot, positionsOfStep } from "./journal.ts";
import { type Collections, collectionName, collectionsOf } from "./names.ts";
import { always, indexesOf } from "./resources.ts";
import type { MongoUrl } from "./url.ts";

const backend = (message: string, of: Omit<Violation, "rule" | "message"> = {}): Finding => ({
  kind: "violation",
  rule: "backend",
  ...of,
  message,
});

export async function* inspectStore({ MongoClient }: Driver, url: MongoUrl): AsyncIterable<Finding> {
  // A connection of its own: to look at a large collection takes as long as it takes.
  const client = new MongoClient(url.connection, { ...optionsOf(url), socketTimeoutMS: 0 });
  try {
    await client.connect();
    const database = client.db(url.database);
    const collections = collectionsOf(database, url.prefix);
    const names = await namesIn(database, url.prefix);
    const known = await collections.resources.find({}, { projection: { _id: 1 } }).toArray();
    const resources = known.map(({ _id }) => _id);
    yield* sound(database, names);
    yield* strangers(url.prefix, names, resources);
    yield* journal(collections);
    for (const resource of resources) yield* documents(collections, resource);
  } finally {
    await client.close();
  }
}

/** May not be asked by this user, or is not known to this server. */
const notAsked: ReadonlySet<number | undefined> = new Set([13, 59]);

/** What the server says of its own files and indexes. */
async function* sound(database: Db, names: readonly string[]): AsyncIterable<Finding> {
  for (const name of names) {
    try {
      // In the background: it looks at a checkpoint, and nobody waits for it.
      const { valid, errors } = await database.command({ validate: name, background: true });
      if (valid !== true) yield backend(`the server finds ${name} damaged: ${[errors ?? ""].flat().join("; ")}`);
    } catch (error) {
      if (!notAsked.has(codeOf(error))) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      const message = `whether the server finds its files and indexes sound: ${reason} (the action validate, of the role dbAdmin)`;
      yield { kind: "skipped", message };
      return;
    }
  }
}

async function namesIn(database: Db, prefix: string): Promise<readonly string[]> {
  const found = await database.listCollections({}, { nameOnly: true }).toArray();
  return found.map(({ name }) => name).filter((name) => name.startsWith(`${prefix}.`));
}

function* strangers(prefix: string, names: readonly string[], resources: readonly string[]): Iterable<Finding> {
  const known = new Set(resources.map((resource) => `${prefix}.${collectionName(resource)}`));
  for (const name of names) {
    if (/^(objects|odd)\./.test(name.slice(prefix.length + 1)) && !known.has(name))
      yield backend(`the collection ${name} is of no resource that the store knows`);
  }
}

/** What is looked at of a step. */
const outline = { n: 1, kind: 1, attempt: 1, last: 1, parts: 1, of: 1, "log.resource": 1, "log.parent": 1 } as const;

/** Numbered without gaps, each turn with what became of it, positions in their order, every part there. */
async function* journal({ journal: steps, parts }: Collections): AsyncIterable<Finding> {
  let before = 0;
  let position = 0;
  let turn: number | undefined;
  for await (const step of steps.find({}, { sort: { _id: 1 }, projection: outline })) {
    const { n, kind, last, _id, attempt } = step;
    const isOutcome = _id === outcomeSlot(n);
    if (n > before + 1) yield backend(`the journal lacks its steps ${before + 1} to ${n - 1}: somebody removed them`);
    if (turn !== undefined && !(isOutcome && n === turn))
      yield backend(`the journal goes on behind step ${turn}, and does not say what became of it`);
    before = n;
    turn = kind === "turn" ? n : undefined;
    if (kind !== "entry") continue;
    const pieces: Pick<JournalDocument, "log">[] = [step];
    for (let index = 0; index < (step.parts ?? 0); index++) {
      const part = await parts.findOne({ _id: partSlot(attempt, index) }, { projection: outline });
      if (part === null) yield backend(`step ${n} of the journal lacks its part ${index}`);
      else pieces.push(part);
    }
    const rows = pieces.flatMap(({ log = [] }) => log);
    const of = new Set(step.of);
    const unnamed = rows.find(
      (row) => !of.has(nameOfRows(row.resource)) || !of.has(nameOfRows(row.resource, row.parent)),
    );
    if (unnamed !== undefined) {
      const { resource, parent } = unnamed;
      yield backend(`step ${n} of the journal does not say that it has entries of this list`, { resource, parent });
    }
    const expected = rows.length === 0 ? position : n * positionsOfStep + rows.length;
    if (last !== expected) yield backend(`step ${n} of the journal ends at ${last} instead of ${expected}`);
    position = last;
  }
}

async function* documents(collections: Collections, resource: string): AsyncIterable<Finding> {
  const objects = collections.objects(resource);
  const indexes = await indexesOf(objects);
  for (const name of always.keys())
    if (!indexes.has(name)) yield backend(`the collection has no index ${name}: start the service once`, { resource });
  let newest = 0;
  let latest: { readonly parent: string; readonly id: string } | undefined;
  for await (const document of objects.find()) {
    const { p, i, s } = document;
    if (p === undefined || i === undefined) continue;
    const of = { resource, parent: p, id: i };
    if (s > newest) {
      newest = s;
      latest = { parent: p, id: i };
    }
    for (const message of wrongIn(document, p, i)) yield backend(message, of);
  }
  // Whoever writes it has committed the step before: it is there, however much is written meanwhile.
  const [end] = await collections.journal.find({}, { projection: { n: 1 }, sort: { _id: -1 }, limit: 1 }).toArray();
  if (latest !== undefined && newest > (end?.n ?? 0)) {
    yield backend(
      `was written by step ${newest}, and the journal ends with ${end?.n ?? 0}: the collections are of different moments`,
      { resource, ...latest },
    );
  }
}

function* wrongIn(document: ObjectDocument, parent: string, id: string): Iterable<string> {
  const { _id, r = 0, l, b, a, w = [], g = [], k = {}, e = {}, t = {} } = document;
  if (_id !== idOf({ parent, id })) yield "is kept under the key of another object";
  if ((l === true) !== (b !== undefined)) yield "is neither an object nor a tombstone";
  const permissions = permissionsIn(a === undefined ? {} : { a });
  const wanted = permissionFields(permissions);
  if (!isDeepStrictEqual([w, g], [wanted.w, wanted.g])) yield "is found by other permissions than it has";
  if (b === undefined && w.length > 0) yield "is a tombstone with permission entries";
  if (!isDeepStrictEqual({ k, e, t }, fieldTexts(evaluated(id, r, b)))) yield "is found by other values than it has";
}
