import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Type } from "typebox";
import { memoryCache } from "../../cache/memory.ts";
import { manualClock } from "../../clock.ts";
import { everyone } from "../../operations/access.ts";
import { resource } from "../../resource.ts";
import { route } from "../../route.ts";
import { parseRateLimit } from "../../settings/rate-limit.ts";
import { call, recordingLogger, resourceFace, testFace } from "./fixture.ts";

const anyone = { access: [everyone] };
const hi = route("GET", "/hi", { ...anyone, handler: () => "hi" });

describe("rate limits", () => {
  test("a caller over the quota of the service is refused until there is room again, and told when", async () => {
    const clock = manualClock(60_000 * 1000 + 15_000);
    const face = testFace({ clock, cache: memoryCache({ clock }), routes: [hi], settings: { rate_limit: "2/60" } });
    const first = await call(face, "GET", "/v1/hi");
    assert.equal(first.headers["ratelimit-policy"], '"default";q=2;w=60');
    assert.equal(first.headers.ratelimit, '"default";r=1;t=45');
    assert.match(String(first.headers["access-control-expose-headers"]), /, RateLimit-Policy, RateLimit$/);
    clock.advance(5000);
    assert.equal((await call(face, "GET", "/v1/hi")).headers.ratelimit, '"default";r=0;t=40');
    const over = await call(face, "GET", "/v1/hi");
    assert.equal(over.status, 429);
    assert.equal(over.json.errno, 117);
    assert.equal(over.headers["retry-after"], "40");
    assert.equal(over.headers.ratelimit, '"default";r=0;t=40');
    clock.advance(39_000);
    assert.equal((await call(face, "GET", "/v1/hi")).headers["retry-after"], "1");
    clock.advance(1000);
    const later = await call(face, "GET", "/v1/hi");
    assert.equal(later.status, 200, "what was refused did not count");
    assert.equal(later.headers.ratelimit, '"default";r=0;t=30', "half a minute on, half of the last two count");
  });

  test("the whole quota at the end of one window leaves next to nothing at the start of the next", async () => {
    const clock = manualClock(59_999);
    const face = testFace({ clock, cache: memoryCache({ clock }), routes: [hi], settings: { rate_limit: "60/60" } });
    const served = async () => {
      let count = 0;
      while ((await call(face, "GET", "/v1/hi")).status === 200) count++;
      return count;
    };
    assert.equal(await served(), 60);
    clock.advance(2);
    assert.equal(await served(), 1);
    clock.advance(30_000);
    assert.equal(await served(), 30);
  });

  test("callers are told apart by principal, those not known by address", async () => {
    const clock = manualClock();
    const face = testFace({ clock, cache: memoryCache({ clock }), routes: [hi], settings: { rate_limit: "1/60" } });
    const statuses = [];
    for (const as of [undefined, "tom", "ann", undefined, "tom"])
      statuses.push((await call(face, "GET", "/v1/hi", as === undefined ? {} : { as })).status);
    assert.deepEqual(statuses, [200, 200, 200, 429, 429]);
  });

  test("resources and routes may have limits of their own, beside the service's", async () => {
    const clock = manualClock();
    const kittens = resource("kittens", {
      schema: Type.Object({}),
      access: { read: [everyone], create: [everyone] },
      rateLimit: "2/10",
    });
    const face = await resourceFace([kittens], {
      clock,
      cache: memoryCache({ clock }),
      routes: [route("GET", "/hi", { ...anyone, rateLimit: "1/3600", handler: () => "hi" })],
      settings: { rate_limit: "100/60" },
    });
    const list = await call(face, "GET", "/v1/kittens");
    assert.equal(list.headers["ratelimit-policy"], '"default";q=100;w=60, "kittens";q=2;w=10');
    assert.equal(list.headers.ratelimit, '"default";r=99;t=60, "kittens";r=1;t=10');
    await call(face, "POST", "/v1/kittens", { body: { data: {} } });
    assert.equal((await call(face, "GET", "/v1/kittens/tom")).status, 429);
    const greeted = await call(face, "GET", "/v1/hi");
    assert.equal(greeted.headers.ratelimit, '"default";r=97;t=60, "GET /hi";r=0;t=3600');
    const again = await call(face, "GET", "/v1/hi");
    assert.equal(again.status, 429);
    assert.equal(again.headers["retry-after"], "3600");
    assert.equal((await call(face, "GET", "/v1/")).status, 200);
  });

  test("probes are never counted, and without a limit nothing is", async () => {
    const clock = manualClock();
    const counted = { increment: () => assert.fail("counted"), get: () => assert.fail("counted") };
    const free = testFace({ clock, cache: counted, routes: [hi] });
    const { status, headers } = await call(free, "GET", "/v1/hi");
    assert.equal(status, 200);
    assert.equal("ratelimit" in headers, false);
    const limited = testFace({ clock, cache: counted, settings: { rate_limit: "1/60" } });
    assert.equal((await call(limited, "GET", "/v1/__heartbeat__")).status, 200);
  });

  test("a cache that cannot count lets requests pass; the log says so once a minute", async () => {
    const clock = manualClock();
    for (const increment of [
      () => Promise.reject(new Error("gone")),
      () => {
        throw new Error("gone");
      },
    ]) {
      const log = recordingLogger();
      const face = testFace({
        clock,
        log,
        cache: { increment, get: () => undefined },
        routes: [hi],
        settings: { rate_limit: "1/60" },
      });
      for (let index = 0; index < 3; index++) assert.equal((await call(face, "GET", "/v1/hi")).status, 200);
      const warnings = () => log.lines.filter(({ level }) => level === "warn").length;
      assert.equal(warnings(), 1);
      clock.advance(60_000);
      await call(face, "GET", "/v1/hi");
      assert.equal(warnings(), 2);
    }
  });

  test("of requests at any times those are served that two windows leave room for, and what is announced comes true", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 30 }),
        fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 20_000 })), { maxLength: 40 }),
        async (quota, windowSeconds, pauses) => {
          const clock = manualClock(0);
          const settings = { rate_limit: `${quota}/${windowSeconds}` };
          const face = testFace({ clock, cache: memoryCache({ clock }), routes: [hi], settings });
          const length = windowSeconds * 1000;
          const served: number[] = [];
          /** Of all that was served, each with the weight that it has at a moment. */
          const room = (at: number): number => {
            const window = Math.floor(at / length);
            const weights = served.map((time) => {
              const age = window - Math.floor(time / length);
              if (age === 0) return 1;
              return age === 1 ? (length - 1 - (at % length)) / length : 0;
            });
            return Math.max(0, Math.ceil(quota - weights.reduce((sum, each) => sum + each, 0)));
          };
          for (const pause of pauses) {
            clock.advance(pause);
            const now = clock.now();
            const isFree = room(now) > 0;
            const { status, headers } = await call(face, "GET", "/v1/hi");
            assert.equal(status, isFree ? 200 : 429);
            if (isFree) served.push(now);
            const [, left, more] = /^"default";r=(\d+);t=(\d+)$/.exec(String(headers.ratelimit)) ?? [];
            assert.equal(Number(left), room(now));
            if (!isFree) assert.equal(headers["retry-after"], more);
            const seconds = Number(more) * 1000;
            assert.ok(room(now + seconds) > Number(left), "then there is more");
            assert.equal(room(now + seconds - 1000), Number(left), "and a second earlier there was not");
          }
          for (const from of served) {
            const within = (span: number) => served.filter((time) => time >= from && time <= from + span).length;
            assert.ok(within(length - 1) <= 2 * quota);
            for (const span of [0, 10, length / 4, length / 2])
              assert.ok(within(span) <= quota * (1 + (span + 1) / length) + 1, `${within(span)} within ${span} ms`);
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  test("what is no limit is refused where it is declared", () => {
    for (const text of ["", "0/60", "10", "10/0", "1.5/60", "ten/60", "10/60s"]) {
      assert.throws(() => parseRateLimit(text), /expected "REQUESTS\/SECONDS"/);
      assert.throws(() => resource("kittens", { schema: Type.Object({}), rateLimit: text }), /rateLimit must be/);
    }
  });
});
