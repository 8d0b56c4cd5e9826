import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { Type } from "typebox";
import type { AuthenticationPolicy } from "../auth/policy.ts";
import { manualClock } from "../clock.ts";
import { authenticated, everyone } from "../operations/access.ts";
import { anonymous } from "../principal.ts";
import { resource } from "../resource.ts";
import { route } from "../route.ts";
import { type BackgroundTask, type Service, type ServiceDeclaration, type StartOptions, service } from "../service.ts";
import { memoryStorage } from "../storage/memory.ts";
import { silentLogger } from "../telemetry/log.ts";
import { operationContext } from "./operation-context.ts";

const kittens = resource("kittens", {
  schema: Type.Object({ name: Type.String() }),
  access: { create: [everyone], read: [everyone], write: [everyone] },
});

async function started(
  t: TestContext,
  declaration: Partial<ServiceDeclaration> = {},
  options: StartOptions = {},
): Promise<Service> {
  const running = await service({ name: "kittens", version: "1.0.0", resources: [kittens], ...declaration }).start({
    log: silentLogger,
    ...options,
    settings: { storage: "memory:", ...options.settings },
  });
  t.after(() => running.stop(0));
  return running;
}

const get = (running: Service, path: string, init?: RequestInit) =>
  running.fetch(new Request(`http://local${path}`, init));
const post = (data: object): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ data }),
});

describe("a running service", () => {
  test("serves its resources, and keeps them in the file that the storage setting names", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "service-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const settings = { storage: `sqlite:${join(folder, "{name}.db")}` };
    const before = await started(t, {}, { settings });
    const created = await get(before, "/v1/kittens", post({ name: "Tom" }));
    assert.equal(created.status, 201);
    const { data } = (await created.json()) as { data: { id: string } };
    await before.stop();
    const after = await started(t, {}, { settings });
    const read = (await (await get(after, `/v1/kittens/${data.id}`)).json()) as { data: { name: string } };
    assert.equal(read.data.name, "Tom");
  });

  test("a storage that cannot be opened, or an endpoint that does not exist, stops the start by name", async (t) => {
    await assert.rejects(started(t, {}, { settings: { storage: `sqlite:${tmpdir()}` } }), {
      message: `the storage file ${tmpdir()} cannot be opened: unable to open database file`,
    });
    await assert.rejects(
      started(t, {}, { settings: { disabled_endpoints: ["plural_kittens_delete", "plural_kitens_delete"] } }),
      /disabled_endpoints: no such resource: plural_kitens_delete;/,
    );
    const running = await started(t, {}, { settings: { disabled_endpoints: ["plural_kittens_delete"] } });
    assert.equal((await get(running, "/v1/kittens", { method: "DELETE" })).status, 405);
  });

  test("offers its operations for direct use", async (t) => {
    const running = await started(t);
    const context = operationContext(running.context, anonymous);
    const created = await running.operations.get("kittens")?.create(context, { params: {} }, { data: { name: "Tom" } });
    assert.equal(created?.kind, "created");
  });

  test("routes may be made from the service's parts, and use its operations", async (t) => {
    const running = await started(t, {
      routes: ({ operations, name }) => [
        route("GET", "/count", {
          access: [everyone],
          handler: async (context) => {
            const page = await operations.get("kittens")?.list(context, { params: {} }, {});
            return { service: name, count: page?.kind === "page" ? page.items.length : -1 };
          },
        }),
      ],
    });
    await get(running, "/v1/kittens", post({ name: "Tom" }));
    assert.deepEqual(await (await get(running, "/v1/count")).json(), { service: "kittens", count: 1 });
  });

  test("shows the views every service has", async (t) => {
    const running = await started(t, {
      description: "Kittens.",
      capabilities: { purring: { description: "Purrs", url: "" } },
    });
    const hello = (await (await get(running, "/v1/")).json()) as { capabilities: object };
    assert.ok("purring" in hello.capabilities);
    assert.equal((await get(running, "/livez")).status, 200);
    const ready = (await (await get(running, "/readyz")).json()) as {
      state: string;
      checks: Record<string, { ok: boolean; ms: number }>;
    };
    assert.equal(ready.state, "healthy");
    assert.equal(ready.checks.storage?.ok, true);
    assert.deepEqual(await (await get(running, "/v1/__heartbeat__")).json(), { storage: true, cache: true });
    const metrics = await get(running, "/metrics");
    assert.match(metrics.headers.get("content-type") ?? "", /version=0\.0\.4/);
    assert.match(await metrics.text(), /rouage_handler_called_total\{handler="heartbeat",service="kittens"\} 1/);
    const description = (await (await get(running, "/v1/openapi.json")).json()) as { paths: object };
    assert.deepEqual(description, running.openapi());
    assert.ok("/v1/kittens" in description.paths);
  });

  test("shows Swagger UI from local files, without inline script", async (t) => {
    const running = await started(t);
    const page = await get(running, "/v1/docs");
    const html = await page.text();
    assert.match(page.headers.get("content-security-policy") ?? "", /script-src 'self';/);
    assert.doesNotMatch(html, /<script(?! src="docs\/)/);
    for (const [, path = ""] of html.matchAll(/(?:src|href)="([^"]+)"/g)) {
      const asset = await get(running, `/v1/${path}`);
      assert.equal(asset.status, 200, path);
      assert.ok((await asset.arrayBuffer()).byteLength > 0);
    }
    for (const path of ["package.json", "..%2Fpackage.json", "%2e%2e/package.json", "constructor"])
      assert.equal((await get(running, `/v1/docs/${path}`)).status, 404, path);
  });

  test("a failing check fails the heartbeat and degrades the service, which stays ready", async (t) => {
    const running = await started(t, {
      checks: () => ({
        mail: async () => {
          throw new Error("no mail");
        },
      }),
    });
    const heartbeat = await get(running, "/v1/__heartbeat__");
    assert.equal(heartbeat.status, 503);
    assert.deepEqual(await heartbeat.json(), { storage: true, cache: true, mail: false });
    assert.equal((await get(running, "/readyz")).status, 200);
    assert.equal((await running.health()).state, "degraded");
  });

  test("metrics can be switched off", async (t) => {
    const running = await started(t, {}, { settings: { metrics_enabled: false } });
    assert.equal((await get(running, "/metrics", { redirect: "manual" })).status, 307);
    assert.equal(running.metrics(), "");
  });

  test("authentication may be made from the service's parts, and a fallback counts only where none is declared", async (t) => {
    const policy = (name: string): AuthenticationPolicy => ({
      name,
      securityScheme: { type: "http", scheme: name },
      authenticate: () => ({ ...anonymous, id: name, policy: name }),
    });
    const fallbackAuthentication = [policy("fallback")];
    const user = async (running: Service) =>
      ((await (await get(running, "/v1/")).json()) as { user?: { id: string } }).user?.id;
    const declared = await started(
      t,
      { authentication: async ({ name }) => [policy(`${name}-policy`)] },
      { fallbackAuthentication },
    );
    assert.equal(await user(declared), "kittens-policy");
    assert.equal(await user(await started(t, {}, { fallbackAuthentication })), "fallback");
    assert.equal(await user(await started(t)), undefined);
  });
});

describe("starting", () => {
  const start = (declaration: Partial<ServiceDeclaration>, options: StartOptions = {}) =>
    service({ name: "kittens", version: "1", resources: [kittens], ...declaration }).start({
      log: silentLogger,
      settings: { storage: "memory:" },
      ...options,
    });

  test("a declaration says everything that is wrong with it", () => {
    const wrong = { name: "Kittens!", version: "", resources: [kittens, kittens, {}], rotues: [] };
    assert.throws(
      () => service(wrong as unknown as ServiceDeclaration),
      (error: Error) =>
        ["name must be", "version is needed", "rotues", "resources[2]", "kittens is declared twice"].every((part) =>
          error.message.includes(part),
        ),
    );
    const nested = resource("toys", { schema: Type.Object({}), parent: kittens });
    assert.throws(
      () => service({ name: "a", version: "1", resources: [nested] }),
      /toys is nested below kittens, which is not among/,
    );
  });

  test("the same route twice stops the start, naming both", async () => {
    const routes = [route("GET", "/kittens", { access: [everyone], handler: () => 1 })];
    await assert.rejects(start({ routes }), /GET \/v1\/kittens.*resource kittens.*route GET \/kittens/);
    const probe = [route("GET", "/livez", { access: [everyone], unversioned: true, handler: () => 1 })];
    await assert.rejects(start({ routes: probe }), /GET \/livez is declared twice/);
  });

  test("bad settings and a bad storage stop the start", async () => {
    await assert.rejects(start({}, { settings: { prot: 1 } }), /did you mean port/);
    await assert.rejects(start({}, { settings: { storage: "mongo:x" } }), /not a storage URL/);
  });

  test("a storage that is given is used and not closed", async () => {
    const storage = memoryStorage({ clock: manualClock() });
    const running = await start({}, { storage });
    const key = { resource: "kittens", parent: "", id: "tom" };
    await running.storage.commit([{ kind: "put", key, body: "{}", expect: { kind: "absent" } }]);
    assert.equal((await storage.get(key))?.kind, "object");
    await running.stop();
    await storage.check();
    await storage.close();
  });

  test("when a part fails to start, what was opened is closed again", async () => {
    const ended: string[] = [];
    const task = (name: string, fails: boolean): BackgroundTask => ({
      name,
      start: () => {
        if (fails) throw new Error(`${name} is broken`);
        return async () => {
          ended.push(name);
        };
      },
    });
    await assert.rejects(
      start({ tasks: [task("one", false), task("two", false), task("three", true)] }),
      /three is broken/,
    );
    assert.deepEqual(ended, ["two", "one"]);
  });
});

describe("stopping", () => {
  test("waits for requests under way, ends tasks in reverse, then closes the storage", async (t) => {
    const events: string[] = [];
    const release = Promise.withResolvers<void>();
    const inside = Promise.withResolvers<void>();
    const task = (name: string): BackgroundTask => ({
      name,
      start: ({ storage, signal }) => {
        events.push(`start ${name}`);
        return async () => {
          await storage.check();
          events.push(`end ${name} ${signal.aborted}`);
        };
      },
    });
    const running = await started(t, {
      tasks: [task("one"), task("two")],
      routes: [
        route("GET", "/slow", {
          access: [everyone],
          handler: async () => {
            inside.resolve();
            await release.promise;
            events.push("answered");
            return 1;
          },
        }),
      ],
    });
    const slow = get(running, "/v1/slow");
    await inside.promise;
    const stopped = running.stop();
    assert.equal((await get(running, "/readyz")).status, 503);
    release.resolve();
    assert.equal((await slow).status, 200);
    await stopped;
    assert.deepEqual(events, ["start one", "start two", "answered", "end two true", "end one true"]);
    assert.equal(running.stop(), running.stop(), "and can be asked for again");
  });

  test("does not wait for ever, neither for requests nor for tasks", async (t) => {
    const hanging: BackgroundTask = { name: "hanging", start: () => () => new Promise(() => {}) };
    const running = await started(
      t,
      {
        tasks: [hanging],
        routes: [route("GET", "/hang", { access: [everyone], handler: () => new Promise(() => {}) })],
      },
      { settings: { request_timeout_seconds: 1 } },
    );
    void get(running, "/v1/hang");
    const keepAlive = setInterval(() => {}, 1000);
    await running.stop(50);
    clearInterval(keepAlive);
  });

  test("draining only fails readiness", async (t) => {
    const running = await started(t);
    running.drain();
    const ready = await get(running, "/readyz");
    assert.equal(ready.status, 503);
    assert.deepEqual(await ready.json(), { state: "draining", checks: {} });
    assert.equal((await get(running, "/v1/kittens")).status, 200);
  });
});

test("two services in one process share nothing", async (t) => {
  const one = await started(t);
  const two = await started(t, {
    resources: [
      resource("kittens", { schema: Type.Object({}), access: { read: [everyone], create: [authenticated] } }),
    ],
  });
  await get(one, "/v1/kittens", post({ name: "Tom" }));
  assert.deepEqual(await (await get(two, "/v1/kittens")).json(), { data: [] });
  assert.match(two.metrics(), /rouage_handler_called_total\{handler="kittens.create",service="kittens"\} 0/);
});
