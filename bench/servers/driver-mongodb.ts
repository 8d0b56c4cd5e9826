/**
 * MongoDB alone: `mongodb`, with the documents that the toolkit keeps. A write is what it takes there to be atomic without transactions: an entry of the
 * journal at the next number, then the objects and their list.
 */
import { randomUUID } from "node:crypto";
import { optionsOf } from "../../packages/rouage/src/storage/mongodb/connect.ts";
import { documentOf, idOf, type Written } from "../../packages/rouage/src/storage/mongodb/documents.ts";
import { loadDriver } from "../../packages/rouage/src/storage/mongodb/driver.ts";
import { keyOf, nameOfField } from "../../packages/rouage/src/storage/mongodb/fields.ts";
import { type Content, encoded, positionsOfStep, slot } from "../../packages/rouage/src/storage/mongodb/journal.ts";
import { collectionsOf } from "../../packages/rouage/src/storage/mongodb/names.ts";
import { parseMongoUrl } from "../../packages/rouage/src/storage/mongodb/url.ts";
import { type Driver, grouped, type Put, rendered } from "./driver-statements.ts";

const list = { resource: "kittens", parent: "" };
const listId = JSON.stringify([list.resource, list.parent]);
const fields = { i: 1, r: 1, b: 1 } as const;

/** The server for tests has an index for a single one alone. */
function among(ids: readonly string[]): string | { readonly $in: readonly string[] } {
  const [first] = ids;
  return ids.length === 1 && first !== undefined ? first : { $in: ids };
}

export async function driver(text: string, isGrouped: boolean): Promise<Driver> {
  const url = parseMongoUrl(text, "kittens");
  const { MongoClient } = await loadDriver();
  const client = await new MongoClient(url.connection, optionsOf(url)).connect();
  const { journal, lists, ...collections } = collectionsOf(client.db(url.database), url.prefix);
  const objects = collections.objects(list.resource);
  const [newest] = await journal.find({}, { sort: { _id: -1 }, limit: 1 }).toArray();
  let n = newest?.n ?? 0;
  const writer = randomUUID();

  const find = (id: string) => objects.findOne({ _id: idOf({ ...list, id }) }, { projection: fields });

  async function write(groups: readonly (readonly Put[])[]): Promise<readonly (readonly string[])[]> {
    const puts = groups.flat();
    const changing = puts.filter(({ isNew }) => !isNew).map(({ id }) => idOf({ ...list, id }));
    const [state] = await Promise.all([
      lists.findOne({ _id: listId }),
      changing.length === 0 ? [] : objects.find({ _id: among(changing) }, { projection: fields }).toArray(),
    ]);
    const now = Date.now();
    let revision = state?.revision ?? 0;
    const written = puts.map(({ id, body, isNew }): Extract<Written, { kind: "entry" }> => {
      revision = Math.max(now, revision + 1);
      const key = { ...list, id };
      return { kind: "entry", key, revision, body, owner: "account:bench", permissions: {}, isNew };
    });
    n++;
    const content: Content = {
      log: written.map(({ key, isNew, revision: each, body }) => {
        const action = isNew ? "create" : "update";
        return { time: now, ...key, action, revision: each, body: body ?? "", principal: "account:bench" };
      }),
      objects: written,
      lists: [{ ...list, revision, purged: 0 }],
      groups: [],
      blanked: [],
    };
    const identity = { n, attempt: randomUUID(), writer, last: n * positionsOfStep + written.length };
    const { head } = encoded(slot(n), identity, content);
    await journal.insertOne(head);
    const documents = written.map((each) => documentOf(each, n));
    const fresh = documents.filter((_, index) => puts[index]?.isNew);
    const changed = documents.filter((_, index) => puts[index]?.isNew === false);
    await Promise.all([
      fresh.length === 0 ? undefined : objects.insertMany(fresh, { ordered: false }),
      changed.length === 0
        ? undefined
        : objects.bulkWrite(
            changed.map((replacement) => ({
              replaceOne: { filter: { _id: replacement._id, s: { $lt: n } }, replacement },
            })),
            { ordered: false },
          ),
      lists.replaceOne({ _id: listId }, { ...list, revision, purged: 0, s: n }, { upsert: true }),
    ]);
    // Nobody waits for it.
    const done = { $set: { done: true }, $unset: { objects: "", lists: "", groups: "" } } as const;
    void journal.updateOne({ _id: head._id }, done, { writeConcern: { w: 1 } });
    let next = 0;
    return groups.map((group) => group.map(({ id, body }) => rendered(id, written[next++]?.revision ?? 0, body)));
  }

  let line: Promise<unknown> = Promise.resolve();
  /** The next number is behind the last one. */
  function alone(puts: readonly Put[]): Promise<readonly string[]> {
    const result = line.then(async () => (await write([puts]))[0] ?? []);
    line = result.catch(() => {});
    return result;
  }

  return {
    async get(id) {
      const found = await find(id);
      return found === null ? undefined : rendered(id, found.r ?? 0, found.b ?? "{}");
    },
    async list(group) {
      const condition = { p: list.parent, l: true, [`k.${nameOfField("group")}`]: keyOf(group) };
      const found = await objects.find(condition, { projection: fields, sort: { r: -1 }, limit: 50 }).toArray();
      return found.map(({ i = "", r = 0, b = "{}" }) => rendered(i, r, b));
    },
    put: isGrouped ? grouped(write) : alone,
  };
}
