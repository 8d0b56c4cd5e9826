import assert from "node:assert/strict";
import { test } from "node:test";
import { manualClock } from "../clock.ts";
import { ServiceError } from "../errors.ts";
import { cacheConformance } from "./conformance.ts";
import { memoryCache } from "./memory.ts";
import { answerCacheCall, type CacheCall, remoteCache } from "./remote.ts";

cacheConformance("a cache of another process", async ({ clock }) => {
  const kept = memoryCache({ clock });
  // As the channel between two processes does.
  const ask = async (call: CacheCall): Promise<unknown> =>
    JSON.parse(JSON.stringify(await answerCacheCall(kept, JSON.parse(JSON.stringify(call)))));
  return {
    cache: remoteCache(ask),
    other: remoteCache(ask),
    pass: (seconds) => clock.advance(seconds * 1000),
    cleanup: () => kept.close(),
  };
});

test("a cache whose process is gone is unavailable", async () => {
  const cache = remoteCache(() => Promise.reject(new Error("the other process is gone")));
  await assert.rejects(
    async () => cache.get("a"),
    (error) => ServiceError.is(error) && error.code === "unavailable",
  );
  assert.equal((await answerCacheCall(memoryCache({ clock: manualClock() }), call("check"))).wrong, undefined);
});

const call = (method: CacheCall["method"]): CacheCall => ({
  method,
  key: "",
  value: "",
  old: "",
  by: 0,
  ttlSeconds: 1,
});
