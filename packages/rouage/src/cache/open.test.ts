import assert from "node:assert/strict";
import { test } from "node:test";
import { manualClock } from "../clock.ts";
import { ServiceError } from "../errors.ts";
import { createMetrics } from "../telemetry/registry.ts";
import { measuredCache } from "./measured.ts";
import { openCache } from "./open.ts";

const clock = manualClock();

test("memory: opens a cache, as large as the URL says", async () => {
  const cache = await openCache("memory:?max_bytes=300", { clock });
  await cache.set("a", "1", 60);
  await cache.set("b", "x".repeat(500), 60);
  assert.equal(await cache.get("a"), "1");
  assert.equal(await cache.get("b"), undefined);
  const usual = await openCache("memory:", { clock });
  await usual.set("b", "x".repeat(500), 60);
  assert.equal((await usual.get("b"))?.length, 500);
});

test("anything else is refused by name, without its password", async () => {
  for (const url of [
    "",
    "memory",
    "memory:x",
    "memory:?max_bytes=0",
    "memory:?max_bytes=1&max_bytes=2",
    "memory:?size=1",
  ])
    await assert.rejects(
      openCache(url, { clock }),
      /not a cache URL: .*; expected "memory:", "memory:\?max_bytes=BYTES" or/,
    );
  await assert.rejects(openCache("toString:", { clock }), /not a cache URL/);
  await assert.rejects(openCache("redi://me:secret@host", { clock }), (error: Error) => {
    assert.match(error.message, /redi:\/\/\*\*\*@host/);
    return true;
  });
});

test("hits, misses, failures and evictions are counted", async () => {
  const metrics = createMetrics();
  const opened = await openCache("memory:?max_bytes=250", { clock, metrics });
  const cache = measuredCache(opened, metrics);
  await cache.set("a", "1", 60);
  await cache.get("a");
  await cache.get("b");
  for (const key of ["b", "c", "d"]) await cache.set(key, "1", 60);
  const away = () => Promise.reject(new ServiceError("unavailable", { message: "gone" }));
  const failing = measuredCache({ ...opened, get: away, set: away, increment: away }, metrics);
  await assert.rejects(async () => failing.get("a"), /gone/);
  await assert.rejects(async () => failing.set("a", "1", 60), /gone/);
  await assert.rejects(async () => failing.increment("n", 1, 60), /gone/);
  const text = metrics.expose();
  assert.match(text, /cache_reads_total\{outcome="hit"\} 1/);
  assert.match(text, /cache_reads_total\{outcome="miss"\} 1/);
  assert.match(text, /cache_reads_total\{outcome="failed"\} 1/);
  assert.match(text, /cache_failures_total 3/);
  await cache.set("text", "text", 60);
  await assert.rejects(async () => cache.increment("text", 1, 60), TypeError);
  assert.match(metrics.expose(), /cache_failures_total 3/);
  assert.match(text, /cache_evictions_total 2/);
});
