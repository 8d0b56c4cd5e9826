import assert from "node:assert/strict";
import { test } from "node:test";
import { manualClock } from "../clock.ts";
import { ServiceError } from "../errors.ts";
import { changingValues } from "./change.ts";
import { memoryCache } from "./memory.ts";

const clock = manualClock();
const plusOne = (old: string | undefined) => ({ value: String(Number(old ?? 0) + 1), ttlSeconds: 60 });
const isUnavailable = (error: unknown) => ServiceError.is(error) && error.code === "unavailable";

test("changes of one value by several users are all made, whoever was faster", async () => {
  const kept = memoryCache({ clock });
  let collisions = 0;
  // Others come between reading and keeping, as over a network.
  const slow = {
    get: async (key: string) => kept.get(key),
    add: async (key: string, value: string, ttl: number) => kept.add(key, value, ttl),
    async replace(key: string, old: string, value: string, ttl: number) {
      const isKept = await kept.replace(key, old, value, ttl);
      if (!isKept) collisions++;
      return isKept;
    },
  };
  const users = [changingValues(slow), changingValues(slow), changingValues(slow)];
  await Promise.all(Array.from({ length: 60 }, (_, n) => users[n % 3]?.("n", plusOne)));
  assert.equal(kept.get("n"), "60");
  assert.ok(collisions > 0);
});

test("a change may turn out to be none, and what it throws leaves the value as it is and lets the next one through", async () => {
  const cache = memoryCache({ clock });
  const change = changingValues(cache);
  await change("a", plusOne);
  await change("a", () => undefined);
  const refused = change("a", () => {
    throw new RangeError("no");
  });
  const next = change("a", plusOne);
  await assert.rejects(refused, RangeError);
  await next;
  assert.equal(cache.get("a"), "2");
});

test("a value that cannot be kept, or changes whenever it is looked at, is unavailable in the end", async () => {
  const small = changingValues(memoryCache({ clock, maxBytes: 200 }));
  await assert.rejects(
    small("a", () => ({ value: "x".repeat(200), ttlSeconds: 60 })),
    isUnavailable,
  );
  let n = 0;
  const restless = changingValues({ get: () => String(n++), add: () => false, replace: () => false });
  await assert.rejects(restless("a", plusOne), isUnavailable);
  assert.ok(n <= 1_000, "and not after ever");
});
