/**
 * How a MongoDB would answer what a service asks: which index each query can be searched in, by the rule that a server follows (the first fields of an
 * index are equal to something, and one of them is the field that is asked for). The server of the tests has no plans of its own: it looks at everything.
 */
import type { TestContext } from "node:test";
import type { Document } from "mongodb";
import { loadDriver } from "../../../../packages/rouage/src/storage/mongodb/driver.ts";
import type { Plan } from "./plans.ts";

interface Asked {
  readonly collection: string;
  readonly filter: Document;
  readonly options: Document;
}

export async function watchMongo(t: TestContext): Promise<() => Promise<readonly Plan[]>> {
  const { Collection } = await loadDriver();
  const asked = new Map<string, Asked>();
  const indexes = new Map<string, () => Promise<readonly (readonly string[])[]>>();
  for (const method of ["find", "countDocuments"] as const) {
    const original = Collection.prototype[method] as (this: unknown, filter?: Document, options?: Document) => unknown;
    t.mock.method(
      Collection.prototype,
      method,
      function (this: InstanceType<typeof Collection>, filter: Document = {}, options: Document = {}) {
        const collection = this.collectionName;
        if (/\.(objects|odd)\./.test(collection)) {
          asked.set(`${collection} ${shapeOf(filter)} ${JSON.stringify(options.sort ?? "")}`, {
            collection,
            filter,
            options,
          });
          indexes.set(collection, async () => (await this.listIndexes().toArray()).map(({ key }) => Object.keys(key)));
        }
        return original.call(this, filter, options);
      },
    );
  }
  // Asked while the service runs: it closes its connections in the end.
  return async () => {
    const plans: Plan[] = [];
    for (const { collection, filter, options } of [...asked.values()]) {
      const known = (await indexes.get(collection)?.()) ?? [];
      const conditions = flat(filter);
      const found = known.find((fields) => isSearched(fields, conditions));
      const asksForField = [...conditions.keys()].some((field) => /^[ket]\./.test(field));
      const sql = `${collection} ${JSON.stringify(filter)} ${JSON.stringify(options.sort ?? "")}`;
      const plan = found === undefined ? "everything" : `index ${found.join(", ")}`;
      plans.push({ sql, plan, readsAll: asksForField && found === undefined && !isScan(options) });
    }
    return plans;
  };
}

/** In portions by what runs in the background, and the check of a new unique field: nobody waits for them. */
function isScan({ sort }: Document): boolean {
  return /^\{"p":1,("i":1|"k\.)/.test(JSON.stringify(sort instanceof Map ? Object.fromEntries(sort) : (sort ?? "")));
}

/** What all entries that match have: fields, and whether they are equal to something. */
function flat(filter: Document): ReadonlyMap<string, boolean> {
  const conditions = new Map<string, boolean>();
  for (const [field, value] of Object.entries(filter)) {
    if (field === "$and") {
      for (const part of value as readonly Document[])
        for (const [name, isEqual] of flat(part)) conditions.set(name, isEqual || conditions.get(name) === true);
    } else if (!field.startsWith("$")) {
      const operators = typeof value === "object" && value !== null ? Object.keys(value) : [];
      conditions.set(
        field,
        operators.every((name) => name === "$in" || name === "$all" || !name.startsWith("$")),
      );
    }
  }
  return conditions;
}

function isSearched(fields: readonly string[], conditions: ReadonlyMap<string, boolean>): boolean {
  for (const field of fields) {
    const isEqual = conditions.get(field);
    if (isEqual === undefined) return false;
    if (/^(_id$|w$|g$|i$|[ket]\.)/.test(field)) return true;
    if (!isEqual) return false;
  }
  return false;
}

/** The same for queries that differ in values alone. */
function shapeOf(filter: Document): string {
  return JSON.stringify(filter, (_key, value) => (typeof value === "string" ? "" : value));
}
