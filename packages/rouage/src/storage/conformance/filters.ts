/** Conformance: every filter on values of every type. */
import assert from "node:assert/strict";
import type { Json } from "../../json.ts";
import type { Filter } from "../filter.ts";
import type { Storage } from "../storage.ts";
import { type ConformanceSubject, put, storageTest, things } from "./harness.ts";

/** One object for each, in ascending cross-type order; the object "missing" comes last. */
const ladder: Readonly<Record<string, Json>> = {
  null: null,
  empty: "",
  upper: "B",
  lower: "a",
  accent: "é",
  wide: "～",
  emoji: "😀",
  minus: -1.5,
  zero: 0,
  one: 1,
  large: 1.2345678901234567e19,
  no: false,
  yes: true,
  words: ["a", { b: 1 }],
  numbers: [1, 2],
  nothing: [],
  nested: { a: 1, b: 2 },
  blank: {},
};

/** `n` is indexed, `v` is not; both hold the same. */
const fields = ["n", "v"];

export function filterTests(open: ConformanceSubject): void {
  const names = [...Object.keys(ladder), "missing"];

  async function fill(storage: Storage) {
    await storage.commit([
      ...Object.entries(ladder).map(([id, value]) => put(things, id, { n: value, v: value })),
      put(things, "missing", {}),
    ]);
  }

  async function find(storage: Storage, filter: Filter): Promise<string[]> {
    const found = await storage.list(things, { filter, sort: [{ field: "id", direction: "ascending" }], limit: 100 });
    assert.equal(await storage.count(things, filter), found.length);
    return found.map(({ id }) => id).sort((a, b) => names.indexOf(a) - names.indexOf(b));
  }

  for (const field of fields) {
    const kind = field === "n" ? "an indexed" : "any";
    storageTest(open, `comparisons of ${kind} field follow the cross-type order`, async ({ storage }) => {
      await fill(storage);
      for (const [index, name] of names.slice(0, -1).entries()) {
        const compare = (operator: "eq" | "ne" | "lt" | "le" | "gt" | "ge") =>
          find(storage, { kind: "compare", field, operator, value: ladder[name] ?? null });
        assert.deepEqual(await compare("eq"), [name]);
        assert.deepEqual(await compare("ne"), names.toSpliced(index, 1), `ne ${name}`);
        assert.deepEqual(await compare("lt"), names.slice(0, index), `lt ${name}`);
        assert.deepEqual(await compare("le"), names.slice(0, index + 1), `le ${name}`);
        assert.deepEqual(await compare("gt"), names.slice(index + 1, -1), `gt ${name}`);
        assert.deepEqual(await compare("ge"), names.slice(index, -1), `ge ${name}`);
      }
    });

    storageTest(open, `\`in\`, \`has\` and their negations on ${kind} field`, async ({ storage }) => {
      await fill(storage);
      const values: readonly Json[] = ["a", 1, true, null, [1, 2], { b: 2, a: 1 }, "absent", 99];
      const inside = ["null", "lower", "one", "yes", "numbers", "nested"];
      assert.deepEqual(await find(storage, { kind: "in", field, values }), inside);
      assert.deepEqual(
        await find(storage, { kind: "not", filter: { kind: "in", field, values } }),
        names.filter((name) => !inside.includes(name)),
      );
      assert.deepEqual(await find(storage, { kind: "in", field, values: [] }), []);
      assert.deepEqual(await find(storage, { kind: "has", field, present: true }), names.slice(0, -1));
      assert.deepEqual(await find(storage, { kind: "has", field, present: false }), ["missing"]);
    });

    storageTest(open, `\`contains\` on ${kind} field`, async ({ storage }) => {
      await fill(storage);
      const contains = (mode: "all" | "any", ...values: Json[]) =>
        find(storage, { kind: "contains", field, mode, values });
      assert.deepEqual(await contains("all", 1), ["numbers"]);
      assert.deepEqual(await contains("all", 1, 3), []);
      assert.deepEqual(await contains("all", 2, 1, 2, 1), ["numbers"]);
      assert.deepEqual(await contains("all", 1, 2, "a"), []);
      assert.deepEqual(await contains("any", 1, { b: 1 }), ["words", "numbers"]);
      assert.deepEqual(await contains("all", "a", { b: 1 }), ["words"]);
      assert.deepEqual(await contains("any", "1", true, null, [1, 2]), []);
      assert.deepEqual(await contains("all"), ["words", "numbers", "nothing"]);
      assert.deepEqual(await contains("any"), []);
    });
  }

  storageTest(open, "`contains` compares items as JSON values", async ({ storage }) => {
    const items: readonly Json[] = [null, true, 0, "", "x", [], [1], {}, { a: [null] }];
    await storage.commit(items.map((item, index) => put(things, `i${index}`, { list: ["padding", item] })));
    for (const [index, item] of items.entries()) {
      const found = await find(storage, { kind: "contains", field: "list", mode: "all", values: ["padding", item] });
      assert.deepEqual(found, [`i${index}`]);
    }
  });

  storageTest(open, "objects are equal whatever the order of their keys", async ({ storage }) => {
    await storage.commit([put(things, "a", { n: { x: { p: 1, q: [{ s: 1, r: 2 }] }, y: 2 } })]);
    const value = { y: 2, x: { q: [{ r: 2, s: 1 }], p: 1 } };
    assert.deepEqual(await find(storage, { kind: "compare", field: "n", operator: "eq", value }), ["a"]);
    assert.deepEqual(await find(storage, { kind: "compare", field: "n", operator: "ge", value }), ["a"]);
    assert.deepEqual(await find(storage, { kind: "compare", field: "n", operator: "lt", value }), []);
  });

  storageTest(open, "`like` ignores case in any script and takes `*` for anything", async ({ storage }) => {
    await storage.commit(
      ["Élodie Dupré", "ΣΊΣΥΦΟΣ", "100% sure_x", "a*b", "", "line\nbreak", 'say "hi"', "İstanbul"].map((v, index) =>
        put(things, `s${index}`, { v }),
      ),
    );
    await storage.commit([
      put(things, "number", { v: 1250 }),
      put(things, "true", { v: true }),
      put(things, "list", { v: ["é"] }),
    ]);
    const like = (pattern: string, field = "v") => find(storage, { kind: "like", field, pattern });
    assert.deepEqual(await like("éLODIE"), ["s0"]);
    assert.deepEqual(await like("dupré"), ["s0"]);
    assert.deepEqual(await like("éL*pr*"), ["s0"]);
    assert.deepEqual(await like("dupré*"), []);
    assert.deepEqual(await like("*dupré"), ["s0"]);
    assert.deepEqual(await like("σίσυφ"), ["s1"]);
    assert.deepEqual(await like("0% "), ["s2"]);
    assert.deepEqual(await like("e_x"), ["s2"]);
    assert.deepEqual(await like("a**b"), ["s3"]);
    assert.deepEqual(await like("e*b*k"), []);
    assert.deepEqual(await like("l*break"), ["s5"]);
    assert.deepEqual(await like('"HI"'), ["s6"]);
    assert.deepEqual(await like("25"), ["number"]);
    assert.deepEqual(await like("true"), []);
    assert.equal((await like("*")).length, 9);
    assert.equal((await like("")).length, 9);
    assert.deepEqual(await like("NUMB", "id"), ["number"]);
    assert.equal((await like("*", "last_modified")).length, 11);
    assert.deepEqual(await like("aba*ba"), []);
  });

  storageTest(open, "a dotted path reaches into objects; a key with the dot in it wins", async ({ storage }) => {
    await storage.commit([
      put(things, "nested", { a: { b: 1 } }),
      put(things, "literal", { "a.b": 1, a: { b: 2 } }),
      put(things, "deep", { a: { "b.c": 1, b: { c: 2 } } }),
      put(things, "array", { a: [{ b: 1 }], 0: 1 }),
      put(things, "text", { a: "b" }),
      put(things, "empty", { "": { "": 1 }, a: { "": { b: 1 } } }),
    ]);
    const eq = (field: string, value: Json) => find(storage, { kind: "compare", field, operator: "eq", value });
    assert.deepEqual((await eq("a.b", 1)).sort(), ["literal", "nested"]);
    assert.deepEqual(await eq("a.b", 2), []);
    assert.deepEqual(await eq("a.b.c", 1), ["deep"]);
    assert.deepEqual(await eq("a.b.c", 2), []);
    assert.deepEqual(await eq("a.0.b", 1), []);
    assert.deepEqual(await eq(".", 1), ["empty"]);
    assert.deepEqual(await eq("a..b", 1), ["empty"]);
    assert.deepEqual(await find(storage, { kind: "has", field: "a.b.c.d.e", present: true }), []);
    assert.deepEqual(await eq(`a${".x".repeat(200)}`, 1), []);
  });

  storageTest(open, "field names of any characters are only names", async ({ storage }) => {
    const odd = [
      "'",
      '"',
      "\\",
      "$",
      "$.n",
      "[0]",
      "a'b\"c\\d",
      "%",
      "; DROP TABLE log; --",
      "é",
      "😀",
      "\n",
      "#",
      "@",
      "*",
      "?",
      ":x",
      "`",
    ];
    await storage.commit(odd.map((key, index) => put(things, `k${index}`, { [key]: index })));
    for (const [index, key] of odd.entries()) {
      const filter: Filter = { kind: "compare", field: key, operator: "eq", value: index };
      assert.deepEqual(await find(storage, filter), [`k${index}`], key);
      const sorted = await storage.list(things, { sort: [{ field: key, direction: "ascending" }], limit: 1 });
      assert.equal(sorted[0]?.id, `k${index}`);
    }
  });

  storageTest(open, "`id` and `last_modified` are fields of every object", async ({ storage, clock }) => {
    await storage.commit([put(things, "a", { n: 1 }), put(things, "b", { n: 2 }), put(things, "c", { n: 3 })]);
    const now = clock.now();
    const compare = (field: string, operator: "eq" | "ne" | "lt" | "ge", value: Json) =>
      find(storage, { kind: "compare", field, operator, value });
    assert.deepEqual(await compare("id", "eq", "b"), ["b"]);
    assert.deepEqual(await compare("id", "ge", "b"), ["b", "c"]);
    assert.deepEqual(await compare("id", "eq", 1), []);
    assert.equal((await compare("id", "lt", 1)).length, 3, "a string is before every number");
    assert.deepEqual(await compare("last_modified", "lt", now + 1), ["a"]);
    assert.deepEqual(await compare("last_modified", "lt", "text"), []);
    assert.equal((await compare("last_modified", "ne", "text")).length, 3);
    assert.deepEqual(await find(storage, { kind: "in", field: "id", values: ["c", "a", 5, null] }), ["a", "c"]);
    assert.deepEqual(await find(storage, { kind: "in", field: "last_modified", values: [now, "a"] }), ["a"]);
    assert.equal((await find(storage, { kind: "has", field: "id", present: true })).length, 3);
    assert.deepEqual(await find(storage, { kind: "has", field: "last_modified", present: false }), []);
    assert.deepEqual(await find(storage, { kind: "contains", field: "id", mode: "any", values: ["a"] }), []);
  });

  storageTest(open, "`and`, `or`, `not` combine, empty ones included", async ({ storage }) => {
    await fill(storage);
    const one: Filter = { kind: "compare", field: "n", operator: "eq", value: 1 };
    const number: Filter = { kind: "compare", field: "n", operator: "lt", value: false };
    const present: Filter = { kind: "has", field: "v", present: true };
    assert.equal((await find(storage, { kind: "and", filters: [] })).length, names.length);
    assert.deepEqual(await find(storage, { kind: "or", filters: [] }), []);
    assert.deepEqual(await find(storage, { kind: "and", filters: [one, number, present] }), ["one"]);
    assert.deepEqual(await find(storage, { kind: "and", filters: [one, { kind: "not", filter: number }] }), []);
    assert.deepEqual(await find(storage, { kind: "or", filters: [one, { kind: "not", filter: present }] }), [
      "one",
      "missing",
    ]);
    const beyond: Filter = { kind: "compare", field: "n", operator: "gt", value: {} };
    assert.deepEqual(await find(storage, { kind: "not", filter: { kind: "not", filter: beyond } }), []);
    assert.equal((await find(storage, { kind: "not", filter: beyond })).length, names.length, "missing included");
  });

  storageTest(open, "hundreds of conditions and thousands of values are no matter", async ({ storage }) => {
    await fill(storage);
    const filters = Array.from(
      { length: 1_500 },
      (_, n): Filter => ({ kind: "compare", field: "n", operator: "eq", value: n }),
    );
    assert.deepEqual(await find(storage, { kind: "or", filters }), ["zero", "one"]);
    const values = Array.from({ length: 5_000 }, (_, n) => (n % 2 === 0 ? n : String(n)));
    assert.deepEqual(await find(storage, { kind: "in", field: "v", values }), ["zero"]);
  });
}
