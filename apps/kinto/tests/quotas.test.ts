/** Quotas: counters that are right after whatever happened, limits by bucket and collection, and what is left. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import type { Service } from "rouage";
import { anyStorage, durableStorage, testStore } from "../../../scripts/test-stores.ts";
import { startKinto } from "../src/app.ts";
import { bucketCounters, collectionCounters, readCounters } from "../src/plugins/quotas/quota-counters.ts";
import { rebuildQuotas } from "../src/plugins/quotas/rebuild-quotas.ts";
import { type Ask, asking, basicSettings, kintoTest } from "./support/running.ts";

const includes = "kinto.plugins.quotas kinto.plugins.default_bucket";
const as = "ann";
const records = "/buckets/b/collections/c/records";

async function library(ask: Ask): Promise<void> {
  await ask("PUT", "/buckets/b", { as });
  await ask("PUT", "/buckets/b/collections/c", { as });
}

kintoTest(
  "a collection takes no more records than it may hold",
  { includes, "quotas.collection_max_items": 1 },
  async ({ ask }) => {
    await library(ask);
    assert.equal((await ask("PUT", `${records}/a`, { as, body: { data: { n: 1 } } })).status, 201);
    const { status, body } = await ask("PUT", `${records}/b`, { as });
    assert.deepEqual([status, body.errno], [507, 121]);
    assert.equal(body.message, "Collection maximum number of objects exceeded (2 > 1 objects).");
    assert.equal((await ask("GET", `${records}/b`, { as })).status, 404);
    assert.equal((await ask("PATCH", `${records}/a`, { as, body: { data: { n: 2 } } })).status, 200);
    await ask("DELETE", `${records}/a`, { as });
    assert.equal((await ask("PUT", `${records}/b`, { as })).status, 201);
  },
);

kintoTest(
  "sizes are bounded by bucket, collection and object, the most specific limit first",
  {
    includes,
    "quotas.bucket_max_bytes": 400,
    "quotas.collection_b_max_bytes_per_item": 90,
    "quotas.collection_b_big_max_bytes_per_item": 300,
  },
  async ({ ask }) => {
    await library(ask);
    await ask("PUT", "/buckets/b/collections/big", { as });
    const text = (length: number) => ({ as, body: { data: { text: "x".repeat(length) } } });
    assert.match(
      (await ask("PUT", `${records}/a`, text(100))).body.message,
      /^Maximum bytes per object exceeded \(\d+ > 90 Bytes\)/,
    );
    const big = await ask("PUT", "/buckets/b/collections/big/records/a", text(100));
    assert.equal(big.status, 201);
    assert.match(big.headers.get("quota-remaining") ?? "", /^\d+$/);
    const full = await ask("PUT", "/buckets/b/collections/big/records/b", text(150));
    assert.match(full.body.message, /^Bucket maximum total size exceeded \(\d+ > 400 Bytes\)/);
    const group = await ask("PUT", "/buckets/b/groups/g", {
      as,
      body: { data: { members: Array(20).fill("somebody") } },
    });
    assert.equal(group.status, 507);
    assert.equal(
      (await ask("PUT", "/buckets/b/collections/big/records/a", text(10))).status,
      200,
      "less is never refused",
    );
  },
);

kintoTest(
  "what is taken back is not counted",
  { includes, "quotas.collection_max_items": 3 },
  async ({ ask, kinto }) => {
    await library(ask);
    const put = (id: string) => ({ method: "PUT", path: `${records}/${id}`, body: { data: {} } });
    const before = await counted(kinto);
    const { body } = await ask("POST", "/batch", {
      as,
      body: { atomic: true, requests: ["a", "b", "c", "d"].map(put) },
    });
    assert.equal(body.responses[3].status, 507);
    assert.deepEqual(await counted(kinto), before);
    await ask("POST", "/batch", { as, body: { requests: ["a", "b", "c", "d"].map(put) } });
    assert.equal((await ask("GET", records, { as })).body.data.length, 3);
  },
);

test("counters are always those of a count anew", async () => {
  const step = fc.record({
    method: fc.constantFrom("PUT", "PUT", "PUT", "PATCH", "DELETE"),
    path: fc.constantFrom(
      "",
      "/groups/g",
      "/collections/c",
      "/collections/d",
      "/collections/c/records/r",
      "/collections/c/records/s",
      "/collections/d/records/r",
      "/collections/c/records",
    ),
    text: fc.string({ maxLength: 30 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      await using store = await testStore(anyStorage, "");
      await using kinto = await startKinto({ overrides: { ...basicSettings, storage_url: store.url, includes } });
      const ask = asking(kinto);
      await library(ask);
      for (const { method, path, text } of steps) {
        const plural = path.endsWith("/records");
        await ask(
          plural ? "DELETE" : method,
          `/buckets/b${path}`,
          method === "DELETE" || plural ? { as } : { as, body: { data: { text } } },
        );
        if (path === "" && method === "DELETE") await library(ask);
      }
      const kept = await counted(kinto);
      await rebuildQuotas(kinto);
      assert.deepEqual(await counted(kinto), kept);
    }),
    { numRuns: 30 },
  );
});

test("quotas can be switched on later: rebuild-quotas counts what there is", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "quotas-"));
  t.after(() => rm(folder, { recursive: true }));
  await using store = await testStore(durableStorage, join(folder, "kinto.db"));
  const settings = { ...basicSettings, storage_url: store.url };
  {
    await using kinto = await startKinto({ overrides: settings });
    const ask = asking(kinto);
    await library(ask);
    await ask("PUT", `${records}/a`, { as });
  }
  await using kinto = await startKinto({ overrides: { ...settings, includes, "quotas.bucket_max_items": 1 } });
  assert.deepEqual(await rebuildQuotas(kinto), { buckets: 1, collections: 1 });
  assert.equal((await asking(kinto)("PUT", `${records}/b`, { as })).status, 507);
});

async function counted({ storage }: Service) {
  const collections = await Promise.all(
    ["c", "d"].map(async (id) => {
      const live = await storage.get({ resource: "collection", parent: "bucket/b", id });
      return live?.kind === "object" ? readCounters(storage, collectionCounters("b", id)) : undefined;
    }),
  );
  return { bucket: await readCounters(storage, bucketCounters("b")), collections };
}
