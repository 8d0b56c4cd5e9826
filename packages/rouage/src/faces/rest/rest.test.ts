/** PROTOCOL §1.1–1.4 and §1.21: what holds for every request, whatever it asks for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { manualClock } from "../../clock.ts";
import { ServiceError } from "../../errors.ts";
import { authenticated, everyone, owner } from "../../operations/access.ts";
import { type Route, reply, route } from "../../route.ts";
import { call, namedCaller, recordingLogger, testFace, testRequest } from "./fixture.ts";

const get = (path: string, handler: (context: never) => unknown, options: object = {}): Route =>
  route("GET", path, { access: [everyone], handler: handler as () => unknown, ...options });

const ping = get("/ping", () => ({ pong: true }));

test("§1.1 every response carries the standard headers, errors too", async () => {
  const face = testFace({ routes: [ping] });
  for (const url of ["/v1/ping", "/v1/nothing", "/v2/", "/ping"]) {
    const { headers } = await call(face, "GET", url);
    assert.equal(headers["x-content-type-options"], "nosniff");
    assert.equal(headers["content-security-policy"], "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; ");
    assert.match(
      String(headers["access-control-expose-headers"]),
      /^Backoff, Retry-After, Alert, Content-Length, Content-Type/,
    );
    assert.ok(headers["x-request-id"]);
  }
});

test("§1.1 a Content-Security-Policy of the handler is kept", async () => {
  const face = testFace({
    routes: [get("/page", () => reply(200, "x", { "Content-Security-Policy": "default-src 'self'" }))],
  });
  assert.equal((await call(face, "GET", "/v1/page")).headers["content-security-policy"], "default-src 'self'");
});

test("§1.1 a path without version is redirected to the one with it, query kept", async () => {
  const face = testFace();
  const { status, headers } = await call(face, "GET", "/kittens/1?a=1&b=%20");
  assert.equal(status, 307);
  assert.equal(headers.location, "/v1/kittens/1?a=1&b=%20");
  assert.equal("cache-control" in headers, false);
  const cached = testFace({ settings: { version_prefix_redirect_ttl_seconds: 60 } });
  assert.equal((await call(cached, "GET", "/x")).headers["cache-control"], "max-age=60");
  assert.equal((await call(face, "GET", "/")).headers.location, "/v1/");
  const off = testFace({ settings: { version_prefix_redirect_enabled: false } });
  assert.equal((await call(off, "GET", "/x")).status, 404);
});

test("§1.1 OPTIONS on a path without version is a plain 200", async () => {
  const { status, text } = await call(testFace(), "OPTIONS", "/kittens");
  assert.equal(status, 200);
  assert.equal(text, "");
});

test("§1.1 a trailing slash is redirected away, with its time to live", async () => {
  const clock = manualClock(Date.UTC(2026, 0, 1));
  const face = testFace({ clock, routes: [ping, get("/shop", () => "x", { unversioned: true })] });
  const { status, headers } = await call(face, "GET", "/v1/ping/?x=1");
  assert.equal(status, 307);
  assert.equal(headers.location, "/v1/ping?x=1");
  assert.equal(headers["cache-control"], "max-age=3600");
  assert.equal(headers.expires, "Thu, 01 Jan 2026 01:00:00 GMT");
  assert.equal((await call(face, "GET", "/v1")).headers.location, "/v1/");
  assert.equal((await call(face, "GET", "/shop/")).headers.location, "/shop");
  const off = testFace({ routes: [ping], settings: { trailing_slash_redirect_enabled: false } });
  assert.equal((await call(off, "GET", "/v1/ping/")).status, 404);
});

test("§1.1 a path that itself ends with a slash is served", async () => {
  const face = testFace({ routes: [get("/ping/", () => "slash", { unversioned: true })] });
  assert.equal((await call(face, "GET", "/ping/")).json, "slash");
});

test("no redirect leads to another host", async () => {
  const face = testFace({ routes: [get("/{a}/{b}", () => 1, { unversioned: true })] });
  for (const url of [
    "//evil.example/",
    "//evil.example//",
    "/v1//evil.example/",
    "//evil.example",
    "http://evil.example//x/",
  ]) {
    const location = String((await call(face, "GET", url)).headers.location ?? "");
    assert.ok(location === "" || /^\/[^/]/.test(location), `${url} → ${location}`);
  }
});

test("§1.4 an unknown version is 404 errno 116, an unknown path 404 errno 111", async () => {
  const face = testFace();
  const version = await call(face, "GET", "/v7/kittens");
  assert.equal(version.status, 404);
  assert.equal(version.json.errno, 116);
  const path = await call(face, "GET", "/v1/nothing");
  assert.deepEqual(path.json, {
    code: 404,
    errno: 111,
    error: "Not Found",
    message: "The resource you are looking for could not be found.",
  });
});

test("§1.4 another method is 405 errno 115 with Allow", async () => {
  const face = testFace({ routes: [ping, route("POST", "/ping", { access: [everyone], handler: () => 1 })] });
  const { status, json, headers } = await call(face, "PUT", "/v1/ping");
  assert.equal(status, 405);
  assert.equal(json.errno, 115);
  assert.equal(headers.allow, "GET, HEAD, OPTIONS, POST");
  assert.equal((await call(face, "BREW", "/v1/ping")).status, 405);
});

test("RFC 9110 §9.3.2 HEAD answers as GET without the body", async () => {
  const face = testFace({ routes: [get("/text", () => reply(200, "é", { "content-type": "text/plain" }))] });
  const { status, text, headers } = await call(face, "HEAD", "/v1/text");
  assert.equal(status, 200);
  assert.equal(text, "");
  assert.equal(headers["content-length"], "2");
});

test("§1.4 bad UTF-8 and null bytes in the path or the query are 400 errno 107", async () => {
  const face = testFace({ routes: [get("/x/{a}", () => 1)] });
  for (const [url, location] of [
    ["/v1/x/%FF", "path"],
    ["/v1/x/%E9", "path"],
    ["/v1/x/%", "path"],
    ["/v1/x/%00", "path"],
    ["/v1/x/a?b=%FF", "querystring"],
    ["/v1/x/\u00e9", "url"],
    ["/v1/x/a b", "url"],
  ] as const) {
    const { status, json } = await call(face, "GET", url);
    assert.equal(status, 400, url);
    assert.equal(json.errno, 107);
    assert.equal(json.details[0].location, location, url);
  }
});

test("a URL longer than 8192 characters is 414", async () => {
  const face = testFace({ routes: [ping] });
  assert.equal((await call(face, "GET", `/v1/ping?${"a".repeat(9000)}`)).status, 414);
  assert.equal((await call(face, "GET", `/v1/ping?${"a".repeat(8000)}`)).status, 200);
});

test("RFC 9112 §3.2.2 the absolute form of a target is accepted", async () => {
  const face = testFace({ routes: [ping] });
  assert.equal((await call(face, "GET", "http://localhost:8888/v1/ping?x=1")).status, 200);
});

test("§1.1 Accept without JSON is 406 errno 107, except where something else may be answered", async () => {
  const face = testFace({
    routes: [
      get("/data", () => 1, { response: Type.Number() }),
      get("/page", () => reply(200, "x", { "content-type": "text/plain" })),
    ],
  });
  const refused = await call(face, "GET", "/v1/data", { headers: { accept: "text/html" } });
  assert.equal(refused.status, 406);
  assert.equal(refused.json.errno, 107);
  assert.deepEqual([refused.json.details[0].location, refused.json.details[0].name], ["header", "Accept"]);
  for (const accept of [
    "application/json",
    "text/html, */*;q=0.1",
    "application/*",
    "",
    "nonsense,,*/*",
    "APPLICATION/JSON",
  ])
    assert.equal((await call(face, "GET", "/v1/data", { headers: { accept } })).status, 200, accept);
  assert.equal((await call(face, "GET", "/v1/data", { headers: { accept: "application/json;q=0" } })).status, 406);
  assert.equal((await call(face, "GET", "/v1/page", { headers: { accept: "text/plain" } })).status, 200);
});

test("§1.1 an unsupported Content-Type is 415 errno 107; none is taken as JSON", async () => {
  const face = testFace({
    routes: [
      route("POST", "/x", {
        access: [everyone],
        body: Type.Object({ a: Type.Integer() }),
        handler: ({ body }) => body,
      }),
    ],
  });
  const post = (type: string | undefined, body = '{"a":1}') =>
    call(face, "POST", "/v1/x", type === undefined ? { body } : { body, headers: { "content-type": type } });
  const refused = await post("text/plain");
  assert.equal(refused.status, 415);
  assert.deepEqual([refused.json.details[0].location, refused.json.details[0].name], ["header", "Content-Type"]);
  for (const type of [
    undefined,
    "application/json",
    "application/json; charset=utf-8",
    "Application/JSON;charset=UTF-8",
  ])
    assert.equal((await post(type)).status, 200, String(type));
  assert.equal((await post("application/json; charset=iso-8859-1")).status, 415);
  const packed = (coding: string) =>
    call(face, "POST", "/v1/x", { body: { a: 1 }, headers: { "content-encoding": coding } });
  assert.equal((await packed("identity")).status, 200);
  const { status, headers, json } = await packed("gzip");
  assert.deepEqual([status, headers["accept-encoding"]], [415, "identity"]);
  assert.equal(json.message, "Content-Encoding header should be identity");
});

test("§1.4 a body that is no JSON, no UTF-8, too large or too deep is refused", async () => {
  const face = testFace({
    settings: { body_limit: 100, body_depth: 5 },
    routes: [route("POST", "/x", { access: [everyone], body: Type.Unknown(), handler: ({ body }) => [body] })],
  });
  const post = (body: string | Uint8Array) => call(face, "POST", "/v1/x", { body });
  const invalid = await post("{nope");
  assert.equal(invalid.status, 400);
  assert.equal(invalid.json.errno, 107);
  assert.match(invalid.json.message, /Invalid JSON: /);
  assert.equal((await post(new Uint8Array([0x22, 0xff, 0x22]))).status, 400);
  const large = await post(JSON.stringify("x".repeat(200)));
  assert.equal(large.status, 413);
  assert.equal(large.json.errno, 113);
  assert.equal((await post("[[[[[1]]]]]")).status, 200);
  assert.match((await post("[[[[[[1]]]]]]")).json.message, /deeper than 5/);
  assert.equal((await post('["[[[[[[[[[["]')).status, 200);
  assert.equal((await post('{"a":1,"a":2}')).status, 200);
});

test("§1.1 CORS: any origin by default, on errors as well", async () => {
  const face = testFace({ routes: [ping] });
  for (const url of ["/v1/ping", "/v1/nothing"]) {
    const { headers } = await call(face, "GET", url, { headers: { origin: "https://a.example" } });
    assert.equal(headers["access-control-allow-origin"], "*");
  }
  assert.equal("access-control-allow-origin" in (await call(face, "GET", "/v1/ping")).headers, false);
});

test("§1.1 CORS: a listed origin is echoed, another is 400, the service's own is allowed", async () => {
  const face = testFace({ routes: [ping], settings: { cors_origins: ["https://a.example"] } });
  const as = (origin: string) => call(face, "GET", "/v1/ping", { headers: { origin } });
  const allowed = await as("https://a.example");
  assert.equal(allowed.headers["access-control-allow-origin"], "https://a.example");
  assert.equal(allowed.headers.vary, "Origin");
  const refused = await as("https://b.example");
  assert.equal(refused.status, 400);
  assert.equal("access-control-allow-origin" in refused.headers, false);
  assert.equal((await as("http://localhost:8888")).status, 200);
});

test("§1.1 CORS preflight: methods of the endpoint, requested and supported headers, max age", async () => {
  const face = testFace({ routes: [ping], settings: { cors_max_age_seconds: 7 } });
  const headers = {
    origin: "https://a.example",
    "access-control-request-method": "GET",
    "access-control-request-headers": "x-mine, authorization",
  };
  const answer = await call(face, "OPTIONS", "/v1/ping", { headers });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers["access-control-allow-origin"], "*");
  assert.equal(answer.headers["access-control-allow-methods"], "GET, HEAD, OPTIONS");
  assert.match(String(answer.headers["access-control-allow-headers"]), /If-Match/);
  assert.match(String(answer.headers["access-control-allow-headers"]), /x-mine/);
  assert.equal(answer.headers["access-control-max-age"], "7");
  for (const missing of ["origin", "access-control-request-method"]) {
    const rest = Object.fromEntries(Object.entries(headers).filter(([name]) => name !== missing));
    assert.equal((await call(face, "OPTIONS", "/v1/ping", { headers: rest })).status, 400, missing);
  }
});

test("§1.2 the hello view says what the service is, and who is asking", async () => {
  const face = testFace({
    capabilities: { schema: { description: "Schemas", url: "https://docs.example" } },
    settings: { project_docs: "https://docs.example" },
  });
  const { status, json, headers } = await call(face, "GET", "/v1/");
  assert.equal(status, 200);
  assert.deepEqual(json, {
    project_name: "kittens",
    project_version: "1.2.3",
    http_api_version: "1.23",
    project_docs: "https://docs.example",
    url: "http://localhost:8888/v1/",
    config: null,
    settings: { batch_max_requests: 25, readonly: false },
    capabilities: { schema: { description: "Schemas", url: "https://docs.example" } },
  });
  assert.equal(headers["cache-control"], "no-cache, no-store");
  const known = await call(face, "GET", "/v1/", { as: "bob" });
  assert.deepEqual(known.json.user, {
    id: "test:bob",
    principals: ["system.Everyone", "system.Authenticated", "test:bob"],
  });
  const unknown = await call(face, "GET", "/v1/", { as: "!" });
  assert.deepEqual([unknown.status, unknown.json.user], [200, undefined], "credentials that do not count");
});

test("§1.2 a read-only hello view may be cached", async () => {
  const face = testFace({
    settings: { readonly: true, root_cache_expires_seconds: 60, public_origin: "https://k.example" },
  });
  const { json, headers } = await call(face, "GET", "/v1/");
  assert.equal(headers["cache-control"], "max-age=60");
  assert.ok(headers.expires);
  assert.equal(json.url, "https://k.example/v1/");
  assert.equal(json.settings.readonly, true);
  assert.match(String((await call(face, "GET", "/v1/", { as: "bob" })).headers["cache-control"]), /private/);
});

test("§1.3 heartbeats, version and description answer without credentials, bad ones included", async () => {
  const face = testFace({ heartbeat: async () => ({ ok: false, body: { storage: false } }) });
  const heartbeat = await call(face, "GET", "/v1/__heartbeat__", { as: "!" });
  assert.equal(heartbeat.status, 503);
  assert.deepEqual(heartbeat.json, { storage: false });
  assert.ok(heartbeat.headers["retry-after"]);
  assert.deepEqual((await call(face, "GET", "/v1/__lbheartbeat__", { as: "!" })).json, {});
  assert.deepEqual((await call(face, "GET", "/v1/__version__")).json, { name: "kittens", version: "1.2.3" });
  assert.equal((await call(face, "GET", "/v1/openapi.json")).json.openapi, "3.1.0");
  assert.equal((await call(face, "GET", "/v1/contribute.json")).status, 404);
  const open = testFace({ contribute: { repository: "x" }, settings: { version_json_path: "/does/not/exist.json" } });
  assert.deepEqual((await call(open, "GET", "/v1/contribute.json")).json, { repository: "x" });
  assert.equal((await call(open, "GET", "/v1/__version__")).status, 200);
});

test("§1.4 the first policy that recognises wins; bad credentials are 401 errno 105; each challenge once", async () => {
  const second = { ...namedCaller, name: "second", authenticate: async () => undefined };
  const face = testFace({
    authentication: [second, namedCaller, { ...namedCaller, name: "third", challenge: "Other" }],
    routes: [get("/me", ({ principal }: { principal: { id: string } }) => principal.id, { access: [authenticated] })],
  });
  assert.equal((await call(face, "GET", "/v1/me", { as: "bob" })).json, "test:bob");
  const bad = await call(face, "GET", "/v1/me", { as: "!" });
  assert.equal(bad.status, 401);
  assert.equal(bad.json.errno, 105);
  assert.deepEqual(bad.headers["www-authenticate"], ['Test realm="kittens"', "Other"]);
});

test("a rule that needs a stored object can't guard a route", () => {
  assert.throws(() => testFace({ routes: [get("/x", () => 1, { access: [owner] })] }), /route GET \/x: rule owner/);
});

test("P5 whatever a handler throws is a 500 with the generic body, and the stack is in the log only", async () => {
  const log = recordingLogger();
  const face = testFace({
    log,
    settings: { error_info_link: "https://help.example" },
    routes: [
      get("/sync", () => {
        throw new Error("secret detail");
      }),
      get("/async", async () => Promise.reject(new TypeError("secret detail"))),
      get("/odd", () => {
        throw "secret detail";
      }),
      get("/header", () => reply(200, "x", { "x-bad": "a\r\nset-cookie: b=1" })),
      get("/status", () => reply(99, "x")),
      get("/loop", () => {
        const loop: { self?: unknown } = {};
        loop.self = loop;
        return loop;
      }),
    ],
  });
  for (const url of ["/v1/sync", "/v1/async", "/v1/odd", "/v1/header", "/v1/status", "/v1/loop"]) {
    const { status, json, text, headers } = await call(face, "GET", url, { headers: { "x-request-id": "abc" } });
    assert.equal(status, 500, url);
    assert.deepEqual(json, {
      code: 500,
      errno: 999,
      error: "Internal Server Error",
      message: "A programmatic error occurred, developers have been informed.",
      info: "https://help.example",
    });
    assert.equal(text.includes("secret"), false);
    assert.equal(headers["x-request-id"], "abc");
  }
  const errors = log.lines.filter(({ level }) => level === "error");
  assert.equal(errors.length, 6);
  assert.ok(errors.every(({ fields }) => fields.rid === "abc"));
});

test("a request that can't even be read is answered", async () => {
  const broken = { ...testRequest("GET", "/v1/"), header: () => assert.fail("broken adapter") };
  const { status } = await testFace().handle(broken);
  assert.equal(status, 500);
});

test("P5 neither a logger that fails nor details that JSON cannot carry reach the caller of handle()", async () => {
  const fails = () => {
    throw new Error("disk full");
  };
  const log = { ...recordingLogger(), info: fails, error: fails };
  const broken = testFace({ log, routes: [ping, get("/async", async () => ({}))] });
  for (const url of ["/v1/ping", "/v1/async", "/v1/nothing"])
    assert.equal((await call(broken, "GET", url)).status, 500);
  assert.equal(broken.running(), 0);
  const face = testFace({
    routes: [
      get("/x", () => {
        throw new ServiceError("conflict", { details: { big: 1n } });
      }),
    ],
  });
  assert.equal((await call(face, "GET", "/v1/x")).json.errno, 999);
});

test("§0.3 errors as RFC 9457 problem details where Accept asks for them", async () => {
  const face = testFace({
    routes: [route("POST", "/x", { access: [everyone], body: Type.Object({ a: Type.Integer() }), handler: () => 1 })],
  });
  const { status, json, headers } = await call(face, "POST", "/v1/x", {
    headers: { accept: "application/problem+json, application/json" },
    body: { a: "x" },
  });
  assert.equal(status, 400);
  assert.equal(headers["content-type"], "application/problem+json");
  assert.equal(json.type, "about:blank");
  assert.equal(json.status, 400);
  assert.equal(json.title, "Invalid parameters");
  assert.equal(json.errno, 107);
  assert.equal(json.code, "invalid-parameters");
  assert.deepEqual(json.violations[0], {
    location: "body",
    name: "a",
    description: "Must be an integer",
    code: "type",
  });
  const plain = await call(face, "POST", "/v1/x", {
    headers: { accept: "application/json, application/problem+json;q=0.5" },
    body: { a: "x" },
  });
  assert.equal(plain.headers["content-type"], "application/json");
  assert.deepEqual(Object.keys(plain.json), ["code", "errno", "error", "message", "details"]);
});

test("§1.4 a conflict carries its details and says when to come back", async () => {
  const face = testFace({
    routes: [
      get("/x", () => {
        throw new ServiceError("conflict", { details: { field: "name", existing: { id: "a" } } });
      }),
    ],
  });
  const { status, json, headers } = await call(face, "GET", "/v1/x");
  assert.equal(status, 409);
  assert.deepEqual(json.details, { field: "name", existing: { id: "a" } });
  assert.equal(headers["retry-after"], "30");
});

test("§1.21 Backoff on every response, or on its share of them", async () => {
  const always = testFace({ routes: [ping], settings: { backoff: 10 } });
  assert.equal((await call(always, "GET", "/v1/ping")).headers.backoff, "10");
  assert.equal((await call(always, "GET", "/v1/nothing")).headers.backoff, "10");
  for (const [random, expected] of [
    [0.29, "10"],
    [0.3, undefined],
  ] as const) {
    const face = testFace({ routes: [ping], settings: { backoff: 10, backoff_percentage: 30 }, random: () => random });
    assert.equal((await call(face, "GET", "/v1/ping")).headers.backoff, expected);
  }
});

test("§1.21 before the end of service Alert says so, after it everything is 410 errno 202 but probes", async () => {
  const clock = manualClock(Date.UTC(2026, 0, 1));
  const face = testFace({
    clock,
    routes: [ping, get("/livez", () => 1, { unversioned: true, operational: true })],
    settings: { eos: "2026-02-01", eos_message: "Adieu, à bientôt", eos_url: "https://bye.example" },
  });
  const soft = await call(face, "GET", "/v1/ping");
  assert.equal(soft.status, 200);
  assert.match(String(soft.headers.alert), /^[\x20-\x7e]+$/);
  assert.deepEqual(JSON.parse(String(soft.headers.alert)), {
    code: "soft-eol",
    message: "Adieu, à bientôt",
    url: "https://bye.example",
  });
  assert.equal(soft.headers.sunset, "Sun, 01 Feb 2026 00:00:00 GMT");
  assert.equal((await call(face, "GET", "/v1/")).json.eos, "2026-02-01");
  clock.set(Date.UTC(2026, 1, 1));
  for (const url of ["/v1/ping", "/v1/", "/v1/nothing", "/ping", "/v1/ping/"]) {
    const { status, json, headers } = await call(face, "GET", url);
    assert.equal(status, 410, url);
    assert.equal(json.errno, 202);
    assert.equal(JSON.parse(String(headers.alert)).code, "hard-eol");
  }
  assert.equal((await call(face, "GET", "/livez")).status, 200);
  assert.throws(() => testFace({ settings: { eos: "soon" } }), /eos/);
});

test("§1.21 read-only: routes that write are 405, those declared safe are served", async () => {
  const face = testFace({
    settings: { readonly: true },
    routes: [
      route("POST", "/write", { access: [everyone], handler: () => 1 }),
      route("POST", "/search", { access: [everyone], safe: true, handler: () => 2 }),
    ],
  });
  const refused = await call(face, "POST", "/v1/write");
  assert.equal(refused.status, 405);
  assert.equal(refused.json.errno, 115);
  assert.equal((await call(face, "POST", "/v1/search")).json, 2);
});

test("T1 a well-formed X-Request-ID is kept, any other is replaced", async () => {
  const face = testFace({ routes: [ping] });
  const idFor = async (id: string) =>
    (await call(face, "GET", "/v1/ping", { headers: { "x-request-id": id } })).headers["x-request-id"];
  assert.equal(await idFor("req-1_2.3:4"), "req-1_2.3:4");
  for (const bad of ["", "a b", "x".repeat(129), 'a"b', "é", "a\nb"])
    assert.match(String(await idFor(bad)), /^[0-9a-f-]{36}$/);
});

test("T1 the trace of a valid traceparent is in the request's log lines", async () => {
  const log = recordingLogger();
  const face = testFace({
    log,
    routes: [
      get("/x", ({ log }: { log: { info(fields: object): void } }) => {
        log.info({ own: 1 });
        return 1;
      }),
    ],
  });
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  await call(face, "GET", "/v1/x", { headers: { traceparent, "x-request-id": "r1" } });
  assert.equal(log.lines.length, 2);
  for (const { fields } of log.lines) {
    assert.equal(fields.trace, "0af7651916cd43dd8448eb211c80319c");
    assert.equal(fields.rid, "r1");
  }
});

test("T3 one line a request, with names of query parameters and never their values; probes are debug", async () => {
  const log = recordingLogger();
  const face = testFace({
    log,
    routes: [ping, get("/livez", () => 1, { unversioned: true, operational: true })],
  });
  await call(face, "GET", "/v1/ping?email=a%40b.example&_since=12", { as: "bob", headers: { "user-agent": "x/1" } });
  const [line] = log.lines;
  assert.equal(log.lines.length, 1);
  assert.equal(line?.message, "request.summary");
  const { t, rid, ...fields } = line?.fields ?? {};
  assert.equal(typeof t, "number");
  assert.equal(typeof rid, "string");
  assert.deepEqual(JSON.parse(JSON.stringify(fields)), {
    method: "GET",
    path: "/v1/ping",
    handler: "GET /ping",
    query: "email,_since",
    code: 200,
    uid: "test:bob",
    authn_type: "test",
    agent: "x/1",
  });
  await call(face, "GET", "/livez");
  assert.equal(log.lines.at(-1)?.level, "debug");
});

test("T3 a logger that takes finished lines gets valid JSON with the same fields", async () => {
  const lines: string[] = [];
  const log = {
    ...recordingLogger(),
    line: (json: string) => lines.push(json),
    writes: (level: string) => level !== "debug",
  };
  const face = testFace({ log, routes: [get("/x/{id}", () => 1)] });
  await call(face, "GET", '/v1/x/a"b\\c?q"=1', { headers: { "user-agent": 'x"\n' } });
  const fields = JSON.parse(lines[0] ?? "");
  assert.equal(fields.level, "info");
  assert.equal(fields.name, "kittens");
  assert.equal(fields.path, '/v1/x/a"b\\c');
  assert.equal(fields.query, 'q"');
  assert.equal(fields.code, 200);
  assert.equal(fields.agent, 'x"\n');
  assert.equal(fields.msg, "request.summary");
});

test("T3 log_request_details shows values of query parameters too, but no secrets and none of secret paths", async () => {
  const lines: string[] = [];
  const recorded = recordingLogger();
  const routes = [ping, get("/f/{token}", () => 1, { secretPath: true })];
  const settings = { log_request_details: true };
  const asText = testFace({ log: { ...recordingLogger(), line: (json) => lines.push(json) }, routes, settings });
  const asFields = testFace({ log: recorded, routes, settings });
  const url = `/v1/ping?name=caf%C3%A9&name=th%C3%A9&password=s3cret&code=s3cret&state=s3cret&_token=s3cret&long=${"x".repeat(300)}&__proto__=1`;
  const shown = {
    ...{ name: "thé", password: "[redacted]", code: "[redacted]", state: "[redacted]", _token: "[redacted]" },
    ...{ long: "x".repeat(256), ["__proto__"]: "1" },
  };
  for (const face of [asText, asFields]) {
    await call(face, "GET", url);
    await call(face, "GET", "/v1/f/x?name=s3cret");
    await call(face, "GET", "/v1/ping?name=%FFs3cret");
    await call(face, "GET", "/v1/ping");
  }
  const texts = lines.map((line) => JSON.parse(line).querystring);
  const fields = recorded.lines.map((line) => line.fields.querystring);
  assert.deepEqual(texts, [shown, {}, {}, undefined]);
  assert.deepEqual(JSON.parse(JSON.stringify(fields)), JSON.parse(JSON.stringify(texts)));
  assert.equal(JSON.stringify([lines, recorded.lines]).includes("s3cret"), false);
});

test("T3 secret path parameters never reach the log, also on redirects and refusals", async () => {
  const log = recordingLogger();
  const face = testFace({
    log,
    routes: [
      get("/e/{token}", () => 1, { unversioned: true, secretPath: true }),
      get("/f/{token}", () => 1, { secretPath: true }),
    ],
  });
  for (const [method, url] of [
    ["GET", "/e/s3cret"],
    ["GET", "/e/s3cret/"],
    ["POST", "/e/s3cret"],
    ["GET", "/f/s3cret"],
    ["GET", "/v1/f/s3cret"],
    ["GET", "/v1/f/s3cret/"],
    ["GET", "/e/s3cret%FF"],
  ] as const)
    await call(face, method, url);
  assert.equal(log.lines.length, 7);
  assert.equal(JSON.stringify(log.lines).includes("s3cret"), false);
});

test("T2 each handler counts its calls by outcome and observes durations", async () => {
  const counts = new Map<string, number>();
  const count = (name: string, labels: object = {}) => {
    const key = `${name} ${Object.values(labels).join()}`;
    return (by = 1) => counts.set(key, (counts.get(key) ?? 0) + by);
  };
  const face = testFace({
    metrics: {
      counter: (name, _help, labels) => ({ add: count(name, labels) }),
      histogram: (name, _help, labels) => ({ observe: () => count(name, labels)() }),
      gauge() {},
      expose: () => "",
      collect: () => [],
    },
    routes: [
      ping,
      get("/bad", () => {
        throw new Error("x");
      }),
    ],
  });
  for (const url of ["/v1/ping", "/v1/ping", "/v1/bad", "/v1/nothing"]) await call(face, "GET", url);
  assert.deepEqual(Object.fromEntries([...counts].toSorted()), {
    "rouage_handler_called_total GET /bad": 1,
    "rouage_handler_called_total GET /ping": 2,
    "rouage_handler_called_total unmatched": 1,
    "rouage_handler_duration_seconds GET /bad": 1,
    "rouage_handler_duration_seconds GET /ping": 2,
    "rouage_handler_duration_seconds unmatched": 1,
    "rouage_handler_failure_total GET /bad": 1,
    "rouage_handler_refused_total unmatched": 1,
    "rouage_handler_success_total GET /ping": 2,
  });
});

test("P1 beyond the concurrency limit requests are 429 with Retry-After; slots come back, also after errors", async () => {
  const gate = Promise.withResolvers<void>();
  const face = testFace({
    settings: { max_concurrent_requests: 1 },
    routes: [
      get("/slow", () => gate.promise.then(() => Promise.reject(new Error("x")))),
      ping,
      get("/livez", () => 1, { operational: true }),
    ],
  });
  const slow = call(face, "GET", "/v1/slow");
  assert.equal(face.running(), 1);
  const busy = await call(face, "GET", "/v1/ping");
  assert.equal(busy.status, 429);
  assert.equal(busy.json.errno, 117);
  assert.ok(busy.headers["retry-after"]);
  assert.equal((await call(face, "GET", "/v1/livez")).status, 200);
  gate.resolve();
  assert.equal((await slow).status, 500);
  assert.equal(face.running(), 0);
  assert.equal((await call(face, "GET", "/v1/ping")).status, 200);
});

test("P2 under overload requests are shed with 503, important ones last, probes never", async () => {
  let delay = 0;
  const face = testFace({
    eventLoopDelay: () => delay,
    settings: { shed_event_loop_delay_ms: 100 },
    routes: [ping, get("/sos", () => 1, { important: true }), get("/livez", () => 1, { operational: true })],
  });
  const statuses = async () => [
    (await call(face, "GET", "/v1/ping")).status,
    (await call(face, "GET", "/v1/sos")).status,
    (await call(face, "GET", "/v1/livez")).status,
  ];
  assert.deepEqual(await statuses(), [200, 200, 200]);
  delay = 150;
  assert.deepEqual(await statuses(), [503, 200, 200]);
  const shed = await call(face, "GET", "/v1/ping");
  assert.equal(shed.json.errno, 201);
  assert.ok(shed.headers["retry-after"]);
  assert.ok(shed.headers.backoff);
  delay = 250;
  assert.deepEqual(await statuses(), [503, 503, 200]);
  delay = 0;
  assert.deepEqual(await statuses(), [200, 200, 200]);
});

test("C1 a handler that outlives its deadline is 504, its signal aborted; a body that never comes is 408", async () => {
  let aborted: unknown;
  const face = testFace({
    settings: { request_timeout_seconds: 0.02 },
    routes: [
      get("/never", ({ signal }: { signal: AbortSignal }) => {
        signal.addEventListener("abort", () => {
          aborted = signal.reason;
        });
        return new Promise(() => {});
      }),
      route("POST", "/body", { access: [everyone], body: Type.Unknown(), handler: () => 1 }),
    ],
  });
  const late = await call(face, "GET", "/v1/never");
  assert.equal(late.status, 504);
  assert.equal(late.json.errno, 203);
  assert.ok(ServiceError.is(aborted));
  assert.equal(face.running(), 0);
  const stalled = { ...testRequest("POST", "/v1/body"), body: () => new Promise<Uint8Array>(() => {}) };
  assert.equal((await face.handle(stalled)).status, 408);
});

test("a context given to a handler can be copied and keeps its signal", async () => {
  const face = testFace({
    routes: [get("/x", (context: { signal: AbortSignal }) => ({ ...context }).signal.aborted)],
  });
  assert.equal((await call(face, "GET", "/v1/x")).json, false);
});

test("streamed answers are passed on as they are", async () => {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode("a"));
      controller.enqueue(new TextEncoder().encode("b"));
      controller.close();
    },
  });
  const face = testFace({ routes: [get("/x", () => reply(200, body, { "content-type": "text/plain" }))] });
  assert.equal((await call(face, "GET", "/v1/x")).text, "ab");
});

test("declared paths are listed with version prefix", () => {
  const face = testFace({ routes: [ping, get("/e/{token}", () => 1, { unversioned: true })] });
  assert.ok(face.paths.some(({ method, path }) => method === "GET" && path === "/v1/ping"));
  assert.ok(face.paths.some(({ path }) => path === "/e/{token}"));
  assert.throws(
    () => testFace({ routes: [get("/a/{x}", () => 1), get("/a/{y}", () => 2)] }),
    /GET \/v1\/a\/\{y\} is declared twice: by route GET \/a\/\{x\} and by route GET \/a\/\{y\}/,
  );
});
