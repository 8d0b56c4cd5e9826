import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { Type } from "typebox";
import type { AuthenticationPolicy } from "../auth/policy.ts";
import { memoryCache } from "../cache/memory.ts";
import { manualClock } from "../clock.ts";
import { ServiceError } from "../errors.ts";
import { everyone } from "../operations/access.ts";
import { anonymous } from "../principal.ts";
import { type Hooks, resource } from "../resource.ts";
import { route } from "../route.ts";
import {
  type Interceptor,
  type Plugin,
  type Service,
  type ServiceContext,
  type ServiceDeclaration,
  type StartOptions,
  service,
} from "../service.ts";
import { silentLogger } from "../telemetry/log.ts";

const open = { create: [everyone], read: [everyone], write: [everyone] };
const schema = Type.Object({ name: Type.String({ maxLength: 20 }) });
const kittensWith = (hooks: Hooks<{ name: string }> = {}) => resource("kittens", { schema, access: open, hooks });

async function started(
  t: TestContext,
  plugins: readonly Plugin[],
  declaration: Partial<ServiceDeclaration> = {},
  options: StartOptions = {},
): Promise<Service> {
  const running = await service({
    name: "kittens",
    version: "1.0.0",
    resources: [kittensWith()],
    plugins,
    ...declaration,
  }).start({ log: silentLogger, ...options, settings: { storage: "memory:", ...options.settings } });
  t.after(() => running.stop(0));
  return running;
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers whose shape they assert
const json = async (response: Response | Promise<Response>): Promise<any> => (await response).json();
const get = (running: Service, path: string, headers: Record<string, string> = {}) =>
  running.fetch(new Request(`http://local${path}`, { headers }));
const post = (running: Service, path: string, data: object) =>
  running.fetch(
    new Request(`http://local${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ data }),
    }),
  );

const named = (name: string): AuthenticationPolicy => ({
  name,
  securityScheme: { type: "http", scheme: name },
  authenticate: (request) => {
    const [scheme, id] = (request.header("authorization") ?? "").split(" ");
    if (scheme !== name || id === undefined) return undefined;
    if (id === "!") throw new ServiceError("invalid-credentials");
    return { ...anonymous, id: `${name}:${id}`, policy: name, principals: [`team:${name}`] };
  },
});

describe("a plugin adds to its service", () => {
  test("resources, routes, capabilities, checks, authentication and tasks, beside the service's own", async (t) => {
    const events: string[] = [];
    const running = await started(
      t,
      [
        {
          name: "toys",
          resources: [resource("toys", { schema, access: open })],
          routes: ({ operations }) => [
            route("GET", "/toys-and-kittens", {
              access: [everyone],
              handler: () => [...operations.keys()],
            }),
          ],
          authentication: () => [named("plugin")],
          capabilities: { toys: { description: "Toys", url: "" } },
          checks: () => ({
            toys: async () => {
              throw new Error("broken");
            },
          }),
          tasks: [
            {
              name: "play",
              start: ({ name }) => {
                events.push(`started in ${name}`);
                return async () => void events.push("ended");
              },
            },
          ],
        },
      ],
      { authentication: [named("own")], routes: [route("GET", "/own", { access: [everyone], handler: () => "own" })] },
    );
    assert.equal((await post(running, "/v1/toys", { name: "ball" })).status, 201);
    assert.deepEqual(await json(get(running, "/v1/toys-and-kittens")), ["kittens", "toys"]);
    assert.equal(await json(get(running, "/v1/own")), "own");
    const hello = await json(get(running, "/v1/", { authorization: "plugin bob" }));
    assert.deepEqual(Object.keys(hello.capabilities).sort(), ["own", "plugin", "toys"]);
    assert.equal(hello.user.id, "plugin:bob");
    assert.deepEqual(await json(get(running, "/v1/__heartbeat__")), {
      storage: true,
      cache: true,
      toys: false,
    });
    assert.ok("/v1/toys" in ((running.openapi().paths as object) ?? {}));
    await running.stop();
    assert.deepEqual(events, ["started in kittens", "ended"]);
  });

  test("keys of hello", async (t) => {
    const running = await started(
      t,
      [
        { name: "a", hello: () => ({ settings: { toys: 3 }, user: ({ id }) => ({ shelf: `shelf of ${id}` }) }) },
        { name: "b", hello: () => ({ user: async () => ({ profile: { age: 3 } }) }) },
      ],
      { authentication: [named("own")] },
    );
    const known = await json(get(running, "/v1/", { authorization: "own tom" }));
    assert.equal(known.settings.toys, 3);
    assert.equal(known.settings.readonly, false);
    assert.equal(known.settings.explicit_permissions, true);
    assert.equal(known.config, null);
    assert.deepEqual(known.user, {
      id: "own:tom",
      principals: ["system.Everyone", "system.Authenticated", "own:tom", "team:own"],
      shelf: "shelf of own:tom",
      profile: { age: 3 },
    });
    const unknown = await json(get(running, "/v1/"));
    assert.equal("user" in unknown, false);
  });
});

test("hello, and the context of a service, know the groups of a caller", async (t) => {
  const groups = resource("groups", {
    schema: Type.Object({ members: Type.Array(Type.String()) }),
    sharing: { members: ({ members }) => members as string[] },
  });
  const running = await started(t, [], { resources: [groups], authentication: [named("own")] });
  const put = await running.fetch(
    new Request("http://local/v1/groups/friends", {
      method: "PUT",
      headers: { "content-type": "application/json", authorization: "own ann" },
      body: JSON.stringify({ data: { members: ["own:tom"] } }),
    }),
  );
  assert.equal(put.status, 201);
  const expected = ["system.Everyone", "system.Authenticated", "own:tom", "team:own", "/groups/friends"];
  const hello = await json(get(running, "/v1/", { authorization: "own tom" }));
  assert.deepEqual(hello.user.principals, expected);
  const principal = { ...anonymous, id: "own:tom", principals: ["team:own"] };
  assert.deepEqual(await running.context.principalsOf(principal), expected);
  assert.deepEqual(await running.context.principalsOf(anonymous), ["system.Everyone"]);
});

describe("hooks of plugins", () => {
  const naming =
    (suffix: string, seen: string[] = []): NonNullable<Hooks<{ name: string }>["before"]> =>
    async ({ next }) => {
      if (next === undefined) return undefined;
      seen.push(next.name);
      return { ...next, name: `${next.name}${suffix}` };
    };

  test("run behind the resource's own and in order, each on what the one ahead returned", async (t) => {
    const seen: string[] = [];
    const running = await started(
      t,
      [
        { name: "a", hooks: () => ({ kittens: { before: naming("-a", seen) } as Hooks<never> }) },
        { name: "silent", hooks: () => ({ kittens: { before: () => undefined } }) },
        { name: "b", hooks: () => ({ kittens: { before: naming("-b", seen) } as Hooks<never> }) },
      ],
      { resources: [kittensWith({ before: naming("-own", seen) })] },
    );
    const { data } = await json(post(running, "/v1/kittens", { name: "tom" }));
    assert.equal(data.name, "tom-own-a-b");
    assert.deepEqual(seen, ["tom", "tom-own", "tom-own-a"]);
    const tooLong = await post(running, "/v1/kittens", { name: "a".repeat(20) });
    assert.equal(tooLong.status, 400, "what hooks return is validated");
  });

  test("commit their further changes together with the object, and read operations when they run", async (t) => {
    const toys = resource("toys", { schema, access: open });
    const gift =
      (name: string) =>
      (context: ServiceContext): Record<string, Hooks<never>> => ({
        kittens: {
          before: ({ also }) => {
            assert.ok(context.operations.get("toys") !== undefined);
            also({
              kind: "put",
              key: { resource: "toys", parent: "", id: name },
              body: JSON.stringify({ name }),
              expect: { kind: "any" },
            });
          },
        },
      });
    const running = await started(t, [
      { name: "a", resources: [toys], hooks: gift("ball") },
      { name: "b", hooks: gift("mouse") },
    ]);
    await post(running, "/v1/kittens", { name: "tom" });
    const { data } = await json(get(running, "/v1/toys?_sort=name"));
    assert.deepEqual(
      data.map((toy: { name: string }) => toy.name),
      ["ball", "mouse"],
    );
  });

  test("see the entries that those ahead have set", async (t) => {
    const seen: unknown[] = [];
    const shared = resource("shared", { schema, sharing: true });
    const adding =
      (name: string): Hooks<never>["before"] =>
      ({ permissions, setPermissions }) => {
        seen.push(permissions?.next);
        setPermissions({ ...permissions?.next, read: [...(permissions?.next.read ?? []), name] });
      };
    const plugin = (name: string): Plugin => ({
      name,
      hooks: () => ({ shared: { before: adding(name) } as Hooks<never> }),
    });
    const running = await started(t, [plugin("a"), plugin("b")], {
      resources: [shared],
      authentication: [named("own")],
    });
    const response = await running.fetch(
      new Request("http://local/v1/shared/one", {
        method: "PUT",
        headers: { "content-type": "application/json", authorization: "own ann" },
        body: JSON.stringify({ data: { name: "one" } }),
      }),
    );
    assert.deepEqual((await json(response)).permissions, { read: ["a", "b"], write: ["own:ann"] });
    assert.deepEqual(seen, [{ write: ["own:ann"] }, { write: ["own:ann"], read: ["a"] }]);
  });

  test("that run in the transaction take back what all of them wrote when one fails", async (t) => {
    const ran: string[] = [];
    const storing = (name: string): Plugin => ({
      name,
      hooks: ({ storage }) => ({
        kittens: {
          stored: async ({ id }) => {
            ran.push(name);
            const key = { resource: "kittens", parent: "", id: `${id}-${name}` };
            await storage.commit([{ kind: "put", key, body: '{"name":"twin"}', expect: { kind: "absent" } }]);
            if (name === "b") throw new ServiceError("forbidden");
          },
        },
      }),
    });
    const running = await started(t, [storing("a"), storing("b")]);
    assert.equal((await post(running, "/v1/kittens", { name: "tom" })).status, 403);
    assert.deepEqual(ran, ["a", "b"]);
    assert.deepEqual((await json(get(running, "/v1/kittens"))).data, []);
  });

  test("one that refuses keeps the object and all further changes out", async (t) => {
    const running = await started(t, [
      {
        name: "no",
        hooks: () => ({
          kittens: {
            before() {
              throw new ServiceError("forbidden", { message: "no more kittens" });
            },
          },
        }),
      },
    ]);
    assert.equal((await post(running, "/v1/kittens", { name: "tom" })).status, 403);
    assert.deepEqual((await json(get(running, "/v1/kittens"))).data, []);
  });

  test("one that fails afterwards keeps none of the others from running", async (t) => {
    const ran: string[] = [];
    const running = await started(
      t,
      [
        {
          name: "bad",
          hooks: () => ({
            kittens: {
              after() {
                throw new Error("broken");
              },
            },
          }),
        },
        { name: "good", hooks: () => ({ kittens: { after: async ({ id }) => void ran.push(id) } }) },
      ],
      { resources: [kittensWith({ after: () => void ran.push("own") })] },
    );
    const response = await post(running, "/v1/kittens", { name: "tom" });
    assert.equal(response.status, 201);
    assert.deepEqual(ran, ["own", (await json(response)).data.id]);
  });
});

describe("interceptors", () => {
  const tagged = (tag: string): Plugin => ({
    name: tag,
    intercept: () => async (request, next) => {
      const response = await next({ ...request, url: `${request.url}${tag}` });
      return { ...response, headers: { ...response.headers, "x-seen": `${response.headers["x-seen"] ?? ""}${tag}` } };
    },
  });

  test("the first sees a request first and its answer last", async (t) => {
    const running = await started(t, [tagged("a"), tagged("b")], {
      routes: [route("GET", "/path-{rest}", { access: [everyone], handler: ({ params }) => params.rest })],
    });
    const response = await get(running, "/v1/path-");
    assert.equal(await response.json(), "ab");
    assert.equal(response.headers.get("x-seen"), "ba");
  });

  test("may answer themselves, and what they throw is answered like any other error", async (t) => {
    const running = await started(
      t,
      [
        {
          name: "gate",
          intercept: (context) => async (request, next) => {
            if (request.url === "/v1/tea") return { status: 418, headers: {}, body: "tea" };
            if (request.url.startsWith("/v1/forbidden")) throw new ServiceError("forbidden");
            if (request.url === "/v1/broken") throw new Error("secret");
            if (request.url === "/v1/me")
              return { status: 200, headers: {}, body: (await context.identify(request)).id };
            return next(request);
          },
        },
      ],
      { authentication: [named("own")] },
    );
    const tea = await get(running, "/v1/tea", { origin: "http://page.example" });
    assert.equal(tea.status, 418);
    assert.equal(tea.headers.get("x-content-type-options"), "nosniff");
    assert.equal(tea.headers.get("access-control-allow-origin"), "*");
    assert.ok(tea.headers.has("x-request-id"));
    assert.match(running.metrics(), /rouage_handler_refused_total\{handler="unmatched",service="kittens"\} 1/);
    const long = await get(running, `/v1/forbidden?${"x".repeat(9000)}`);
    assert.equal(long.status, 414, "what is wrong with the URL comes first");
    const forbidden = await get(running, "/v1/forbidden", {
      origin: "http://page.example",
      "x-request-id": "r-1234567890",
    });
    assert.equal(forbidden.status, 403);
    assert.equal((await json(forbidden)).errno, 121);
    assert.equal(forbidden.headers.get("access-control-allow-origin"), "*");
    assert.equal(forbidden.headers.get("x-request-id"), "r-1234567890");
    const broken = await get(running, "/v1/broken");
    assert.equal(broken.status, 500);
    assert.doesNotMatch(await broken.text(), /secret/);
    assert.equal(await (await get(running, "/v1/me", { authorization: "own tom" })).text(), "own:tom");
    assert.equal((await get(running, "/v1/me", { authorization: "own !" })).status, 401);
    assert.equal((await get(running, "/v1/kittens")).status, 200);
  });

  test("handle of the context passes them too; before the start there is nothing to handle", async (t) => {
    let early: Promise<unknown> | undefined;
    const running = await started(t, [
      tagged("a"),
      {
        name: "early",
        checks: (context) => {
          early = Promise.allSettled([context.handle({} as never), Promise.try(() => context.identify({} as never))]);
          return {};
        },
      },
    ]);
    for (const result of (await early) as PromiseSettledResult<unknown>[]) {
      assert.equal(result.status, "rejected");
      assert.match(String(result.status === "rejected" && result.reason), /once the service has started/);
    }
    const answer = await running.context.handle({
      method: "GET",
      url: "/v1/",
      origin: "http://local",
      header: () => undefined,
      headers: () => ({}),
      body: async () => new Uint8Array(),
      peer: undefined,
      signal: new AbortController().signal,
    });
    assert.equal(answer.headers["x-seen"], "a");
  });

  test("one that never ends is given up", async (t) => {
    const never: Plugin = {
      name: "never",
      intercept: () => (request, next) => (request.url === "/v1/never" ? new Promise<never>(() => {}) : next(request)),
    };
    const running = await started(t, [never], {}, { settings: { request_timeout_seconds: 0.05 } });
    const response = await get(running, "/v1/never");
    assert.equal(response.status, 504);
    assert.equal((await get(running, "/v1/kittens")).status, 200);
  });

  test("without any, the door is the face's own", async (t) => {
    const running = await started(t, [{ name: "none" }]);
    const intercepting = await started(t, [tagged("a")]);
    assert.equal(running.handle.name, "handle");
    assert.notEqual(intercepting.handle.name, "handle");
  });
});

describe("mistakes in plugins stop the program by name", () => {
  const declared = (plugins: readonly Plugin[]) => () =>
    service({ name: "kittens", version: "1.0.0", resources: [kittensWith()], plugins });

  test("names and options", () => {
    assert.throws(declared([{ name: "A" }]), /plugins\[0\] needs a name of lower-case letters/);
    assert.throws(declared([{ name: "a" }, { name: "a" }]), /plugin a is declared twice/);
    assert.throws(declared([{ name: "a", resource: [] } as never]), /option resource of plugin a is not known/);
    assert.throws(declared([{ name: "a", resources: [kittensWith()] }]), /resource kittens is declared twice/);
    assert.throws(
      declared([{ name: "a", routes: [{} as never] }]),
      /plugin a: routes\[0\] must be made with route\(\)/,
    );
    const capabilities = { x: { description: "", url: "" } };
    assert.throws(
      declared([
        { name: "a", capabilities },
        { name: "b", capabilities },
      ]),
      /capability x is declared twice/,
    );
  });

  test("what shows at the start only", async (t) => {
    await assert.rejects(
      started(t, [{ name: "a", hooks: () => ({ dogs: {} }) }]),
      /plugin a hooks on dogs, which is not among the service's resources/,
    );
    await assert.rejects(
      started(t, [{ name: "a", hooks: () => ({ kittens: { around() {} } as never }) }]),
      /plugin a: hooks.kittens.around must be before, .*, and a function/,
    );
    await assert.rejects(
      started(t, [{ name: "a", checks: () => ({ storage: async () => {} }) }]),
      /check storage is listed twice/,
    );
    await assert.rejects(
      started(t, [{ name: "a", authentication: [named("own")] }], { authentication: [named("own")] }),
      /authentication policy own is listed twice/,
    );
  });
});

test("the cache of a service is opened by URL, or handed in and left open", async (t) => {
  const opened = await started(t, []);
  opened.context.cache.set("a", "1", 60);
  assert.equal(opened.context.cache.get("a"), "1");
  assert.match(opened.metrics(), /cache_reads_total\{outcome="hit",service="kittens"\} 1/);
  await assert.rejects(started(t, [], {}, { settings: { cache: "memcached://localhost" } }), /not a cache URL/);

  const given = memoryCache({ clock: manualClock() });
  given.set("a", "1", 60);
  const running = await started(t, [], {}, { cache: given });
  assert.equal(running.context.cache.get("a"), "1");
  await running.stop(0);
  assert.equal(given.get("a"), "1");
});

test("an interceptor sees only the requests that concern it, and those that concern none go straight to the face", async (t) => {
  const seen: string[] = [];
  const seeing = (name: string, concerns?: (request: { readonly url: string }) => boolean): Plugin => ({
    name,
    intercept: () => {
      const intercept: Interceptor = (request, next) => {
        seen.push(`${name} ${request.url}`);
        return next(request);
      };
      return concerns === undefined ? intercept : Object.assign(intercept, { concerns });
    },
  });
  const running = await service({
    name: "kittens",
    version: "1.0.0",
    plugins: [seeing("a", ({ url }) => url.includes("a")), seeing("b", ({ url }) => url.includes("b"))],
  }).start({ settings: { storage: "memory:", log_level: "silent" } });
  t.after(() => running.stop());
  for (const path of ["/v1/ab", "/v1/b", "/v1/"]) await running.fetch(new Request(`http://kittens${path}`));
  assert.deepEqual(seen, ["a /v1/ab", "b /v1/ab", "b /v1/b"]);
});
