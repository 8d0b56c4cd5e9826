/** A pass over all that is in the store: each entry against what the log says last of it, and what must hold within a list. */
import type { JsonObject } from "../../json.ts";
import { uniqueValue } from "../evaluate.ts";
import { fewAtOnce } from "../few-at-once.ts";
import type { Filter } from "../filter.ts";
import type { ListDefinition, ObjectKey, Storage, StoredEntry } from "../storage.ts";
import { bodyNumber, nameOf } from "./log-pass.ts";
import { metBefore } from "./met-before.ts";
import type { Report } from "./report.ts";
import { hashOf, type Words } from "./words.ts";

export interface ScanPass {
  readonly storage: Storage;
  readonly report: Report;
  readonly step: () => void;
  readonly suspect: (key: ObjectKey) => Promise<void>;
}

type Scanned = StoredEntry & { readonly parent: string };

/** Compares everything with the log. */
export async function compareEntries(
  pass: ScanPass,
  words: Words,
  resource: string,
  looks: readonly Look[],
): Promise<void> {
  const { storage, report, step, suspect } = pass;
  let before: Scanned | undefined;
  for await (const entry of storage.scan(resource, { tombstones: true })) {
    step();
    const { parent, id } = entry;
    const key = { resource, parent, id };
    if (before?.parent === parent && before.id === id)
      report.add({ rule: "backend", ...key, message: "is there twice" });
    before = entry;
    for (const look of looks) {
      const waiting = look.at(entry, key);
      if (waiting !== undefined) await waiting;
    }
    const hash = hashOf(nameOf(key));
    if (!words.has(hash)) continue;
    const word = words.see(hash);
    const agrees =
      entry.kind === "object"
        ? word?.kind === "put" &&
          word.revision === entry.revision &&
          (Number.isNaN(word.body) || word.body === bodyNumber(entry.body))
        : word === undefined || (word.kind === "delete" && word.revision === entry.revision);
    if (!agrees) await suspect(key);
  }
  for (const look of looks) await look.end();
}

/** What is looked at in every entry of a resource, one after the other. */
export interface Look {
  at(entry: Scanned, key: ObjectKey): Promise<void> | undefined;
  end(): Promise<void>;
}

/** Everything but the comparison with the log; for one pass. */
export function looksAt(pass: ScanPass, definition: ListDefinition, expected: number): readonly Look[] {
  const counts = { revisions: metBefore(expected), values: metBefore(definition.unique.length * expected) };
  return [
    bodies(pass, definition, counts.values),
    revisions(pass, definition, counts.revisions),
    ended(pass),
    tombstones(pass),
  ];
}

/** Bodies are JSON, and unique values are. */
function bodies({ storage, report }: ScanPass, definition: ListDefinition, isMet: (text: string) => boolean): Look {
  const { unique, uniqueAcrossParents = false } = definition;

  async function shared(key: ObjectKey, fields: readonly string[], values: readonly unknown[]): Promise<void> {
    const filter: Filter = {
      kind: "and",
      filters: fields.map((field, index) => ({
        kind: "compare",
        field,
        operator: "eq",
        value: values[index] as never,
      })),
    };
    const ids: string[] = [];
    if (uniqueAcrossParents) {
      for await (const { parent, id } of storage.scan(key.resource, { filter }))
        if (ids.push(`${parent} ${id}`) === 2) break;
    } else {
      for (const { id } of await storage.list(key, {
        filter,
        sort: [{ field: "id", direction: "ascending" }],
        limit: 2,
      }))
        ids.push(id);
    }
    if (ids.length === 2) {
      report.add({ rule: "unique", ...key, message: `shares its value of ${fields.join(", ")} with another object` });
    }
  }

  return {
    at(entry, key) {
      if (entry.kind !== "object") return undefined;
      const value = objectOf(entry.body);
      if (value === undefined) {
        report.add({ rule: "body", ...key, message: "has a body that is no JSON object" });
        return undefined;
      }
      const waiting: Promise<void>[] = [];
      for (const [constraint, fields] of unique.entries()) {
        const values = uniqueValue({ id: key.id, revision: entry.revision, value }, fields);
        if (values === undefined) continue;
        const where = uniqueAcrossParents ? "" : key.parent;
        if (isMet(`${constraint}\0${where}\0${JSON.stringify(values)}`)) waiting.push(shared(key, fields, values));
      }
      return waiting.length === 0 ? undefined : Promise.all(waiting).then(() => {});
    },
    end: async () => {},
  };
}

function objectOf(body: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}

/** No two entries of a list have the same revision. */
function revisions({ storage, report }: ScanPass, _: ListDefinition, isMet: (text: string) => boolean): Look {
  async function shared(key: ObjectKey, revision: number): Promise<void> {
    const filter: Filter = { kind: "compare", field: "last_modified", operator: "eq", value: revision };
    const found = await storage.list(key, {
      filter,
      sort: [{ field: "id", direction: "ascending" }],
      limit: 2,
      tombstones: true,
    });
    if (found.length === 2)
      report.add({ rule: "revision", ...key, message: `shares revision ${revision} with another entry of its list` });
  }
  return {
    at({ revision }, key) {
      if (!Number.isSafeInteger(revision) || revision < 1) {
        report.add({ rule: "revision", ...key, message: `has ${revision} for a revision` });
      }
      return isMet(`${key.parent}\0${revision}`) ? shared(key, revision) : undefined;
    },
    end: async () => {},
  };
}

/** Asked for together. */
const portion = 200;

/** A list's revision is none below those of its entries. */
function ended({ storage, report }: ScanPass): Look {
  let list: { readonly key: ObjectKey; highest: number } | undefined;
  let waiting: { readonly key: ObjectKey; readonly highest: number }[] = [];

  async function check({ key, highest }: { readonly key: ObjectKey; readonly highest: number }): Promise<void> {
    // Asked for after the entries: it never falls.
    if ((await storage.timestamp(key, true)) >= highest) return;
    const newest = async () => {
      const [last] = await storage.list(key, {
        sort: [{ field: "last_modified", direction: "descending" }],
        limit: 1,
        tombstones: true,
      });
      return { last: last?.revision ?? 0, revision: await storage.timestamp(key, true) };
    };
    const { last, revision } = await storage.transaction(newest);
    const { resource, parent } = key;
    if (revision < last) {
      report.add({
        rule: "revision",
        resource,
        parent,
        message: `the list has revision ${revision}, an entry of it ${last}`,
      });
    }
  }

  async function flush(): Promise<void> {
    const all = waiting;
    waiting = [];
    await fewAtOnce(all, check);
  }

  return {
    at({ revision }, key) {
      if (list?.key.parent === key.parent) {
        list.highest = Math.max(list.highest, revision);
        return undefined;
      }
      if (list !== undefined) waiting.push(list);
      list = { key, highest: revision };
      return waiting.length < portion ? undefined : flush();
    },
    end() {
      if (list !== undefined) waiting.push(list);
      return flush();
    },
  };
}

/** What was deleted has no permission entries left. */
function tombstones({ storage, report }: ScanPass): Look {
  let waiting: ObjectKey[] = [];

  const entriesOf = async (key: ObjectKey): Promise<number> => Object.keys(await storage.permissions.of(key)).length;
  async function check(key: ObjectKey): Promise<void> {
    if ((await entriesOf(key)) === 0) return;
    const isLeft = async () => (await storage.get(key))?.kind === "tombstone" && (await entriesOf(key)) > 0;
    if (await storage.transaction(isLeft))
      report.add({ rule: "permissions", ...key, message: "is deleted, and has permission entries" });
  }
  async function flush(): Promise<void> {
    const all = waiting;
    waiting = [];
    await fewAtOnce(all, check);
  }
  return {
    at(entry, key) {
      if (entry.kind === "object") return undefined;
      waiting.push(key);
      return waiting.length < portion ? undefined : flush();
    },
    end: flush,
  };
}
