import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { manualClock } from "../clock.ts";
import { cacheConformance } from "./conformance.ts";
import { memoryCache } from "./memory.ts";

cacheConformance("memory", async ({ clock }) => {
  const cache = memoryCache({ clock });
  return { cache, pass: (seconds) => clock.advance(seconds * 1000), cleanup: () => cache.close() };
});

test("the value used least recently goes first when room is needed", () => {
  let evicted = 0;
  const cache = memoryCache({
    clock: manualClock(),
    maxBytes: 3 * 104,
    onEvict: (count) => {
      evicted += count;
    },
  });
  for (const key of ["a", "b", "c"]) cache.set(key, "1", 60);
  cache.get("a");
  cache.set("d", "1", 60);
  assert.deepEqual(
    ["a", "b", "c", "d"].map((key) => cache.get(key)),
    ["1", undefined, "1", "1"],
  );
  assert.equal(evicted, 1);
});

test("a value larger than the cache is not kept, and takes nothing else away", () => {
  const cache = memoryCache({ clock: manualClock(), maxBytes: 300 });
  cache.set("a", "1", 60);
  cache.set("b", "x".repeat(200), 60);
  assert.equal(cache.get("b"), undefined);
  assert.equal(cache.add("b", "x".repeat(200), 60), false);
  assert.equal(cache.get("a"), "1");
});

type Step =
  | { readonly kind: "set" | "add"; readonly key: string; readonly value: string; readonly ttl: number }
  | {
      readonly kind: "replace";
      readonly key: string;
      readonly old: string;
      readonly value: string;
      readonly ttl: number;
    }
  | { readonly kind: "get" | "delete"; readonly key: string }
  | { readonly kind: "expire"; readonly key: string; readonly ttl: number }
  | { readonly kind: "increment"; readonly key: string; readonly by: number; readonly ttl: number }
  | { readonly kind: "pass"; readonly seconds: number };

const key = fc.constantFrom("a", "b", "c", "d", "e");
const ttl = fc.integer({ min: 1, max: 20 });
const small = fc.integer({ min: 0, max: 3 }).map(String);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constantFrom("set" as const, "add" as const),
    key,
    value: fc.oneof(small, fc.integer({ min: 0, max: 1000 }).map(String)),
    ttl,
  }),
  fc.record({ kind: fc.constant("replace" as const), key, old: small, value: small, ttl }),
  fc.record({ kind: fc.constantFrom("get" as const, "delete" as const), key }),
  fc.record({ kind: fc.constant("expire" as const), key, ttl }),
  fc.record({ kind: fc.constant("increment" as const), key, by: fc.integer({ min: -5, max: 5 }), ttl }),
  fc.record({ kind: fc.constant("pass" as const), seconds: fc.integer({ min: 0, max: 15 }) }),
);

test("any sequence of calls answers as a list in the order of use would, and stays within its bytes", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 100, max: 600 }), (steps, maxBytes) => {
      const clock = manualClock(0);
      const cache = memoryCache({ clock, maxBytes });
      let model: { key: string; value: string; expires: number }[] = [];
      const size = () => model.reduce((sum, entry) => sum + 2 * (entry.key.length + entry.value.length) + 100, 0);
      const find = (wanted: string) => model.find((entry) => entry.key === wanted && entry.expires > clock.now());
      const without = (wanted: string) => model.filter((entry) => entry.key !== wanted);
      const keep = (entry: (typeof model)[number]): boolean => {
        const rest = without(entry.key);
        model = [entry];
        const fits = size() <= maxBytes;
        model = fits ? [...rest, entry] : rest;
        while (size() > maxBytes) model = model.slice(1);
        return fits;
      };
      for (const each of steps) {
        if (each.kind === "pass") {
          clock.advance(each.seconds * 1000);
          continue;
        }
        const found = find(each.key);
        const expires = clock.now() + ("ttl" in each ? each.ttl : 0) * 1000;
        if (found === undefined) model = without(each.key);
        switch (each.kind) {
          case "set":
            cache.set(each.key, each.value, each.ttl);
            keep({ key: each.key, value: each.value, expires });
            break;
          case "add":
            assert.equal(
              cache.add(each.key, each.value, each.ttl),
              found === undefined && keep({ key: each.key, value: each.value, expires }),
            );
            break;
          case "replace":
            assert.equal(
              cache.replace(each.key, each.old, each.value, each.ttl),
              found?.value === each.old && keep({ key: each.key, value: each.value, expires }),
            );
            break;
          case "get":
            assert.equal(cache.get(each.key), found?.value);
            if (found !== undefined) model = [...without(each.key), found];
            break;
          case "delete":
            assert.equal(cache.delete(each.key), found?.value);
            model = without(each.key);
            break;
          case "expire":
            cache.expire(each.key, each.ttl);
            if (found !== undefined) found.expires = expires;
            break;
          case "increment": {
            const sum = Number(found?.value ?? 0) + each.by;
            assert.equal(cache.increment(each.key, each.by, each.ttl), sum);
            keep({ key: each.key, value: String(sum), expires: found?.expires ?? expires });
            break;
          }
        }
        assert.ok(size() <= maxBytes);
      }
      for (const name of ["a", "b", "c", "d", "e"]) {
        const left = find(name);
        assert.equal(cache.ttl(name), left === undefined ? undefined : (left.expires - clock.now()) / 1000);
      }
    }),
    { numRuns: 500 },
  );
});
