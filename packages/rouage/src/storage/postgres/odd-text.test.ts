import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { manualClock } from "../../clock.ts";
import { ServiceError } from "../../errors.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { compareStrings } from "../evaluate.ts";
import type { Filter } from "../filter.ts";
import { memoryStorage } from "../memory.ts";
import type { Storage } from "../storage.ts";
import { postgresStorage } from "./postgres.ts";
import { startTestStores, type TestStores, withoutPostgres } from "./test-stores.ts";

/** Text that JSON allows and that databases like to stumble on. */
const texts = [
  "\0",
  "a\0b",
  "a\0",
  "a",
  "\u0001",
  "\ud800",
  "\udc00",
  "\ud800a",
  "\ue000",
  "\uffff",
  "\u{10ffff}",
  "\u2028",
  "\x7f",
  "",
  "'",
  "\\u0000",
];

describe("odd text in PostgreSQL", { skip: withoutPostgres() }, () => {
  let stores: TestStores;
  before(async () => {
    stores = await startTestStores();
  });
  after(() => stores[Symbol.asyncDispose]());

  const clock = manualClock();
  const list = { resource: "things", parent: "" };
  const open = () => postgresStorage({ url: stores.fresh().url, clock, log: silentLogger });

  test("null characters and lone surrogates in values and field names mean the same as in memory", async () => {
    const storages: Storage[] = [memoryStorage({ clock }), await open()];
    for (const storage of storages) {
      await storage.define([{ resource: "things", indexes: [["n"]], unique: [] }]);
      await storage.commit(
        texts.map((text, index) => ({
          kind: "put",
          key: { ...list, id: `i${index}` },
          body: JSON.stringify({ n: text, v: [text], [`k${text}`]: { [text]: index } }),
          expect: { kind: "any" },
        })),
      );
      const find = async (filter: Filter) =>
        (await storage.list(list, { filter, sort: [{ field: "n", direction: "ascending" }], limit: 99 })).map(
          ({ id }) => id,
        );
      const sorted = [...texts].sort(compareStrings);
      for (const [index, text] of texts.entries()) {
        const id = [`i${index}`];
        assert.deepEqual(await find({ kind: "compare", field: "n", operator: "eq", value: text }), id);
        assert.deepEqual(await find({ kind: "in", field: "n", values: [text] }), id);
        assert.deepEqual(await find({ kind: "contains", field: "v", mode: "any", values: [text] }), id);
        assert.deepEqual(await find({ kind: "contains", field: "v", mode: "all", values: [text] }), id);
        assert.deepEqual(await find({ kind: "compare", field: "v", operator: "eq", value: [text] }), id);
        assert.deepEqual(await find({ kind: "compare", field: `k${text}.${text}`, operator: "eq", value: index }), id);
        assert.deepEqual(await find({ kind: "compare", field: "id", operator: "eq", value: text }), []);
        await find({ kind: "like", field: "id", pattern: text });
        await find({ kind: "owner", owner: text });
        await find({ kind: "shared", permissions: [text], principals: [text] });
        const below = await find({ kind: "compare", field: "n", operator: "lt", value: text });
        assert.deepEqual(
          below,
          sorted.slice(0, sorted.indexOf(text)).map((other) => `i${texts.indexOf(other)}`),
        );
        const entry = await storage.get({ ...list, id: `i${index}` });
        assert.equal(entry?.kind === "object" && JSON.parse(entry.body).n, text);
      }
      await storage.close();
    }
  });

  test("values longer than an entry of an index are kept, found and sorted", async () => {
    await using storage = await open();
    await storage.define([{ resource: "things", indexes: [["n"]], unique: [["u"]] }]);
    // Alike for the first 5,000 characters, and none that compresses well.
    const start = Array.from({ length: 5_000 }, (_, n) => String.fromCodePoint(0x4e00 + ((n * 7919) % 20_000))).join(
      "",
    );
    const values = ["c", "a", "b"].map((end) => start + end);
    await storage.commit(
      values.map((n, index) => ({
        kind: "put",
        key: { ...list, id: `i${index}` },
        body: JSON.stringify({ n, u: n }),
        expect: { kind: "any" },
      })),
    );
    const ids = async (filter?: Filter, after?: string) =>
      (
        await storage.list(list, {
          ...(filter && { filter }),
          ...(after && { after: [after, 0] }),
          sort: [
            { field: "n", direction: "ascending" },
            { field: "last_modified", direction: "ascending" },
          ],
          limit: 9,
        })
      ).map(({ id }) => id);
    assert.deepEqual(await ids(), ["i1", "i2", "i0"]);
    assert.deepEqual(await ids(undefined, `${start}a~`), ["i2", "i0"]);
    assert.deepEqual(await ids({ kind: "compare", field: "n", operator: "eq", value: `${start}b` }), ["i2"]);
    assert.deepEqual(await ids({ kind: "in", field: "n", values: [`${start}c`, "x"] }), ["i0"]);
    assert.deepEqual(await ids({ kind: "compare", field: "n", operator: "gt", value: `${start}b` }), ["i0"]);
    await assert.rejects(
      storage.commit([
        { kind: "put", key: { ...list, id: "x" }, body: JSON.stringify({ u: `${start}c` }), expect: { kind: "any" } },
      ]),
      /unique/,
    );
  });

  test("a key that no index takes is refused, and is not there", async () => {
    await using storage = await open();
    await storage.define([{ resource: "things", indexes: [], unique: [] }]);
    for (const id of ["a\0", "é".repeat(2_000)]) {
      await assert.rejects(
        storage.commit([{ kind: "put", key: { ...list, id }, body: "{}", expect: { kind: "any" } }]),
        (error) => ServiceError.is(error) && error.code === "invalid-parameters",
      );
      assert.equal(await storage.get({ ...list, id }), undefined);
    }
  });

  test("what the server cannot keep is refused alone, beside other commits and other transactions", async () => {
    await using storage = await open();
    await storage.define([{ resource: "things", indexes: [], unique: [] }]);
    const put = (id: string, body: string) =>
      storage.commit([{ kind: "put", key: { ...list, id }, body, expect: { kind: "any" } }]);
    const deep = `{"a":${"[".repeat(50_000)}${"]".repeat(50_000)}}`;
    for (const run of [
      (id: string, body: string) => put(id, body),
      // Often: several refusals that arrive in one packet must not be taken for each other.
      ...Array.from({ length: 20 }, () => (id: string, body: string) => storage.transaction(() => put(id, body))),
    ]) {
      const outcomes = await Promise.allSettled(
        Array.from({ length: 9 }, (_, n) => run(`i${n}`, n === 4 ? deep : `{"n":${n}}`)),
      );
      for (const [n, outcome] of outcomes.entries()) {
        assert.equal(outcome.status, n === 4 ? "rejected" : "fulfilled");
        if (outcome.status === "rejected") assert.equal((outcome.reason as ServiceError).code, "invalid-parameters");
      }
      assert.equal(await storage.count(list), 8);
    }
  });

  test("numbers that no double holds are no failure", async () => {
    await using storage = await open();
    await storage.define([{ resource: "things", indexes: [["n"]], unique: [] }]);
    for (const [id, n] of Object.entries({
      huge: "1e400",
      low: "-1e400",
      tiny: "1e-400",
      most: "1.7976931348623157e308",
      least: "5e-324",
    })) {
      await storage.commit([{ kind: "put", key: { ...list, id }, body: `{"n":${n}}`, expect: { kind: "any" } }]);
    }
    const found = await storage.list(list, { sort: [{ field: "n", direction: "ascending" }], limit: 9 });
    assert.deepEqual(
      found.map(({ id }) => id),
      ["low", "tiny", "least", "most", "huge"],
    );
  });
});
