/** PROTOCOL §0.2 and §1.9 by `fetch` on whole services, on each embedded storage. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { Type } from "typebox";
import { changedRequest } from "../../changed-request.ts";
import { ServiceError } from "../../errors.ts";
import { authenticated, everyone } from "../../operations/access.ts";
import { resource } from "../../resource.ts";
import { reply, route } from "../../route.ts";
import { service } from "../../service.ts";
import type { Service, ServiceDeclaration, StartOptions } from "../../service-declaration.ts";
import { namedCaller, recordingLogger } from "../rest/fixture.ts";

const kittens = resource("kittens", {
  schema: Type.Object({
    name: Type.String({ minLength: 1, maxLength: 64 }),
    chip: Type.Optional(Type.String()),
    notes: Type.Optional(Type.Object({ a: Type.Optional(Type.Integer()), b: Type.Optional(Type.Integer()) })),
  }),
  access: { create: [authenticated], read: [everyone], write: [authenticated] },
  unique: ["chip"],
});

const folder = mkdtempSync(join(tmpdir(), "rouage-batch-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let stores = 0;

type Routes = NonNullable<ServiceDeclaration["routes"]>;
// biome-ignore lint/suspicious/noExplicitAny: tests look into answers whose shape they assert
type Answered = { status: number; headers: Headers; json: any };

const urls = { memory: () => "memory:", sqlite: () => `sqlite:${join(folder, `${stores++}.db`)}` };

for (const [kind, storageUrl] of Object.entries(urls))
  suite(`a batch on ${kind}`, () => {
    async function started(
      options: { routes?: Routes; settings?: Record<string, unknown>; start?: StartOptions } = {},
    ) {
      const running = await service({
        name: "kittens",
        version: "1.0.0",
        resources: [kittens],
        authentication: [namedCaller],
        ...(options.routes === undefined ? {} : { routes: options.routes }),
      }).start({
        log: recordingLogger(),
        ...options.start,
        settings: { storage: storageUrl(), ...options.settings },
      });
      after(() => running.stop());
      return running;
    }

    test("§1.9 answers each request in order, with status, path, headers and body", async () => {
      const kittensService = await started();
      const { status, json } = await batch(kittensService, [
        { method: "PUT", path: "/kittens/tom", body: { data: { name: "Tom" } } },
        { path: "/v1/kittens/tom?_fields=name" },
        { method: "HEAD", path: "/kittens" },
        { path: "/kittens/nobody" },
      ]);
      assert.equal(status, 200);
      const [put, get, head, missing] = json.responses;
      assert.equal(put.status, 201);
      assert.equal(put.path, "/v1/kittens/tom");
      assert.deepEqual(get.body, put.body);
      assert.equal(get.path, "/v1/kittens/tom");
      assert.equal(get.headers.ETag, `"${put.body.data.last_modified}"`);
      assert.match(get.headers["Content-Type"], /^application\/json/);
      assert.deepEqual([head.status, head.body, head.headers["Total-Objects"]], [200, "", "1"]);
      assert.deepEqual([missing.status, missing.body.errno, missing.body.details.id], [404, 110, "nobody"]);
    });

    test("§1.9 requests see each other's writes, and all of them are durable afterwards", async () => {
      const running = await started();
      const { json } = await batch(running, [
        { method: "POST", path: "/kittens", body: { data: { id: "a", name: "A" } } },
        { method: "PATCH", path: "/kittens/a", body: { data: { name: "B" } } },
        { path: "/kittens?name=B" },
        { method: "DELETE", path: "/kittens/a" },
        { path: "/kittens" },
      ]);
      assert.deepEqual(statuses(json), [201, 200, 200, 200, 200]);
      assert.equal(json.responses[2].body.data.length, 1);
      assert.deepEqual(json.responses[4].body.data, []);
      assert.equal((await ask(running, "GET", "/v1/kittens/a")).status, 404);
    });

    test("§1.9 what fails with a 4XX leaves the rest applied, a unique field that is taken too", async () => {
      const running = await started();
      const { status, json } = await batch(running, [
        { method: "PUT", path: "/kittens/a", body: { data: { name: "A", chip: "1" } } },
        { method: "PUT", path: "/kittens/b", body: { data: { name: "B", chip: "1" } } },
        { method: "PUT", path: "/kittens/c", body: { data: {} } },
        { method: "PUT", path: "/kittens/d", headers: { "If-Match": '"1"' }, body: { data: { name: "D" } } },
        { method: "PUT", path: "/kittens/e", body: { data: { name: "E" } } },
      ]);
      assert.equal(status, 200);
      assert.deepEqual(statuses(json), [201, 409, 400, 412, 201]);
      assert.deepEqual(json.responses[1].body.details.field, "chip");
      assert.deepEqual(await ids(running), ["a", "e"]);
    });

    test("§1.9 a 5XX makes the whole batch that status and takes everything back", async () => {
      const running = await started({
        routes: [
          route("POST", "/away", {
            access: [everyone],
            handler: () => {
              throw new ServiceError("unavailable", { headers: { "retry-after": "7" } });
            },
          }),
          route("POST", "/broken", {
            access: [everyone],
            handler: () => {
              throw new Error("bug");
            },
          }),
        ],
      });
      const write = { method: "PUT", path: "/kittens/a", body: { data: { name: "A" } } };
      const away = await batch(running, [write, { method: "POST", path: "/away" }, write]);
      assert.deepEqual([away.status, away.json.errno, away.headers.get("retry-after")], [503, 201, "7"]);
      const broken = await batch(running, [write, { method: "POST", path: "/broken" }]);
      assert.deepEqual([broken.status, broken.json.errno], [500, 999]);
      assert.deepEqual(await ids(running), []);
    });

    test("a quota that is used up is an answer like a 4XX", async () => {
      const full = () => {
        throw new ServiceError("insufficient-storage", { message: "Full" });
      };
      const running = await started({ routes: [route("POST", "/full", { access: [everyone], handler: full })] });
      const requests = [put("a"), { method: "POST", path: "/full" }, put("b")];
      assert.deepEqual(statuses((await batch(running, requests, { atomic: true })).json), [424, 507, 424]);
      assert.deepEqual(statuses((await batch(running, requests)).json), [201, 507, 201]);
      assert.deepEqual(await ids(running), ["a", "b"]);
    });

    test("§0.2 an atomic batch is applied whole when nothing fails", async () => {
      const running = await started();
      const { json } = await batch(running, [put("a"), put("b")], { atomic: true });
      assert.deepEqual(statuses(json), [201, 201]);
      assert.deepEqual(await ids(running), ["a", "b"]);
    });

    test("§0.2 an atomic batch in which one request fails changes nothing and says of the others 424", async () => {
      const running = await started();
      const { status, json } = await batch(
        running,
        [put("a"), { method: "PUT", path: "/kittens/b", body: { data: {} } }, put("c")],
        { atomic: true },
      );
      assert.equal(status, 200);
      assert.deepEqual(statuses(json), [424, 400, 424]);
      assert.deepEqual(
        json.responses.map(({ body }: { body: { errno: number } }) => body.errno),
        [123, 107, 123],
      );
      assert.equal(json.responses[2].path, "/v1/kittens/c");
      assert.deepEqual(await ids(running), []);
    });

    test("§0.2 an array is a JSON patch inside a batch too", async () => {
      const running = await started();
      const { json } = await batch(running, [
        put("a"),
        {
          method: "PATCH",
          path: "/kittens/a",
          headers: { "Content-Type": "application/json-patch+json" },
          body: [{ op: "replace", path: "/data/name", value: "Patched" }],
        },
      ]);
      assert.equal(json.responses[1].body.data.name, "Patched");
    });

    test("§1.9 writes of others wait for the batch, also on the same object", async () => {
      const running = await started();
      await batch(running, [put("a")]);
      const [one, two, three] = await Promise.all([
        ask(running, "PUT", "/v1/kittens/a", { data: { name: "outside" } }),
        batch(running, [put("a"), put("b"), put("a")]),
        ask(running, "PUT", "/v1/kittens/a", { data: { name: "outside" } }),
      ]);
      assert.deepEqual([one.status, two.status, three.status], [200, 200, 200]);
    });

    test("routes inside a batch take part in its transaction", async () => {
      const running = await started({
        routes: ({ operations }) => [
          route("POST", "/adopt", {
            access: [authenticated],
            handler: async (context) => {
              await operations.get("kittens")?.create(context, { params: {} }, { data: { id: "adopted", name: "X" } });
              return { done: true };
            },
          }),
        ],
      });
      const failed = await batch(running, [{ method: "POST", path: "/adopt" }, { path: "/kittens/none" }], {
        atomic: true,
      });
      assert.deepEqual(statuses(failed.json), [424, 404]);
      assert.deepEqual(await ids(running), []);
      const { json } = await batch(running, [{ method: "POST", path: "/adopt" }, { path: "/kittens/adopted" }]);
      assert.deepEqual(statuses(json), [200, 200]);
    });
  });

suite("a batch, whatever the storage", () => {
  async function started(declaration: Partial<ServiceDeclaration> = {}, settings: Record<string, unknown> = {}) {
    const log = recordingLogger();
    const running = await service({
      name: "kittens",
      version: "1.0.0",
      resources: [kittens],
      authentication: [namedCaller],
      ...declaration,
    }).start({ log, settings: { storage: "memory:", ...settings } });
    after(() => running.stop());
    return Object.assign(running, { lines: log.lines });
  }

  test("hello publishes the limit", async () => {
    const running = await started({}, { batch_max_requests: 7 });
    const { json } = await ask(running, "GET", "/v1/");
    assert.equal(json.settings.batch_max_requests, 7);
  });

  test("defaults are merged below each request at every depth; what a request says wins", async () => {
    const running = await started();
    const { json } = await batch(
      running,
      [
        { path: "/kittens/a", body: { data: { notes: { b: 2 } } } },
        { path: "/kittens/b", body: { data: { name: "Own" } } },
        { path: "/kittens", method: "GET" },
      ],
      {
        defaults: {
          method: "PUT",
          body: { data: { name: "Default", notes: { a: 1 } } },
          headers: { "If-None-Match": "*" },
        },
      },
    );
    assert.deepEqual(statuses(json), [201, 201, 412]);
    const { name, notes } = json.responses[0].body.data;
    assert.deepEqual([name, notes], ["Default", { a: 1, b: 2 }]);
    assert.equal(json.responses[1].body.data.name, "Own");
  });

  test("a key called __proto__ in defaults is data like any other", async () => {
    const running = await started();
    const response = await running.fetch(
      new Request("http://test/v1/batch", {
        method: "POST",
        headers: { "content-type": "application/json", authorization: "Test bob" },
        body: '{"defaults":{"body":{"__proto__":{"polluted":true}}},"requests":[{"method":"PUT","path":"/kittens/a","body":{"data":{"name":"A"}}}]}',
      }),
    );
    const { responses } = JSON.parse(await response.text());
    assert.deepEqual([responses[0].status, responses[0].body.details[0].name], [400, "__proto__"]);
    assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  });

  const refused: readonly [string, unknown, RegExp][] = [
    ["no requests", {}, /requests in body: Required/],
    ["requests that are no list", { requests: {} }, /requests must be a list/],
    [
      "too many",
      { requests: Array.from({ length: 26 }, () => ({ path: "/" })) },
      /^Number of requests is limited to 25$/,
    ],
    ["an unknown key", { requests: [], transaction: true }, /transaction in body: Unrecognized key/],
    ["an unknown key of a request", { requests: [{ path: "/", url: "/" }] }, /requests\.0\.url/],
    ["an unknown key of defaults", { requests: [], defaults: { url: "/" } }, /defaults\.url/],
    ["a request without a path", { requests: [{ method: "GET" }] }, /requests\.0\.path in body: Required/],
    ["a path that does not begin with a slash", { requests: [{ path: "kittens" }] }, /requests\.0\.path/],
    ["a method that is none", { requests: [{ path: "/", method: "OPTIONS" }] }, /requests\.0\.method/],
    ["a header that is no text", { requests: [{ path: "/", headers: { "If-Match": 1 } }] }, /requests\.0\.headers/],
    ["a header of two lines", { requests: [{ path: "/", headers: { a: "b\r\nc: d" } }] }, /requests\.0\.headers\.a/],
    [
      "a hundred headers",
      { requests: [{ path: "/", headers: Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`a${n}`, ""])) }] },
      /At most 100 headers/,
    ],
    ["a body that is text", { requests: [{ path: "/", body: "text" }] }, /requests\.0\.body/],
    ["itself", { requests: [{ path: "/batch" }] }, /Recursive call on \/batch endpoint is forbidden\./],
    ["itself with a version", { requests: [{ path: "/v1/%62atch/?x" }] }, /Recursive call/],
    ["itself by defaults", { requests: [{}], defaults: { path: "/batch" } }, /Recursive call/],
    ["atomic that is neither true nor false", { requests: [], atomic: 1 }, /atomic must be true or false/],
  ];
  for (const [name, body, message] of refused)
    test(`§1.9 refused with 400: ${name}`, async () => {
      const running = await started();
      const answer = await ask(running, "POST", "/v1/batch", body);
      assert.equal(answer.status, 400, JSON.stringify(answer.json));
      assert.equal(answer.json.errno, 107);
      assert.match(answer.json.message, message);
    });

  test("a path that only looks like the batch endpoint is an ordinary path", async () => {
    const running = await started();
    const { json } = await batch(running, [put("batch"), { path: "/kittens/batch" }]);
    assert.deepEqual(statuses(json), [201, 200]);
  });

  test("requests inherit the headers of the batch, and may say others", async () => {
    const running = await started();
    const { json } = await batch(running, [put("a"), { ...put("b"), headers: { Authorization: "" } }]);
    assert.deepEqual(statuses(json), [201, 401]);
    assert.equal(json.responses[1].headers["WWW-Authenticate"], 'Test realm="kittens"');
  });

  test("preconditions and idempotency keys of the batch itself are not inherited", async () => {
    const running = await started();
    const answer = await ask(
      running,
      "POST",
      "/v1/batch",
      { requests: [put("a"), put("a")] },
      { "if-none-match": "*" },
    );
    assert.deepEqual(statuses(answer.json), [201, 200]);
  });

  test("credentials that are not valid fail each request that has them, and not the batch", async () => {
    const running = await started();
    const answer = await ask(
      running,
      "POST",
      "/v1/batch",
      { requests: [{ path: "/kittens" }, { path: "/kittens", headers: { Authorization: "Test bob" } }] },
      { authorization: "Test !" },
    );
    assert.deepEqual(statuses(answer.json), [401, 200]);
  });

  test("equal credentials are looked at once in a batch", async () => {
    const seen: (string | undefined)[] = [];
    const counting = {
      ...namedCaller,
      authenticate: (request: Parameters<typeof namedCaller.authenticate>[0]) => {
        seen.push(request.header("authorization"));
        return namedCaller.authenticate(request);
      },
    };
    const running = await started({ authentication: [counting] });
    const eve = { Authorization: "Test eve" };
    await batch(running, [put("a"), put("b"), { ...put("c"), headers: eve }, { ...put("d"), headers: eve }]);
    assert.deepEqual(seen, ["Test bob", "Test eve"]);
  });

  test("a trailing slash and a missing version prefix lead where they were meant to", async () => {
    const running = await started();
    await batch(running, [put("a")]);
    const { json } = await batch(running, [
      { path: "/kittens/a/" },
      { path: "/v1/kittens/?_limit=1" },
      { path: "/livez" },
    ]);
    assert.deepEqual(statuses(json), [200, 200, 200]);
    assert.equal(json.responses[0].path, "/v1/kittens/a");
    assert.equal(json.responses[2].path, "/livez");
  });

  test("paths may be written in plain letters, and are answered so", async () => {
    const cats = resource("cats", { schema: Type.Object({}), id: { pattern: /^.+$/u }, access: { write: [everyone] } });
    const running = await started({ resources: [cats] });
    const { json } = await batch(running, [
      { method: "PUT", path: "/cats/é ü", body: {} },
      { path: "/cats/%C3%A9%20%C3%BC" },
    ]);
    assert.deepEqual(statuses(json), [201, 200]);
    assert.deepEqual(json.responses[1].path, "/v1/cats/é ü");
  });

  test("a path that cannot be decoded is a 400 of its request", async () => {
    const running = await started();
    const { json } = await batch(running, [{ path: "/%" }, { path: "/kittens/%ff" }, { path: "/v1/kittens/%00" }]);
    assert.deepEqual(statuses(json), [400, 400, 400]);
    assert.equal(json.responses[1].path, "/v1/kittens/%ff");
  });

  test("a change stream cannot be part of a batch", async () => {
    const running = await started();
    const { json } = await batch(running, [{ path: "/kittens", headers: { Accept: "text/event-stream" } }]);
    assert.deepEqual([json.responses[0].status, json.responses[0].body.details[0].code], [400, "not-in-batch"]);
  });

  test("TRACE and what is not offered are 405 inside", async () => {
    const running = await started();
    const { json } = await batch(running, [
      { method: "TRACE", path: "/kittens" },
      { method: "POST", path: "/kittens/a" },
    ]);
    assert.deepEqual(statuses(json), [405, 405]);
  });

  test("answers that are not JSON come as text, base64 or an error; streams of events and cookies do not come at all", async () => {
    const stream = () =>
      new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(new TextEncoder().encode("data: x\n\n")),
      });
    const running = await started({
      routes: [
        route("GET", "/text", {
          access: [everyone],
          handler: () => reply(200, "plain", { "content-type": "text/plain" }),
        }),
        route("GET", "/bytes", {
          access: [everyone],
          handler: () => reply(200, new Uint8Array([255, 0]), { "content-type": "image/png" }),
        }),
        route("GET", "/teapot", {
          access: [everyone],
          handler: () => reply(418, "short", { "content-type": "text/plain" }),
        }),
        route("GET", "/events", {
          access: [everyone],
          handler: () => reply(200, stream(), { "content-type": "text/event-stream" }),
        }),
        route("GET", "/cookie", {
          access: [everyone],
          handler: () => reply(200, { a: 1 }, { "set-cookie": "secret=1; HttpOnly" }),
        }),
        route("GET", "/liar", {
          access: [everyone],
          handler: () => reply(200, "}{", { "content-type": "application/json" }),
        }),
        route("GET", "/nothing", { access: [everyone], handler: () => undefined }),
        route("GET", "/web", { access: [everyone], handler: () => Response.json({ web: true }) }),
      ],
    });
    const paths = ["/text", "/bytes", "/teapot", "/events", "/cookie", "/liar", "/nothing", "/web"];
    const { json } = await batch(
      running,
      paths.map((path) => ({ path })),
    );
    const [text, bytes, teapot, events, cookie, liar, nothing, web] = json.responses;
    assert.equal(text.body, "plain");
    assert.deepEqual([bytes.body, bytes.headers["Content-Transfer-Encoding"]], ["/wA=", "base64"]);
    assert.deepEqual([teapot.status, teapot.body.code, teapot.body.message], [418, 418, "short"]);
    assert.deepEqual([events.status, events.body.details[0].code], [400, "not-in-batch"]);
    assert.deepEqual([cookie.body, cookie.headers["Set-Cookie"]], [{ a: 1 }, undefined]);
    assert.equal(liar.body, "}{");
    assert.deepEqual([nothing.status, nothing.body], [204, ""]);
    assert.deepEqual(web.body, { web: true });
  });

  test("a batch takes one slot, whatever is in it", async () => {
    const running = await started({}, { max_concurrent_requests: 1 });
    const { json } = await batch(running, [put("a"), put("b"), { path: "/kittens" }]);
    assert.deepEqual(statuses(json), [201, 201, 200]);
    assert.equal((await ask(running, "GET", "/v1/kittens")).status, 200);
  });

  test("§2 the log has one line for the batch with its size, and a debug line for each request, all with one id", async () => {
    const running = await started();
    await ask(
      running,
      "POST",
      "/v1/batch",
      { requests: [put("a"), { path: "/kittens" }] },
      { "x-request-id": "batch-7" },
    );
    const lines = running.lines.filter(({ fields }) => fields.rid === "batch-7");
    assert.deepEqual(
      lines.map(({ level, message, fields }) => [level, message, fields.path, fields.batch_size, fields.uid]),
      [
        ["debug", "subrequest.summary", "/v1/kittens/a", undefined, "test:bob"],
        ["debug", "subrequest.summary", "/v1/kittens", undefined, "test:bob"],
        ["info", "request.summary", "/v1/batch", 2, "test:bob"],
      ],
    );
  });

  test("the body of a batch has a bound of its own, and each request in it that of requests", async () => {
    const running = await started({}, { body_limit: 1000 });
    const long = (size: number) => ({
      method: "PUT",
      path: "/kittens/a",
      body: { data: { name: "A", chip: "x".repeat(size) } },
    });
    assert.deepEqual(statuses((await batch(running, [long(900), long(900)])).json), [201, 200]);
    assert.deepEqual(statuses((await batch(running, [long(1000)])).json), [413]);
    assert.equal((await batch(running, [long(4000)])).status, 413);
    const small = await started({}, { batch_max_bytes: 50 });
    assert.equal((await batch(small, [put("a")])).status, 413);
  });

  test("the answers of one batch are bounded together: what reads beyond is told so", async () => {
    const large = "x".repeat(9 * 1024 * 1024);
    const running = await started({
      routes: [
        route("GET", "/large", {
          access: [everyone],
          handler: () => reply(200, large, { "content-type": "text/plain" }),
        }),
        route("GET", "/stream", { access: [everyone], handler: () => new Response(large) }),
      ],
    });
    const { json } = await batch(running, [
      { path: "/large" },
      { path: "/large" },
      { path: "/stream" },
      { path: "/kittens" },
    ]);
    assert.deepEqual(statuses(json), [200, 413, 413, 200]);
    assert.match(json.responses[1].body.message, /answers of a batch/);
  });

  test("defaults count as often as they are filled in", async () => {
    const running = await started({}, { batch_max_bytes: 10_000 });
    const defaults = { method: "PUT", body: { data: { name: "A", chip: "x".repeat(900) } } };
    const requests = (count: number) =>
      Array.from({ length: count }, (_, n) => ({ path: `/kittens/${n}`, body: { data: { chip: `${n}` } } }));
    assert.equal((await batch(running, requests(10), { defaults })).status, 200);
    assert.equal((await batch(running, requests(11), { defaults })).status, 413);
  });

  test("a page of another site cannot send one without a preflight, nor lend a request another origin", async () => {
    const seen: (string | undefined)[] = [];
    const running = await started({
      routes: [
        route("GET", "/origin", {
          access: [everyone],
          handler: ({ request }) => void seen.push(request.header("origin")),
        }),
      ],
    });
    const bytes = new TextEncoder().encode('{"requests":[]}');
    const untyped = (headers: Record<string, string>) =>
      running.fetch(new Request("http://test/v1/batch", { method: "POST", body: bytes, headers }));
    assert.equal((await untyped({})).status, 200);
    assert.equal((await untyped({ origin: "https://evil.example" })).status, 415);
    const requests = [{ path: "/origin", headers: { Origin: "https://good.example" } }];
    await ask(running, "POST", "/v1/batch", { requests }, { origin: "https://evil.example" });
    assert.deepEqual(seen, ["https://evil.example"]);
  });

  test("a plugin that asks who makes a request of a batch looks at no credentials again", async () => {
    let asked = 0;
    const counting = {
      ...namedCaller,
      authenticate: (request: Parameters<typeof namedCaller.authenticate>[0]) => {
        asked++;
        return namedCaller.authenticate(request);
      },
    };
    const known: (string | undefined)[] = [];
    const running = await started({
      authentication: [counting],
      plugins: [
        {
          name: "curious",
          intercept: (context) => async (request, next) => {
            if (request.url !== "/v1/batch") known.push((await context.identify(request)).id);
            return next(request);
          },
        },
      ],
    });
    await batch(running, [put("a"), { path: "/kittens" }]);
    assert.deepEqual([asked, known], [1, ["test:bob", "test:bob"]]);
  });

  test("on a read-only service a batch reads, and writes are 405", async () => {
    const running = await started({}, { readonly: true });
    const { json } = await batch(running, [{ path: "/kittens" }, put("a")]);
    assert.deepEqual(statuses(json), [200, 405]);
  });

  test("hooks after the commit run when the batch is durable, and not at all when it is taken back", async () => {
    const finished: string[] = [];
    const watched = resource("kittens", {
      schema: Type.Object({}),
      access: { write: [everyone] },
      hooks: { after: ({ id }) => void finished.push(id) },
    });
    const running = await started({ resources: [watched] });
    const write = (id: string) => ({ method: "PUT", path: `/kittens/${id}`, body: {} });
    await batch(running, [write("a"), { path: "/kittens/none" }], { atomic: true });
    assert.deepEqual(finished, []);
    await batch(running, [write("a"), write("b")]);
    assert.deepEqual(finished, ["a", "b"]);
  });

  test("an interceptor sees each request of a batch, and what it passes on still belongs to it", async () => {
    const running = await started(
      {
        plugins: [
          {
            name: "alias",
            intercept: () => (request, next) =>
              next(
                request.url.startsWith("/v1/mine/")
                  ? { ...request, url: request.url.replace("/mine/", "/kittens/") }
                  : request,
              ),
          },
        ],
      },
      { max_concurrent_requests: 1 },
    );
    const { json } = await batch(running, [{ method: "PUT", path: "/mine/a", body: { data: { name: "A" } } }]);
    assert.deepEqual(statuses(json), [201]);
  });

  test("what an interceptor makes of the body of a request is what is read, in all kinds of batches", async () => {
    const bytes = new TextEncoder().encode('{"data":{"name":"Other"}}');
    const running = await started({
      plugins: [
        {
          name: "other-bodies",
          intercept: () => (request, next) =>
            next(
              request.method === "PUT"
                ? changedRequest(request, { body: bytes, headers: { "content-length": String(bytes.length) } })
                : request,
            ),
        },
      ],
    });
    for (const defaults of [{}, { body: { data: { name: "Default" } } }]) {
      const requests = [{ method: "PUT", path: "/kittens/a", body: { data: { name: "Own" } } }];
      const { json } = await batch(running, requests, { defaults });
      assert.equal(json.responses[0].body.data.name, "Other");
    }
  });

  test("a hook that changes what it is given in place changes that of no other request", async () => {
    const changing = resource("kittens", {
      schema: Type.Object({ name: Type.String(), tags: Type.Array(Type.String()) }),
      access: { create: [authenticated], read: [everyone], write: [authenticated] },
      hooks: { before: ({ next }) => void next?.tags.push("more") },
    });
    const running = await started({ resources: [changing] });
    const body = { data: { name: "Tom", tags: [] } };
    const own = ["a", "b"].map((id) => ({ method: "PUT", path: `/kittens/${id}`, body }));
    const inherited = ["c", "d"].map((id) => ({ path: `/kittens/${id}` }));
    for (const [requests, defaults] of [
      [own, {}],
      [inherited, { method: "PUT", body }],
    ] as const) {
      const { json } = await batch(running, requests, { defaults });
      for (const { status, body: answered } of json.responses) {
        assert.equal(status, 201);
        assert.ok(answered.data.tags.length <= 1, JSON.stringify(answered));
      }
    }
  });

  test("a batch that takes longer than a request may is a 504 and leaves nothing", async () => {
    const release = Promise.withResolvers<void>();
    const running = await started(
      {
        routes: [route("POST", "/slow", { access: [everyone], handler: () => release.promise })],
      },
      { request_timeout_seconds: 0.1 },
    );
    const answer = await batch(running, [put("a"), { method: "POST", path: "/slow" }, put("b")]);
    assert.deepEqual([answer.status, answer.json.errno], [504, 203]);
    release.resolve();
    assert.deepEqual(await ids(running), []);
  });
});

function put(id: string) {
  return { method: "PUT", path: `/kittens/${id}`, body: { data: { name: id } } };
}

function batch(running: Service, requests: readonly object[], more: object = {}): Promise<Answered> {
  return ask(running, "POST", "/v1/batch", { ...more, requests });
}

async function ask(
  { fetch }: Service,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answered> {
  const response = await fetch(
    new Request(`http://test${path}`, {
      method,
      headers: { authorization: "Test bob", "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }),
  );
  return { status: response.status, headers: response.headers, json: JSON.parse((await response.text()) || "null") };
}

function statuses(json: { responses: readonly { status: number }[] }): number[] {
  return json.responses.map(({ status }) => status);
}

async function ids(running: Service): Promise<string[]> {
  const { json } = await ask(running, "GET", "/v1/kittens?_sort=id");
  return json.data.map(({ id }: { id: string }) => id);
}
