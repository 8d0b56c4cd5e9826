import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import fc from "fast-check";
import { silentLogger } from "rouage";
import { syncProxy } from "./sync-proxy.ts";
import { revisionOf, secondsOf } from "./translate.ts";
import { startUpstream } from "./upstream.fixture.ts";

const records = "/v1/buckets/sync/collections/history/records";

async function started(t: TestContext) {
  const upstream = await startUpstream();
  const service = await syncProxy({ upstream: upstream.url, writable: ["history"] }).start({ log: silentLogger });
  t.after(async () => {
    await service.stop();
    await upstream.close();
  });
  const call = async (method: string, path: string, data?: object, headers: Record<string, string> = {}) => {
    const type: Record<string, string> = data === undefined ? {} : { "content-type": "application/json" };
    const response = await service.fetch(
      new Request(path.startsWith("http") ? path : `http://proxy.example${path}`, {
        method,
        headers: { authorization: "Hawk good", ...type, ...headers },
        body: data === undefined ? null : JSON.stringify({ data }),
      }),
    );
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === "" ? undefined : JSON.parse(text) };
  };
  const put = (id: string, payload = id) => call("PUT", `${records}/${id}`, { payload });
  return { upstream, call, put };
}

describe("the proxy", () => {
  test("shows the upstream's objects as records, times as revisions", async (t) => {
    const { call, put } = await started(t);
    await put("a", "{}");
    const { status, headers, body } = await call("GET", `${records}/a`);
    assert.equal(status, 200);
    assert.deepEqual(body, { data: { id: "a", last_modified: 1_700_000_001_500, payload: "{}" } });
    assert.equal(headers.get("etag"), '"1700000001500"');
    assert.equal(headers.get("last-modified"), "Tue, 14 Nov 2023 22:13:21 GMT");
  });

  test("follows the upstream's pages by Next-Page, and asks for what is newer", async (t) => {
    const { call, put } = await started(t);
    for (const id of ["a", "b", "c"]) await put(id);
    const first = await call("GET", `${records}?_limit=2&_sort=last_modified`);
    assert.deepEqual([first.body.data.length, first.headers.get("total-records")], [2, "3"]);
    const second = await call("GET", first.headers.get("next-page") ?? "");
    assert.deepEqual(
      [...first.body.data, ...second.body.data].map(({ id }) => id),
      ["a", "b", "c"],
    );
    assert.equal(second.headers.get("next-page"), null);
    const since = first.body.data[1].last_modified;
    const newer = await call("GET", `${records}?_since="${since}"`);
    assert.deepEqual(
      newer.body.data.map(({ id }: { id: string }) => id),
      ["c"],
    );
    assert.equal((await call("GET", `${records}?in_ids=a,c`)).body.data.length, 2);
  });

  test("passes conditions on: 304 for what is known, 412 for what has changed", async (t) => {
    const { call, put } = await started(t);
    const { headers } = await put("a");
    const etag = headers.get("etag") ?? "";
    const known = await call("GET", `${records}/a`, undefined, { "if-none-match": etag });
    assert.deepEqual([known.status, known.headers.get("etag")], [304, etag]);
    await put("a", "changed");
    const late = await call("PUT", `${records}/a`, { payload: "late" }, { "if-match": etag });
    assert.deepEqual([late.status, late.body.errno], [412, 114]);
    const again = await call("PUT", `${records}/a`, { payload: "new" }, { "if-none-match": "*" });
    assert.equal(again.status, 412);
    assert.equal((await call("GET", records, undefined, { "if-match": "yesterday" })).status, 400);
  });

  test("deletes, and writes only what it was allowed to", async (t) => {
    const { call, put } = await started(t);
    await put("a");
    assert.equal((await call("DELETE", `${records}/a`)).status, 204);
    assert.equal((await call("GET", `${records}/a`)).body.errno, 110);
    const closed = await call("PUT", records.replace("history", "passwords").concat("/a"), { payload: "" });
    assert.deepEqual([closed.status, closed.body.errno], [405, 115]);
  });

  test("turns the upstream's refusals into the protocol's errors", async (t) => {
    const { call, put, upstream } = await started(t);
    await put("a");
    assert.equal((await call("GET", records, undefined, { authorization: "Hawk bad" })).body.errno, 105);
    for (const [status, expected] of [
      [403, 403],
      [413, 413],
      [429, 429],
      [500, 503],
      [503, 503],
      [302, 503],
    ] as const) {
      upstream.failNext(status, { "retry-after": "7", location: "http://127.0.0.1:1/" });
      const { status: seen, body } = await call("GET", `${records}/a`);
      assert.deepEqual([seen, body.code], [expected, expected]);
    }
    upstream.failNext(503, { "retry-after": "7" });
    assert.equal((await call("GET", records)).headers.get("retry-after"), "7");
    upstream.failNext(200, { "x-weave-backoff": "11", "x-weave-alert": "soon over" });
    const { headers } = await call("GET", records);
    assert.deepEqual([headers.get("backoff"), headers.get("alert")], ["11", "soon over"]);
  });

  test("names what the upstream cannot do", async (t) => {
    const { call } = await started(t);
    for (const query of ["_sort=payload", "payload=x", "_since=yesterday", "_limit=-1"]) {
      const { status, body } = await call("GET", `${records}?${query}`);
      assert.deepEqual([status, body.errno], [400, 107], query);
    }
  });

  test("says when the upstream is gone, in the answer and in its health", async (t) => {
    const { call, upstream } = await started(t);
    assert.deepEqual((await call("GET", "/v1/__heartbeat__")).body, { cache: true, sync: true });
    await upstream.close();
    const { status, body } = await call("GET", records);
    assert.deepEqual([status, body.errno], [503, 201]);
    assert.equal((await call("GET", "/v1/__heartbeat__")).body.sync, false);
  });

  test("loses nothing of a time on the way there and back", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2_000_000_000_00 }), (hundredths) => {
        const seconds = (hundredths / 100).toFixed(2);
        assert.equal(secondsOf(revisionOf(seconds)), seconds);
      }),
    );
  });
});
