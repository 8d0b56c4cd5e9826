/** The grammar of lists from the URL to the answer: the same on each storage, and what a naive reading of the protocol says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { durableStorage } from "../../../scripts/test-stores.ts";
import { type Ask, withKinto } from "./support/running.ts";

const as = "alice";
const records = "/buckets/b/collections/c/records";
/** Forced revisions, so that both storages have the same. */
const past = 1_700_000_000_000;

type Fields = Readonly<Record<string, unknown>>;
type Operator = (typeof operators)[number];

const operators = [
  ...(["", "eq", "not", "min", "max", "gt", "lt", "in", "exclude", "like", "has", "contains", "contains_any"] as const),
] as const;

const scalars = [0, 1, 2, -1, 1.5, 1e21, "", "a", "B", "ab", "1", "é", "😀", "～", "x,y", 'q"', true, false, null];
const values = [...scalars, [], [1], ["a", 1], [[1]], [{ a: 1 }], {}, { a: 1 }, { a: { b: 2 } }, { "a.b": 3 }];
const names = ["n", "title", "a", "a.b", "a.c", "nowhere", "x_y", "toString", "é"];

/** Every value in some field, and objects that lack it. */
const objects = fc.sample(
  fc.dictionary(fc.constantFrom(...names.filter((name) => name !== "nowhere")), fc.constantFrom(...values), {
    maxKeys: 5,
    noNullPrototype: true,
  }),
  { numRuns: 40, seed: 3 },
);

async function fill(ask: Ask): Promise<readonly Fields[]> {
  await ask("PUT", "/buckets/b", { as, body: {} });
  await ask("PUT", "/buckets/b/collections/c", { as, body: {} });
  for (const [n, object] of objects.entries()) {
    const data = { ...object, last_modified: past + n };
    const { status } = await ask("PUT", `${records}/r${(n * 7) % 40}`, { as, body: { data } });
    assert.equal(status, 201);
  }
  for (const n of [3, 13, 23])
    await ask("DELETE", `${records}/r${(n * 7) % 40}?last_modified=${past + 1000 + n}`, { as });
  const { body } = await ask("GET", `${records}?_since=0&_limit=1000`, { as });
  assert.equal(body.data.length, 40);
  return body.data;
}

const text = fc.oneof(
  fc.constantFrom(...values).map((value) => JSON.stringify(value)),
  fc.constantFrom(...scalars).map(String),
  fc.constantFrom("*", "a*", "*b", "2.0", "1,2", '"1",1', "a,B", "[1", "1e0", "-0", " 1", "tRue", "[[1],[2]]", "*é*"),
  fc.integer({ min: -2, max: 45 }).map((n) => `${past + n}`),
  fc.integer({ min: 0, max: 45 }).map((n) => `"${past + n}"`),
  fc.integer({ min: 0, max: 41 }).map((n) => `r${n}`),
);
const condition = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(fc.constantFrom(...operators), fc.constantFrom(...names), text),
  },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...operators), fc.constantFrom("id", "last_modified"), text) },
);
const query = fc.record({
  conditions: fc.array(condition, { maxLength: 3 }),
  sort: fc.array(
    fc.tuple(fc.constantFrom("", "-"), fc.constantFrom(...names, "id", "last_modified")).map((parts) => parts.join("")),
    { maxLength: 3 },
  ),
  limit: fc.constantFrom(undefined, 1, 3, 100),
  since: fc.constantFrom(undefined, `${past + 20}`, "0", "null"),
});

test("any query gives the same on each storage, to the byte, and what the protocol says", () =>
  withKinto("memory", {}, ({ ask: memory }) =>
    withKinto(durableStorage, {}, async ({ ask: durable }) => {
      const all = await fill(memory);
      assert.deepEqual(await fill(durable), all);
      await fc.assert(
        fc.asyncProperty(query, async ({ conditions, sort, limit, since }) => {
          const parameters = conditions.map(
            ([operator, field, value]) =>
              `${operator === "" ? "" : `${operator}_`}${encodeURIComponent(field)}=${encodeURIComponent(value)}`,
          );
          if (sort.length > 0) parameters.push(`_sort=${sort.map(encodeURIComponent).join(",")}`);
          if (limit !== undefined) parameters.push(`_limit=${limit}`);
          if (since !== undefined) parameters.push(`_since=${since}`);
          const url = `${records}?${parameters.join("&")}`;

          const [one, other] = await Promise.all([memory("GET", url, { as }), durable("GET", url, { as })]);
          assert.deepEqual([other.status, other.body], [one.status, one.body], url);
          const heads = await Promise.all([memory("HEAD", url, { as }), durable("HEAD", url, { as })]);

          const tests = conditions.map(([operator, field, value]) => naive(operator, field, value));
          if (tests.includes(undefined)) {
            assert.equal(one.status, 400, url);
            return;
          }
          const tombstones = since !== undefined || conditions.some(([, field]) => field === "last_modified");
          const after = since === undefined || since === "null" ? -1 : Number(since);
          const right = all
            .filter((object) => tombstones || object.deleted !== true)
            .filter((object) => tests.every((holds) => holds?.(object)) && Number(object.last_modified) > after)
            .sort((a, b) => inOrder(a, b, sort));
          assert.equal(one.status, 200, url);
          assert.deepEqual(
            one.body.data.map(({ id }: Fields) => id),
            right.slice(0, limit ?? right.length).map(({ id }) => id),
            url,
          );
          const live = right.filter(({ deleted }) => deleted !== true).length;
          for (const head of heads) assert.equal(head.headers.get("total-records"), `${live}`, url);
        }),
        { numRuns: 1500 },
      );
    }),
  ));

/** What a condition of the URL asks of an object, undefined where it is a 400. */
function naive(operator: Operator, field: string, given: string): ((object: Fields) => boolean) | undefined {
  const value = native(given);
  const wrapped = native(`[${given}]`);
  const list: readonly unknown[] =
    given !== "" && Array.isArray(wrapped) ? wrapped : given.split(",").map((part) => native(part));
  const isSpecial = field === "id" || field === "last_modified";
  const suits = (one: unknown) =>
    field === "id" ? typeof one === "string" : field !== "last_modified" || isRevision(one);
  switch (operator) {
    case "in":
    case "exclude":
      if (!list.every((one) => suits(one) && !(field === "last_modified" && typeof one === "string"))) return undefined;
      return (object) => list.some((one) => same(at(object, field), one)) === (operator === "in");
    case "like":
      if (typeof value !== "string") return undefined;
      return (object) => isLike(value, at(object, field));
    case "has":
      return typeof value === "boolean" ? (object) => (at(object, field) !== undefined) === value : undefined;
    case "contains":
    case "contains_any": {
      if (isSpecial) return undefined;
      const wanted = Array.isArray(value) ? value : [value];
      return (object) => {
        const actual = at(object, field);
        if (!Array.isArray(actual)) return false;
        const has = (one: unknown) => actual.some((item) => same(item, one));
        return operator === "contains" ? wanted.every(has) : wanted.some(has);
      };
    }
    default: {
      if (field === "last_modified" && !isRevision(value)) return undefined;
      // Ids are texts whatever they look like.
      const wanted =
        field === "last_modified" ? Number(value) : field === "id" && typeof value !== "string" ? given : value;
      if (operator === "not") return (object) => !same(at(object, field), wanted);
      if (operator === "" || operator === "eq") return (object) => same(at(object, field), wanted);
      const signs = { min: [0, 1], max: [0, -1], gt: [1], lt: [-1] }[operator];
      return (object) => {
        const actual = at(object, field);
        return actual !== undefined && signs.includes(Math.sign(ranked(actual, wanted)));
      };
    }
  }
}

function native(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function isRevision(value: unknown): boolean {
  const number = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  return Number.isInteger(number) && Number(number) >= 0 && Number(number) < Date.now() + 86_400_000;
}

function at(object: unknown, path: string): unknown {
  if (typeof object !== "object" || object === null || Array.isArray(object)) return undefined;
  const entry = Object.entries(object).find(([key]) => key === path);
  if (entry !== undefined) return entry[1];
  const dot = path.indexOf(".");
  if (dot < 0) return undefined;
  const below = Object.entries(object).find(([key]) => key === path.slice(0, dot));
  return at(below?.[1], path.slice(dot + 1));
}

/** `-0` is `0`. */
function same(actual: unknown, wanted: unknown): boolean {
  return actual === wanted || isDeepStrictEqual(actual, wanted);
}

function isLike(pattern: string, value: unknown): boolean {
  if (typeof value !== "string" && typeof value !== "number") return false;
  const whole = pattern.includes("*") ? pattern : `*${pattern}*`;
  const source = whole.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*");
  return new RegExp(`^${source}$`, "isu").test(String(value));
}

function inOrder(a: Fields, b: Fields, sort: readonly string[]): number {
  for (const key of [...sort, "-last_modified"]) {
    const field = key.replace(/^-/, "");
    const difference = ranked(at(a, field), at(b, field));
    if (difference !== 0) return key.startsWith("-") ? -difference : difference;
  }
  return 0;
}

/** null < text < number < boolean < array < object < missing. */
function ranked(a: unknown, b: unknown): number {
  const difference = kindOf(a) - kindOf(b);
  if (difference !== 0) return difference;
  if (typeof a === "number" || typeof a === "boolean") return Number(a) - Number(b);
  const [left, right] = typeof a === "string" ? [a, String(b)] : [JSON.stringify(a ?? 0), JSON.stringify(b ?? 0)];
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

function kindOf(value: unknown): number {
  const kind = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
  return ["null", "string", "number", "boolean", "array", "object", "undefined"].indexOf(kind);
}
