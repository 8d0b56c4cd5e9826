import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Cache } from "../cache/cache.ts";
import { memoryCache } from "../cache/memory.ts";
import { manualClock } from "../clock.ts";
import { ServiceError } from "../errors.ts";
import { type Logger, silentLogger } from "../telemetry/log.ts";
import { networkOf, type Throttle, type ThrottleOptions, throttle } from "./throttle.ts";
import { sharedThrottle } from "./throttle-shared.ts";

/** Seconds to wait, or 0 when the try is admitted (and left standing as a failure). */
async function tried(gate: Throttle, account: string, address?: string): Promise<number> {
  try {
    await gate.attempt(account, address);
    return 0;
  } catch (error) {
    assert.ok(ServiceError.is(error) && error.code === "too-many-requests");
    return Number(error.headers["retry-after"]);
  }
}

async function fail(gate: Throttle, times: number, account: string, address?: string): Promise<void> {
  for (let n = 0; n < times; n += 1) assert.equal(await tried(gate, account, address), 0, `try ${n + 1}`);
}

/** As if several processes used it. */
const shareable = (cache: Cache): Cache => ({ ...cache, capabilities: { shared: true } });

const implementations: Readonly<Record<string, (options: ThrottleOptions) => Throttle>> = {
  "in one process": throttle,
  "in a cache": (options) => {
    const cache = shareable(memoryCache({ clock: options.clock ?? assert.fail(), maxBytes: 1e9 }));
    const gates = Array.from({ length: 2 }, () =>
      sharedThrottle({ ...options, cache, name: "test", log: silentLogger }),
    );
    let turn = 0;
    const next = () => gates[turn++ % gates.length] ?? assert.fail();
    return {
      attempt: (account, address) => next().attempt(account, address),
      welcome: (account, address) => next().welcome(account, address),
      forget: (account) => next().forget(account),
    };
  },
};

for (const [where, gateOf] of Object.entries(implementations)) {
  test(`after five failures the account waits, twice as long each time, up to fifteen minutes (${where})`, async () => {
    const clock = manualClock();
    const gate = gateOf({ clock });
    await fail(gate, 6, "camille");
    const waits: number[] = [];
    for (let n = 0; n < 8; n += 1) {
      const wait = await tried(gate, "camille");
      waits.push(wait);
      clock.advance(wait * 1000);
      await fail(gate, 1, "camille");
    }
    assert.deepEqual(waits, [15, 30, 60, 120, 240, 480, 900, 900]);
    assert.equal(await tried(gate, "other"), 0);
  });

  test(`tries in parallel are counted before they are judged (${where})`, async () => {
    const gate = gateOf({ clock: manualClock() });
    const admitted = (await Promise.all(Array.from({ length: 50 }, () => tried(gate, "camille")))).filter(
      (wait) => wait === 0,
    );
    assert.equal(admitted.length, 6);
  });

  test(`a good sign-in forgets the account's failures (${where})`, async () => {
    const gate = gateOf({ clock: manualClock() });
    await fail(gate, 5, "camille");
    await (await gate.attempt("camille", undefined)).succeeded();
    await fail(gate, 6, "camille");
    assert.ok((await tried(gate, "camille")) > 0);
  });

  test(`a try that could not be judged is not counted (${where})`, async () => {
    const gate = gateOf({ clock: manualClock() });
    for (let n = 0; n < 20; n += 1) await (await gate.attempt("camille", "192.0.2.1")).abandoned();
    await fail(gate, 6, "camille");
  });

  test(`one address that tries many accounts waits for all of them; others do not (${where})`, async () => {
    const gate = gateOf({ clock: manualClock() });
    for (let n = 0; n < 31; n += 1) assert.equal(await tried(gate, `account-${n}`, "192.0.2.1"), 0);
    assert.ok((await tried(gate, "fresh", "192.0.2.1")) > 0);
    assert.equal(await tried(gate, "fresh", "192.0.2.2"), 0);
  });

  test(`good sign-ins from one address, a hospital's, never lock it (${where})`, async () => {
    const gate = gateOf({ clock: manualClock() });
    for (let n = 0; n < 500; n += 1) await (await gate.attempt(`responder-${n}`, "192.0.2.1")).succeeded();
    assert.equal(await tried(gate, "next", "192.0.2.1"), 0);
  });

  test(`who signed in lately from an address stays reachable there while others hammer the account (${where})`, async () => {
    const gate = gateOf({ clock: manualClock() });
    await (await gate.attempt("responder", "192.0.2.1")).succeeded();
    await fail(gate, 6, "responder", "198.51.100.7");
    assert.ok((await tried(gate, "responder", "198.51.100.7")) > 0);
    assert.ok((await tried(gate, "responder", "203.0.113.9")) > 0);
    assert.equal(await tried(gate, "responder", "192.0.2.1"), 0);
    await fail(gate, 5, "responder", "192.0.2.1");
    assert.ok((await tried(gate, "responder", "192.0.2.1")) > 0, "also there, failures count");
  });

  test(`failures are forgotten after an hour without any (${where})`, async () => {
    const clock = manualClock();
    const gate = gateOf({ clock });
    await fail(gate, 5, "camille");
    clock.advance(3600_000);
    await fail(gate, 6, "camille");
  });

  test(`an owner who proved themselves otherwise is not held up by what others do from elsewhere (${where})`, async () => {
    const gate = gateOf({ clock: manualClock() });
    await fail(gate, 6, "camille", "192.0.2.1");
    assert.ok((await tried(gate, "camille", "198.51.100.7")) > 0);
    await gate.welcome("camille", "198.51.100.7");
    await fail(gate, 6, "camille", "198.51.100.7");
    assert.ok((await tried(gate, "camille", "198.51.100.7")) > 0, "and guesses no more freely than before");
    assert.ok((await tried(gate, "camille", "203.0.113.9")) > 0, "others wait on");
  });
}

test("memory is bounded: the account tried longest ago is forgotten", async () => {
  const gate = throttle({ clock: manualClock(), maxEntries: 100 });
  await fail(gate, 6, "camille");
  for (let n = 0; n < 100; n += 1) await tried(gate, `spray-${n}`);
  assert.equal(await tried(gate, "camille"), 0);
});

test("IPv6 addresses count by their /64, and IPv4 ones written as IPv6 as themselves", () => {
  assert.equal(networkOf("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  assert.equal(networkOf("2001:0DB8:1:2::1"), networkOf("2001:db8:1:2:ffff:ffff:ffff:ffff"));
  assert.equal(networkOf("2001:db8::1"), "2001:db8:0:0::/64");
  assert.equal(networkOf("::1"), "0:0:0:0::/64");
  assert.equal(networkOf("fe80::1%eth0"), "fe80:0:0:0::/64");
  assert.equal(networkOf("::ffff:192.0.2.1"), "192.0.2.1");
  assert.equal(networkOf("192.0.2.1"), "192.0.2.1");
  fc.assert(fc.property(fc.ipV6(), (address) => assert.match(networkOf(address), /^[0-9a-f:.]+(\/64)?$/)));
  fc.assert(fc.property(fc.string(), (address) => assert.equal(typeof networkOf(address), "string")));
});

type Step =
  | {
      readonly kind: "try";
      readonly account: string;
      readonly address: string | undefined;
      readonly end: "good" | "bad" | "unjudged";
    }
  | { readonly kind: "welcome"; readonly account: string; readonly address: string | undefined }
  | { readonly kind: "forget"; readonly account: string }
  | { readonly kind: "pass"; readonly seconds: number };

const account = fc.constantFrom("camille", "sam", "noor");
const address = fc.constantFrom("192.0.2.1", "192.0.2.2", "2001:db8::1", undefined);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("try" as const),
      account,
      address,
      end: fc.constantFrom("good" as const, "bad" as const, "bad" as const, "bad" as const, "unjudged" as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("welcome" as const), account, address }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("forget" as const), account }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("pass" as const),
      seconds: fc.constantFrom(1, 10, 20, 100, 1000, 4000, 3_000_000),
    }),
  },
);

test("any history has the same outcome over several instances as in one process", async () => {
  const limits = {
    account: { free: 2, lockMs: 15_000, maxLockMs: 100_000, windowMs: 3600_000 },
    address: { free: 4, lockMs: 10_000, maxLockMs: 60_000, windowMs: 600_000 },
  };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const clock = manualClock();
      const gates = Object.values(implementations).map((gateOf) => gateOf({ clock, ...limits }));
      for (const each of steps) {
        if (each.kind === "pass") clock.advance(each.seconds * 1000);
        const outcomes = await Promise.all(
          gates.map(async (gate) => {
            if (each.kind === "welcome") await gate.welcome(each.account, each.address);
            if (each.kind === "forget") await gate.forget(each.account);
            if (each.kind !== "try") return undefined;
            try {
              const attempt = await gate.attempt(each.account, each.address);
              if (each.end === "good") await attempt.succeeded();
              if (each.end === "unjudged") await attempt.abandoned();
              return 0;
            } catch (error) {
              return ServiceError.is(error) ? Number(error.headers["retry-after"]) : assert.fail();
            }
          }),
        );
        assert.equal(outcomes[1], outcomes[0], JSON.stringify(each));
      }
    }),
    { numRuns: 300 },
  );
});

test("while the cache is away each process counts for itself, says so once a minute, and the common count goes on behind it", async () => {
  const clock = manualClock();
  const kept = memoryCache({ clock });
  let isAway = false;
  const guard =
    <A extends readonly unknown[], T>(call: (...args: A) => T) =>
    (...args: A): T => {
      if (isAway) throw new ServiceError("unavailable");
      return call(...args);
    };
  const cache = shareable({
    ...kept,
    get: guard(kept.get),
    add: guard(kept.add),
    replace: guard(kept.replace),
    delete: guard(kept.delete),
  });
  const warnings: (string | undefined)[] = [];
  const log: Logger = { ...silentLogger, warn: (_, message) => void warnings.push(message) };
  const gates = Array.from({ length: 2 }, () => sharedThrottle({ clock, cache, name: "test", log }));
  const [one = assert.fail(), two = assert.fail()] = gates;
  await fail(one, 3, "camille");
  await fail(two, 3, "camille");
  const begun = await one.attempt("sam", "192.0.2.1");
  assert.equal(await tried(one, "camille"), 15);
  isAway = true;
  await begun.succeeded();
  await fail(one, 6, "camille", "192.0.2.1");
  assert.ok((await tried(one, "camille", "192.0.2.1")) > 0, "not wide open");
  assert.equal(await tried(two, "camille", "192.0.2.1"), 0, "nor closed: the other counts for itself");
  assert.deepEqual(warnings, [
    "tries are counted by this process alone: the cache cannot be reached",
    "tries are counted by this process alone: the cache cannot be reached",
  ]);
  await assert.rejects(async () => two.forget("camille"), /unavailable/);
  clock.advance(60_000);
  await tried(one, "noor");
  assert.equal(warnings.length, 3);
  isAway = false;
  assert.equal(await tried(two, "camille"), 0);
  assert.equal(await tried(one, "camille"), 30, "the seventh failure of both");
});

test("what a shared cache keeps names neither accounts nor addresses, and goes by itself", async () => {
  const clock = manualClock();
  const kept = memoryCache({ clock });
  const seen: string[] = [];
  const cache = shareable({
    ...kept,
    add(key, value, ttlSeconds) {
      seen.push(`${key} ${value}`);
      assert.ok(ttlSeconds <= 30 * 86_400);
      return kept.add(key, value, ttlSeconds);
    },
    replace(key, old, value, ttlSeconds) {
      seen.push(`${key} ${value}`);
      return kept.replace(key, old, value, ttlSeconds);
    },
  });
  const gate = sharedThrottle({ clock, cache, name: "test", log: silentLogger });
  await (await gate.attempt("camille", "192.0.2.1")).succeeded();
  await fail(gate, 3, "camille", "192.0.2.2");
  await gate.welcome("camille", "2001:db8::1");
  assert.ok(seen.length > 5);
  assert.doesNotMatch(seen.join("\n"), /camille|192\.0|2001/);
  for (let n = 0; n < 100; n += 1) await gate.welcome("camille", `192.0.2.${n}`);
  assert.ok((seen.at(-1)?.length ?? 0) < 3_000, "networks of one account are bounded");
});
