import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { manualClock } from "../../clock.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { compareStrings } from "../evaluate.ts";
import type { Filter } from "../filter.ts";
import { memoryStorage } from "../memory.ts";
import type { Storage } from "../storage.ts";
import { sqliteStorage } from "./sqlite.ts";

/** Text that JSON allows and that databases like to stumble on. */
const texts = [
  "\0",
  "a\0b",
  "a\0",
  "a",
  "\ud800",
  "\udc00",
  "\ud800a",
  "\uffff",
  "\u{10ffff}",
  "\u2028",
  "\x7f",
  "",
  "'",
  "\\u0000",
];

test("null characters and lone surrogates in values and field names mean the same in SQLite as in memory", async () => {
  const folder = await mkdtemp(join(tmpdir(), "rouage-odd-"));
  const clock = manualClock();
  const storages: Storage[] = [
    memoryStorage({ clock }),
    sqliteStorage({ path: join(folder, "store.db"), clock, log: silentLogger }),
  ];
  const list = { resource: "things", parent: "" };
  try {
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
        const below = await find({ kind: "compare", field: "n", operator: "lt", value: text });
        assert.deepEqual(
          below,
          sorted.slice(0, sorted.indexOf(text)).map((other) => `i${texts.indexOf(other)}`),
        );
      }
    }
  } finally {
    for (const storage of storages) await storage.close();
    await rm(folder, { recursive: true });
  }
});
