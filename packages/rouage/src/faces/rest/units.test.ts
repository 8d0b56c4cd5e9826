import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { memoryCache } from "../../cache/memory.ts";
import { manualClock } from "../../clock.ts";
import { ServiceError } from "../../errors.ts";
import { createNegotiator } from "./accept.ts";
import { requestIdOf, traceIdOf } from "./correlation.ts";
import { fromWebRequest, toFetch } from "./fetch.ts";
import { testFace } from "./fixture.ts";
import { createHttpDate } from "./http-date.ts";
import { deeperThan } from "./json-depth.ts";
import { memoryNonces, sharedNonces } from "./nonces.ts";
import { parameterNames, parseQueryString } from "./query-string.ts";
import { createRouter } from "./router.ts";

test("the router prefers literal text and falls back to parameters, for each method", () => {
  const router = createRouter<string>();
  router.add("GET", "/a/me", "me");
  router.add("GET", "/a/{id}", "one");
  router.add("PUT", "/a/{id}", "put");
  router.add("GET", "/a/{id}/b", "below");
  router.add("GET", "/a/{id}/{other}", "any");
  router.add("GET", "/s/{name}@{time}", "snapshot");
  assert.equal(router.find("GET", "/a/me")?.value, "me");
  assert.deepEqual(router.find("PUT", "/a/me"), { value: "put", params: { id: "me" } });
  assert.deepEqual(router.find("GET", "/a/me/b"), { value: "below", params: { id: "me" } });
  assert.deepEqual(router.find("GET", "/a/x/c"), { value: "any", params: { id: "x", other: "c" } });
  assert.deepEqual(router.find("GET", "/s/x@12"), { value: "snapshot", params: { name: "x", time: "12" } });
  assert.equal(router.find("GET", "/s/x"), undefined);
  assert.equal(router.find("GET", "/a/"), undefined);
  assert.equal(router.find("GET", "/a//b"), undefined);
  assert.deepEqual([...router.all("/a/me").keys()].toSorted(), ["GET", "PUT"]);
});

test("the router decodes parameters, and an encoded slash stays inside its segment", () => {
  const router = createRouter<string>();
  router.add("GET", "/caf\u00e9/{id}", "found");
  assert.deepEqual(router.find("GET", "/caf%C3%A9/a%2Fb")?.params, { id: "a/b" });
  assert.equal(router.find("GET", "/caf%C3%A9/a/b"), undefined);
});

test("a registered path is found again with its parameters, whatever they are", () => {
  const router = createRouter<number>();
  router.add("GET", "/v1/people/{people_id}/positions/{id}", 1);
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (person, id) => {
      fc.pre(person.isWellFormed() && id.isWellFormed() && !`${person}${id}`.includes("\0"));
      const path = `/v1/people/${encodeURIComponent(person)}/positions/${encodeURIComponent(id)}`;
      assert.deepEqual(router.find("GET", path)?.params, { people_id: person, id });
    }),
  );
});

test("a parameter name can't occur twice in a path, nor a path twice for a method", () => {
  const router = createRouter<number>();
  assert.throws(() => router.add("GET", "/{a}/{a}", 1), /twice/);
  router.add("GET", "/x", 1);
  assert.throws(() => router.add("GET", "/x", 1), /GET \/x is registered twice/);
});

test("RFC 9110 §5.6.7 HTTP dates are truncated to the second; a revision beyond the calendar gets the last one", () => {
  const date = createHttpDate();
  assert.equal(date(784_111_777_999), "Sun, 06 Nov 1994 08:49:37 GMT");
  assert.equal(date(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
  assert.equal(date(Number.MAX_SAFE_INTEGER), "Fri, 31 Dec 9999 23:59:59 GMT");
  for (let second = 0; second < 10_000; second++)
    assert.equal(date(second * 1000), new Date(second * 1000).toUTCString());
});

test("nesting is told without parsing, and agrees with what parsing would find", () => {
  const depthOf = (value: unknown): number =>
    typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 8 }), fc.integer({ min: 0, max: 8 }), fc.boolean(), (value, limit, pretty) => {
      assert.equal(deeperThan(JSON.stringify(value, null, pretty ? 2 : 0), limit), depthOf(value) > limit);
    }),
    { numRuns: 500 },
  );
  assert.equal(deeperThan("[".repeat(1_000_000), 64), true);
  assert.equal(deeperThan(`["${"\\".repeat(999_999)}[[[[[`, 3), false);
});

test("nonces are valid once, for a while, and bounded in number", () => {
  const clock = manualClock();
  const nonces = memoryNonces(clock, 600);
  const first = nonces.issue();
  assert.equal(nonces.consume(first), true);
  assert.equal(nonces.consume(first), false);
  const late = nonces.issue();
  clock.advance(600_000);
  assert.equal(nonces.consume(late), false);
  const oldest = nonces.issue();
  for (let count = 0; count < 10_000; count++) nonces.issue();
  assert.equal(nonces.consume(oldest), false);
});

test("nonces in a cache are valid once over all who share it, and go on for one process while it is away", async () => {
  const clock = manualClock();
  const cache = memoryCache({ clock });
  let isAway = false;
  const call = <T>(work: () => T): T => {
    if (isAway) throw new ServiceError("unavailable");
    return work();
  };
  const shared = {
    set: (key: string, value: string, ttl: number) => call(() => cache.set(key, value, ttl)),
    delete: (key: string) => call(() => cache.delete(key)),
  };
  const [one, two] = [sharedNonces(shared, clock, 600), sharedNonces(shared, clock, 600)];
  const first = await one.issue();
  assert.equal(await two.consume(first), true);
  assert.equal(await one.consume(first), false);
  const late = await two.issue();
  const kept = await two.issue();
  isAway = true;
  await assert.rejects(async () => one.consume(kept), /unavailable/);
  const own = await one.issue();
  assert.equal(await one.consume(own), true);
  isAway = false;
  assert.equal(await one.consume(kept), true);
  clock.advance(600_000);
  assert.equal(await one.consume(late), false);
});

test("RFC 9110 §12.5.1 Accept: the most specific range counts", () => {
  const negotiate = createNegotiator();
  assert.equal(negotiate("application/json;q=0, */*").json, false);
  assert.equal(negotiate("application/*;q=0, */*").json, false);
  assert.equal(negotiate("text/html;q=0.9, application/json;charset=utf-8;q=0.1").json, true);
  assert.deepEqual(negotiate("application/problem+json"), { json: true, problem: true, stream: false });
  assert.equal(negotiate("application/json, application/problem+json").problem, true);
  assert.equal(negotiate("application/json, application/problem+json;q=0.9").problem, false);
  assert.equal(negotiate("text/event-stream").stream, true);
  assert.equal(negotiate("text/event-stream;q=0.9, application/json").stream, false);
  fc.assert(fc.property(fc.string(), (header) => typeof negotiate(header).json === "boolean"));
});

test("W3C Trace Context §3.2 only valid traceparents name a trace", () => {
  const trace = "0af7651916cd43dd8448eb211c80319c";
  assert.equal(traceIdOf(`00-${trace}-b7ad6b7169203331-01`), trace);
  assert.equal(traceIdOf(`cc-${trace}-b7ad6b7169203331-01-what-the-future-holds`), trace);
  for (const bad of [
    undefined,
    "",
    `ff-${trace}-b7ad6b7169203331-01`,
    `00-${trace}-b7ad6b7169203331-01-x`,
    `00-${"0".repeat(32)}-b7ad6b7169203331-01`,
    `00-${trace}-${"0".repeat(16)}-01`,
    `00-${trace.toUpperCase()}-b7ad6b7169203331-01`,
  ])
    assert.equal(traceIdOf(bad), undefined, String(bad));
});

test("request ids that are made are UUIDs, each another", () => {
  assert.match(requestIdOf(undefined), /^[0-9a-f-]{36}$/);
  assert.notEqual(requestIdOf(undefined), requestIdOf(undefined));
});

test("query strings are taken apart as forms write them", () => {
  assert.deepEqual(parseQueryString("a=1&b=x+y%2B&c&=d&&e=f=g"), [
    ["a", "1"],
    ["b", "x y+"],
    ["c", ""],
    ["", "d"],
    ["e", "f=g"],
  ]);
  assert.equal(parameterNames("a=secret&b&a=2&=x"), "a,b");
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string({ minLength: 1 }), fc.string())), (pairs) => {
      fc.pre(pairs.flat().every((text) => text.isWellFormed()));
      assert.deepEqual(parseQueryString(new URLSearchParams(pairs).toString()), pairs);
    }),
  );
});

test("the web door: Request in, Response out, bodies and repeated headers included", async () => {
  const fetch = toFetch(testFace().handle);
  const hello = await fetch(new Request("http://kittens.example/v1/"));
  assert.equal(hello.status, 200);
  assert.equal(((await hello.json()) as { url: string }).url, "http://kittens.example/v1/");
  const missing = await fetch(new Request("http://kittens.example/v1/x", { method: "POST", body: "{}" }));
  assert.equal(missing.status, 404);
  const request = fromWebRequest(
    new Request("http://a.example/x?y=1", { method: "POST", body: "hello", headers: { "X-A": "1" } }),
  );
  assert.equal(request.url, "/x?y=1");
  assert.equal(request.header("x-a"), "1");
  assert.equal(new TextDecoder().decode(await request.body(5)), "hello");
  const large = fromWebRequest(new Request("http://a.example/", { method: "POST", body: "hello" }));
  await assert.rejects(large.body(4), { code: "body-too-large" });
  const broken = new ReadableStream({ pull: (controller) => controller.error(new Error("cable cut")) });
  const cut = new Request("http://a.example/", { method: "POST", body: broken, duplex: "half" } as RequestInit);
  await assert.rejects(fromWebRequest(cut).body(4), { code: "invalid-parameters" });
});
