import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Type } from "typebox";
import { manualClock } from "../../clock.ts";
import { everyone } from "../../operations/access.ts";
import { resource } from "../../resource.ts";
import { type RouteOptions, reply, route } from "../../route.ts";
import { call, resourceFace, testFace } from "./fixture.ts";

type Deprecated = NonNullable<RouteOptions<string, undefined, undefined>["deprecated"]>;
const old = (deprecated: Deprecated) =>
  route("GET", "/old", {
    access: [everyone],
    deprecated,
    handler: () => reply(200, {}, { link: '</new>; rel="next"' }),
  });

describe("what is deprecated is announced", () => {
  test("a route, on every answer, errors too", async () => {
    const face = testFace({
      routes: [old({ since: "2026-01-01", sunset: "2026-07-01T12:00:00Z", link: "https://docs.example/old" })],
    });
    for (const method of ["GET", "HEAD"]) {
      const { headers } = await call(face, method, "/v1/old");
      assert.equal(headers.deprecation, "@1767225600");
      assert.equal(headers.sunset, "Wed, 01 Jul 2026 12:00:00 GMT");
      assert.equal(
        headers.link,
        '</new>; rel="next", <https://docs.example/old>; rel="deprecation", <https://docs.example/old>; rel="sunset"',
      );
      assert.deepEqual(JSON.parse(String(headers.alert)), {
        code: "soft-eol",
        message: "GET /old is deprecated",
        url: "https://docs.example/old",
      });
      assert.match(String(headers["access-control-expose-headers"]), /, Deprecation, Sunset, Link$/);
    }
    const refused = await call(face, "GET", "/v1/old", { as: "!" });
    assert.equal(refused.status, 401);
    assert.equal(refused.headers.deprecation, "@1767225600");
    assert.equal("deprecation" in (await call(face, "GET", "/v1/")).headers, false);
  });

  test("a parameter of a route that its schema calls deprecated, and those of the protocol, where they are used", async () => {
    const query = Type.Object({ q: Type.Optional(Type.String({ deprecated: true })) });
    const kittens = resource("kittens", { schema: Type.Object({}), access: { read: [everyone] } });
    const face = await resourceFace([kittens], {
      routes: [route("GET", "/search", { access: [everyone], query, handler: () => "found" })],
    });
    for (const [path, message] of [
      ["/v1/search?q=1", /^q is deprecated$/],
      ["/v1/kittens?_to=123", /_before/],
    ] as const) {
      const { headers } = await call(face, "GET", path);
      assert.match(JSON.parse(String(headers.alert)).message, message);
      assert.equal(headers.deprecation, "@1451606400");
      assert.equal("sunset" in headers || "link" in headers, false);
    }
    assert.equal("deprecation" in (await call(face, "GET", "/v1/search")).headers, false);
  });

  test("the end of the service, before anything else", async () => {
    const settings = { eos: "2026-03-01", eos_announced: "2026-01-15", eos_url: "https://bye.example" };
    const clock = manualClock(Date.UTC(2026, 1, 1));
    const face = testFace({ clock, settings, routes: [old({ since: "2020-01-01" })] });
    for (const path of ["/v1/", "/v1/old", "/v1/nothing"]) {
      const { headers } = await call(face, "GET", path);
      assert.equal(headers.deprecation, `@${Date.UTC(2026, 0, 15) / 1000}`);
      assert.equal(headers.sunset, "Sun, 01 Mar 2026 00:00:00 GMT");
      assert.match(
        String(headers.link),
        /<https:\/\/bye.example>; rel="deprecation", <https:\/\/bye.example>; rel="sunset"$/,
      );
      assert.equal(JSON.parse(String(headers.alert)).url, "https://bye.example");
    }
    const since = testFace({ clock, settings: { eos: "2026-03-01" } });
    clock.advance(10_000);
    assert.equal((await call(since, "GET", "/v1/")).headers.deprecation, `@${Date.UTC(2026, 1, 1) / 1000}`);
    clock.set(Date.UTC(2026, 5, 1));
    const over = testFace({ clock, settings: { eos: "2026-03-01" } });
    const gone = await call(over, "GET", "/v1/");
    assert.equal(gone.status, 410);
    assert.equal(gone.headers.deprecation, `@${Date.UTC(2026, 2, 1) / 1000}`, "not later than the sunset");
  });

  test("dates and links that HTTP cannot carry stop the start", () => {
    const face = (deprecated: Deprecated) => () => testFace({ routes: [old(deprecated)] });
    assert.throws(face({ since: "soon" }), /route GET \/old: deprecated.since: expected an ISO date/);
    assert.throws(face({ since: "2026-01-01", sunset: "later" }), /deprecated.sunset: expected an ISO date/);
    assert.throws(face({ since: "2026-01-01", sunset: "2025-01-01" }), /deprecated.sunset is before since/);
    assert.throws(face({ since: "2026-01-01", link: "a b>" }), /deprecated.link must be a URL/);
    assert.throws(() => testFace({ settings: { eos: "2026-01-01", eos_announced: "x" } }), /eos_announced/);
  });
});
