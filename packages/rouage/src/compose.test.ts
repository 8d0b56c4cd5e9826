import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import fc from "fast-check";
import { Type } from "typebox";
import { compose, type Door } from "./compose.ts";
import { everyone } from "./operations/access.ts";
import { resource } from "./resource.ts";
import { reply, route } from "./route.ts";
import { type Service, type ServiceDeclaration, service } from "./service.ts";
import { silentLogger } from "./telemetry/log.ts";

const access = { create: [everyone], read: [everyone], write: [everyone] };
const kittens = resource("kittens", { schema: Type.Object({ name: Type.String() }), access });
const toys = resource("toys", { schema: Type.Object({ name: Type.String() }), access });
const secret = route("GET", "/internal/people/{id}", {
  access: [everyone],
  unversioned: true,
  documented: false,
  handler: () => "SECRET",
});
const versioned = route("GET", "/internal/{rest}", { access: [everyone], documented: false, handler: () => "SECRET" });
const catchAll = route("GET", "/{a}/{b}/{c}", {
  access: [everyone],
  unversioned: true,
  handler: ({ params }) => reply(200, `caught ${params.a}`),
});

async function start(
  t: TestContext,
  declaration: Partial<ServiceDeclaration> & { readonly name: string },
): Promise<Service> {
  const running = await service({ version: "1.0.0", ...declaration }).start({
    log: silentLogger,
    settings: { storage: "memory:" },
  });
  t.after(() => running.stop(0));
  return running;
}

async function door(t: TestContext, settings: Readonly<Record<string, unknown>> = {}): Promise<Door> {
  const made = compose({
    name: "shop",
    version: "2.0.0",
    log: silentLogger,
    settings,
    services: [
      await start(t, {
        name: "animals",
        resources: [kittens],
        routes: [secret, versioned],
        capabilities: { purring: { description: "", url: "" } },
      }),
      await start(t, { name: "things", resources: [toys], routes: [catchAll] }),
    ],
  });
  t.after(() => made.stop(0));
  return made;
}

const get = (of: Pick<Door, "fetch">, path: string, init?: RequestInit) =>
  of.fetch(new Request(`http://local${path}`, { redirect: "manual", ...init }));

describe("a door", () => {
  test("leads each path to the service that serves it, its own answers, redirects and errors included", async (t) => {
    const shop = await door(t);
    const body = JSON.stringify({ data: { name: "Tom" } });
    const created = await get(shop, "/v1/kittens", {
      method: "POST",
      body,
      headers: { "content-type": "application/json" },
    });
    assert.equal(created.status, 201);
    assert.equal(((await (await get(shop, "/v1/kittens")).json()) as { data: unknown[] }).data.length, 1);
    assert.deepEqual(await (await get(shop, "/v1/toys?_limit=1")).json(), { data: [] });
    assert.equal((await get(shop, "/v1/kittens/", {})).headers.get("location"), "/v1/kittens");
    assert.equal((await get(shop, "/kittens?a=1")).headers.get("location"), "/v1/kittens?a=1");
    assert.equal((await get(shop, "/v1/kittens", { method: "PUT" })).status, 405);
    assert.equal((await get(shop, "/v1/nothing")).status, 404);
    assert.equal(await (await get(shop, "/one/two/three")).text(), "caught one");
  });

  test("has one hello, with its own name and everybody's capabilities", async (t) => {
    const shop = await door(t);
    const hello = (await (await get(shop, "/v1/")).json()) as { project_name: string; capabilities: object };
    assert.equal(hello.project_name, "shop");
    assert.ok("purring" in hello.capabilities);
  });

  test("has one API description without internal paths, and one documentation page", async (t) => {
    const shop = await door(t);
    const document = (await (await get(shop, "/v1/openapi.json")).json()) as { info: object; paths: object };
    assert.deepEqual(document.info, { title: "shop", version: "2.0.0" });
    for (const path of ["/v1/", "/v1/kittens", "/v1/toys/{id}"]) assert.ok(path in document.paths, path);
    assert.doesNotMatch(JSON.stringify(document), /internal\//);
    assert.equal((await get(shop, "/v1/docs")).status, 200);
  });

  test("has one health, one readiness and one exposition of metrics", async (t) => {
    const shop = await door(t);
    assert.deepEqual(await (await get(shop, "/v1/__heartbeat__")).json(), {
      "animals.cache": true,
      "animals.storage": true,
      "things.cache": true,
      "things.storage": true,
    });
    await get(shop, "/v1/kittens");
    const metrics = await (await get(shop, "/metrics")).text();
    assert.match(metrics, /rouage_handler_called_total\{handler="kittens.list",service="animals"\} 1/);
    assert.match(metrics, /rouage_handler_called_total\{handler="heartbeat",service="shop"\} 1/);
    assert.equal(metrics.match(/^process_uptime_seconds /gm)?.length, 1);
    assert.equal((await get(shop, "/readyz")).status, 200);
    shop.drain();
    assert.equal((await get(shop, "/readyz")).status, 503);
  });

  test("never shows what is below /internal/, however it is written", async (t) => {
    const shop = await door(t);
    const [animals] = shop.services;
    assert.equal(
      await (await get(animals as Service, "/internal/people/1")).json(),
      "SECRET",
      "the service itself answers",
    );
    for (const path of [
      "/internal/people/1",
      "/%69nternal/people/1",
      "/INTERNAL/people/1",
      "//internal/people/1",
      "/internal%2Fpeople/1",
      "/internal/people/1/",
      "/v1/internal/people",
      "/v1/%69nternal/x",
      "/internal",
      "/x/../internal/people/1",
    ]) {
      const response = await shop.handle({ ...request, url: path });
      assert.notEqual(response.status, 200, path);
      assert.doesNotMatch(String(response.body), /SECRET/, path);
    }
    assert.equal((await get(shop, "/internal/people/1")).status, 404);
    assert.ok(shop.paths.every(({ path }) => !path.includes("internal")));
  });

  test("no URL gives a 5xx, an exception or a secret", async (t) => {
    const shop = await door(t);
    const piece = fc.oneof(
      fc.constantFrom("/", "//", "internal", "v1", "people", "%", "%69", "%2f", "..", "?", "kittens", "\u0000", "é"),
      fc.string(),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 8 }), async (pieces) => {
        const response = await shop.handle({ ...request, url: `/${pieces.join("")}` });
        assert.ok(response.status < 500, `${response.status}`);
        assert.doesNotMatch(String(response.body), /SECRET/);
      }),
    );
  });
});

const request = {
  method: "GET",
  url: "/",
  origin: "http://local",
  header: () => undefined,
  headers: () => ({}),
  body: async () => new Uint8Array(),
  peer: undefined,
  signal: new AbortController().signal,
};

describe("composing", () => {
  test("two services on one path, or of one name, are refused", async (t) => {
    const one = await start(t, { name: "one", resources: [kittens] });
    const two = await start(t, {
      name: "two",
      routes: [route("GET", "/kittens/{name}", { access: [everyone], handler: () => 1 })],
    });
    assert.throws(
      () => compose({ name: "a", version: "1", services: [one, two] }),
      /\/v1\/kittens\/\{name\} is served by both one and two/,
    );
    assert.throws(
      () => compose({ name: "a", version: "1", services: [one, one] }),
      /two of the services to compose are called one/,
    );
  });

  test("stopping stops every service, the last first", async (t) => {
    const ended: string[] = [];
    const task = (name: string) => ({ name, start: () => async () => void ended.push(name) });
    const shop = compose({
      name: "shop",
      version: "1",
      log: silentLogger,
      services: [
        await start(t, { name: "one", tasks: [task("one")] }),
        await start(t, { name: "two", tasks: [task("two")] }),
      ],
    });
    await shop.stop();
    assert.deepEqual(ended, ["two", "one"]);
  });
});

describe("a batch at a door", () => {
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers whose shape they assert
  async function batch(of: Door, body: object): Promise<{ status: number; json: any }> {
    const response = await of.fetch(
      new Request("http://door/v1/batch", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      }),
    );
    return { status: response.status, json: JSON.parse(await response.text()) };
  }
  const put = (path: string, name?: string) => ({
    method: "PUT",
    path,
    body: { data: name === undefined ? {} : { name } },
  });
  const statusesOf = ({ responses }: { responses: readonly { status: number }[] }) =>
    responses.map(({ status }) => status);

  test("for one service is that service's, with its transaction", async (t) => {
    const shop = await door(t);
    const { json } = await batch(shop, { atomic: true, requests: [put("/kittens/a", "A"), put("/kittens/b")] });
    assert.deepEqual(statusesOf(json), [424, 400]);
    assert.equal((await get(shop, "/v1/kittens/a")).status, 404);
    const applied = await batch(shop, {
      defaults: { method: "PUT", body: { data: { name: "D" } } },
      requests: [{ path: "/kittens/a" }, { path: "/v1/kittens/b/" }],
    });
    assert.deepEqual(statusesOf(applied.json), [201, 201]);
    assert.equal(applied.json.responses[1].path, "/v1/kittens/b");
  });

  test("for several goes to each in order, and cannot be atomic", async (t) => {
    const shop = await door(t);
    const requests = [
      put("/kittens/a", "A"),
      put("/toys/t", "T"),
      { path: "/v1/" },
      put("/toys/u"),
      { path: "/kittens/a" },
    ];
    const { json } = await batch(shop, { requests });
    assert.deepEqual(statusesOf(json), [201, 201, 200, 400, 200]);
    assert.equal(json.responses[2].body.project_name, "shop");
    const atomic = await batch(shop, { atomic: true, requests });
    assert.deepEqual([atomic.status, atomic.json.details[0].code], [400, "several-services"]);
  });

  test("reaches nothing internal, however it is written", async (t) => {
    const shop = await door(t);
    const paths = [
      "/internal/people/1",
      "/v1/internal/x",
      "/%69nternal/people/1",
      "//internal/people/1",
      "/v1//internal/x",
    ];
    const inside = [{ path: "/kittens" }, ...paths.map((path) => ({ path }))];
    for (const requests of [inside, inside.slice(1), [{ path: "/v1/kittens" }, { path: "/internal/people/1/" }]]) {
      const { json } = await batch(shop, { requests });
      for (const { path, status, body } of json.responses) {
        if (path === "/v1/kittens") assert.equal(status, 200);
        else assert.equal(status, 404, path);
        assert.doesNotMatch(JSON.stringify(body), /SECRET/);
      }
    }
  });

  test("is refused as a whole when it is none, and when it holds itself", async (t) => {
    const shop = await door(t);
    assert.equal((await batch(shop, { requests: 1 })).status, 400);
    assert.equal((await batch(shop, { requests: [{ path: "/kittens" }, { path: "/v1/batch" }] })).status, 400);
  });
});
