/** Conformance: random objects and random queries, answered as a naive oracle that shares no code with any adapter does. */
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import type { Json, JsonObject } from "../../json.ts";
import type { Filter, Sort, SortValue } from "../filter.ts";
import { type Permissions, parseEntry } from "../storage.ts";
import { type ConformanceSubject, put, remove, storageTest, things } from "./harness.ts";

type Fields = JsonObject & { readonly id: string; readonly last_modified: number };

export function oracleTests(open: ConformanceSubject): void {
  storageTest(open, "random objects, filters, sorts and pages have the one right answer", async ({ storage }) => {
    let round = 0;
    await fc.assert(
      fc.asyncProperty(objects, fc.array(query, { minLength: 3, maxLength: 8 }), async (bodies, queries) => {
        const list = { ...things, parent: `round ${round++}` };
        const ids = bodies.map((_, index) => `id${(index * 7) % 10}${index}`);
        await storage.commit(
          bodies.map((body, index) =>
            put(list, ids[index] ?? "", body, { owner: `o${index % 3}`, permissions: sharing[index % 5] ?? {} }),
          ),
        );
        for (const id of ids.filter((_, index) => index % 5 === 4)) await storage.commit([remove(list, id)]);
        const entries = await storage.list(list, { sort: [], limit: 1_000, tombstones: true });
        assert.equal(entries.length, ids.length);
        const all = entries.map((entry) => ({
          fields: parseEntry(entry) as Fields,
          live: entry.kind === "object",
          owner: entry.kind === "object" ? entry.owner : undefined,
          granted: new Set(
            entry.kind === "object"
              ? Object.entries(sharing[ids.indexOf(entry.id) % 5] ?? {}).flatMap(([name, whom]) =>
                  whom.map((who) => `${name} ${who}`),
                )
              : [],
          ),
        }));
        for (const { filter, sort: wished, limit, from, tombstones } of queries) {
          const sort: readonly Sort[] = [...wished, { field: "id", direction: "ascending" }];
          const right = all
            .filter(({ live, fields, owner, granted }) => (live || tombstones) && holds(filter, fields, owner, granted))
            .map(({ fields }) => fields)
            .sort((a, b) => order(a, b, sort));
          const start = right[from % (right.length + 1)];
          const after: readonly SortValue[] | undefined = start && sort.map(({ field }) => lookUp(start, field));
          const expected = (start === undefined ? right : right.slice(right.indexOf(start) + 1)).slice(0, limit);
          const found = await storage.list(list, {
            filter,
            sort,
            limit,
            tombstones,
            ...(after === undefined ? {} : { after }),
          });
          assert.deepEqual(
            found.map(({ id }) => id),
            expected.map(({ id }) => id),
          );
          const live = all.filter((entry) => entry.live && holds(filter, entry.fields, entry.owner, entry.granted));
          assert.equal(await storage.count(list, filter), live.length);
        }
      }),
      { numRuns: Number(process.env.CONFORMANCE_RUNS ?? 60) },
    );
  });
}

// What is generated: few names and values, so that filters hit.

/** Entries of every fifth object alike. */
const sharing: readonly Permissions[] = [
  {},
  { read: ["ann"] },
  { write: ["ann", "bob"], read: ["cy"] },
  { read: ["ann", "bob", "cy"], toString: ["bob"] },
  { write: [], toString: ["ann"] },
];

const text = fc.constantFrom(
  "",
  "a",
  "B",
  "b",
  "é",
  "É",
  "～",
  "😀",
  "a.b",
  "1",
  "null",
  "x y",
  "a'b",
  '"',
  "\\",
  "ab*c",
);
const number = fc.constantFrom(0, 1, -1, 2, 1.5, 1e21, -1e-7, 2 ** 53, 2 ** 60, 1_700_000_000_000);
const scalar: fc.Arbitrary<Json> = fc.oneof(text, number, fc.boolean(), fc.constant(null));
const { value } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    scalar,
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom("a", "b", "c", "é"), tie("value"), { maxKeys: 3, noNullPrototype: true }),
  ),
}));
const names = ["n", "v", "a", "a.b", "kind", "é'\"", "a.b.c"];
const objects = fc.array(fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 5, noNullPrototype: true }), {
  minLength: 0,
  maxLength: 14,
});
const field = fc.constantFrom(...names, "a.c", "id", "last_modified", "deleted", "nowhere");
const { filter } = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.record({
      kind: fc.constant("compare"),
      field,
      operator: fc.constantFrom("eq", "ne", "lt", "le", "gt", "ge"),
      value,
    }),
    fc.record({ kind: fc.constant("in"), field, values: fc.array(value, { maxLength: 4 }) }),
    fc.record({
      kind: fc.constant("like"),
      field,
      pattern: fc.constantFrom("a", "É", "*", "a*", "*b", "1", "e+21", "*.*", ""),
    }),
    fc.record({ kind: fc.constant("has"), field, present: fc.boolean() }),
    fc.record({
      kind: fc.constant("contains"),
      field,
      mode: fc.constantFrom("all", "any"),
      values: fc.array(value, { maxLength: 2 }),
    }),
    fc.record({
      kind: fc.constant("shared"),
      permissions: fc.subarray(["read", "write", "toString"]),
      principals: fc.subarray(["ann", "bob", "cy"]),
    }),
    fc.record({ kind: fc.constant("owner"), owner: fc.constantFrom("o0", "o1", "nobody") }),
    fc.record({ kind: fc.constantFrom("and", "or"), filters: fc.array(tie("filter"), { maxLength: 3 }) }),
    fc.record({ kind: fc.constant("not"), filter: tie("filter") }),
  ) as fc.Arbitrary<Filter>,
}));
const sort = fc.array(
  fc.record({ field, direction: fc.constantFrom("ascending", "descending") }) as fc.Arbitrary<Sort>,
  { maxLength: 3 },
);
const query = fc.record({
  filter,
  sort,
  limit: fc.constantFrom(1, 3, 100),
  from: fc.nat(20),
  tombstones: fc.boolean(),
});

// The oracle.

function lookUp(object: unknown, path: string): Json | undefined {
  if (typeof object !== "object" || object === null || Array.isArray(object)) return undefined;
  const found = Object.entries(object).find(([key]) => key === path);
  if (found !== undefined) return found[1];
  const [head, ...tail] = path.split(".");
  if (tail.length === 0) return undefined;
  return lookUp(Object.entries(object).find(([key]) => key === head)?.[1], tail.join("."));
}

function holds(filter: Filter, object: Fields, owner: string | undefined, granted?: ReadonlySet<string>): boolean {
  if (filter.kind === "and") return filter.filters.every((part) => holds(part, object, owner, granted));
  if (filter.kind === "or") return filter.filters.some((part) => holds(part, object, owner, granted));
  if (filter.kind === "not") return !holds(filter.filter, object, owner, granted);
  if (filter.kind === "owner") return owner === filter.owner;
  if (filter.kind === "shared")
    return filter.permissions.some((name) => filter.principals.some((who) => granted?.has(`${name} ${who}`)));
  const actual = lookUp(object, filter.field);
  switch (filter.kind) {
    case "has":
      return (actual === undefined) === !filter.present;
    case "in":
      return filter.values.some((wanted) => isDeepStrictEqual(actual, wanted));
    case "like": {
      if (typeof actual !== "string" && typeof actual !== "number") return false;
      const pattern = filter.pattern.includes("*") ? filter.pattern : `*${filter.pattern}*`;
      const source = pattern.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*");
      return new RegExp(`^${source}$`, "isu").test(String(actual));
    }
    case "contains": {
      if (!Array.isArray(actual)) return false;
      const items: readonly Json[] = actual;
      const has = (wanted: Json) => items.some((item) => isDeepStrictEqual(item, wanted));
      return filter.mode === "all" ? !filter.values.some((wanted) => !has(wanted)) : filter.values.some(has);
    }
    case "compare": {
      if (filter.operator === "eq") return isDeepStrictEqual(actual, filter.value);
      if (filter.operator === "ne") return !isDeepStrictEqual(actual, filter.value);
      if (actual === undefined) return false;
      const difference = rankOrder(actual, filter.value);
      const signs = { lt: [-1], le: [-1, 0], gt: [1], ge: [1, 0] };
      return signs[filter.operator].includes(Math.sign(difference));
    }
  }
}

function order(a: Fields, b: Fields, sort: readonly Sort[]): number {
  for (const { field, direction } of sort) {
    const difference = rankOrder(lookUp(a, field), lookUp(b, field));
    if (difference !== 0) return direction === "ascending" ? difference : -difference;
  }
  return 0;
}

function rankOrder(a: Json | undefined, b: Json | undefined): number {
  const kinds = ["null", "string", "number", "boolean", "array", "object", "undefined"];
  const kind = (json: Json | undefined) =>
    kinds.indexOf(json === null ? "null" : Array.isArray(json) ? "array" : typeof json);
  if (kind(a) !== kind(b)) return kind(a) - kind(b);
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "boolean") return Number(a) - Number(b);
  if (typeof a === "string" && typeof b === "string") return Buffer.compare(Buffer.from(a), Buffer.from(b));
  if (typeof a !== "object" || a === null) return 0;
  return Buffer.compare(Buffer.from(sortedText(a)), Buffer.from(sortedText(b)));
}

function sortedText(json: unknown): string {
  return JSON.stringify(json, (_key, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))))
      : inner,
  );
}
