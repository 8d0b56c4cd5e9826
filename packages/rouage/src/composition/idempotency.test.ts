import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import fc from "fast-check";
import { Type } from "typebox";
import type { AuthenticationPolicy } from "../auth/policy.ts";
import { type ManualClock, manualClock } from "../clock.ts";
import { ServiceError } from "../errors.ts";
import { keyOf } from "../faces/rest/idempotency.ts";
import { everyone } from "../operations/access.ts";
import { anonymous } from "../principal.ts";
import { type Hooks, resource } from "../resource.ts";
import { type RouteOptions, reply, route } from "../route.ts";
import { type Service, type ServiceDeclaration, service } from "../service.ts";
import { silentLogger } from "../telemetry/log.ts";
import { purgeIdempotencyKeys } from "./idempotency-store.ts";

const open = { create: [everyone], read: [everyone], write: [everyone] };
const kittensWith = (hooks: Hooks<{ name: string }> = {}) =>
  resource("kittens", { schema: Type.Object({ name: Type.String({ maxLength: 100 }) }), access: open, hooks });

const byName: AuthenticationPolicy = {
  name: "test",
  securityScheme: { type: "http", scheme: "test" },
  authenticate: (request) => {
    const id = request.header("authorization");
    return id === undefined ? undefined : { ...anonymous, id, policy: "test" };
  },
};

interface Started {
  readonly running: Service;
  readonly clock: ManualClock;
}

async function started(
  t: TestContext,
  declaration: Partial<ServiceDeclaration> = {},
  settings: Record<string, unknown> = {},
): Promise<Started> {
  const clock = manualClock();
  const running = await service({
    name: "kittens",
    version: "1.0.0",
    resources: [kittensWith()],
    authentication: [byName],
    ...declaration,
  }).start({ log: silentLogger, clock, settings: { storage: "memory:", ...settings } });
  t.after(() => running.stop(0));
  return { running, clock };
}

interface Sent {
  readonly key?: string;
  readonly as?: string;
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly peer?: string;
}

interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers whose shape they assert
  readonly json: any;
}

async function send(running: Service, url: string, sent: Sent = {}): Promise<Answered> {
  const bytes = new TextEncoder().encode(JSON.stringify(sent.body ?? { data: { name: "Tom" } }));
  const headers: Record<string, string> = {
    "content-type": "application/json",
    ...(sent.key === undefined ? {} : { "idempotency-key": sent.key }),
    ...(sent.as === undefined ? {} : { authorization: sent.as }),
    ...sent.headers,
  };
  const {
    status,
    headers: answered,
    body,
  } = await running.handle({
    method: sent.method ?? "POST",
    url,
    origin: "http://local",
    header: (name) => headers[name],
    headers: () => headers,
    body: async (limit) => {
      if (bytes.length > limit) throw new ServiceError("body-too-large");
      return bytes;
    },
    peer: sent.peer ?? "192.0.2.1",
    signal: new AbortController().signal,
  });
  const text = body === undefined ? "" : await new Response(body as string).text();
  return { status, headers: answered, text, json: text.startsWith("{") ? JSON.parse(text) : undefined };
}

async function names(running: Service): Promise<readonly string[]> {
  const { json } = await send(running, "/v1/kittens?_sort=name", { method: "GET" });
  return json.data.map(({ name }: { name: string }) => name);
}

/** What must be equal of an answer given again; the request id is each request's own. */
const shown = ({ status, headers, text }: Answered) => {
  const {
    "x-request-id": _id,
    "idempotent-replayed": _again,
    "access-control-expose-headers": _exposed,
    ...rest
  } = headers;
  return { status, headers: rest, text };
};

describe("a request that is repeated with its key", () => {
  test("is done once, and answered alike", async (t) => {
    const { running, clock } = await started(t);
    const first = await send(running, "/v1/kittens", { key: '"abc"' });
    assert.equal(first.status, 201);
    assert.equal("idempotent-replayed" in first.headers, false);
    clock.advance(3600_000);
    const again = await send(running, "/v1/kittens", { key: '"abc"' });
    assert.deepEqual(shown(again), shown(first));
    assert.equal(again.headers["idempotent-replayed"], "true");
    assert.match(String(again.headers["access-control-expose-headers"]), /Idempotent-Replayed/);
    assert.deepEqual(await names(running), ["Tom"]);
    assert.equal((await send(running, "/v1/kittens", { key: '"other"' })).status, 201);
    assert.deepEqual(await names(running), ["Tom", "Tom"]);
  });

  test("without quotes is the same key; PATCH as well; what PUT and DELETE do is idempotent anyway", async (t) => {
    const { running } = await started(t);
    const id = (await send(running, "/v1/kittens", { key: "abc" })).json.data.id;
    assert.equal((await send(running, "/v1/kittens", { key: '"abc"' })).json.data.id, id);
    const path = `/v1/kittens/${id}`;
    const patch: Sent = { key: "abc", method: "PATCH", body: { data: { name: "Tim" } } };
    const first = await send(running, path, patch);
    await send(running, path, { method: "PATCH", body: { data: { name: "Tem" } } });
    assert.deepEqual(shown(await send(running, path, patch)), shown(first));
    assert.deepEqual(await names(running), ["Tem"]);
    await send(running, path, { ...patch, method: "PUT" });
    assert.deepEqual(await names(running), ["Tim"]);
  });

  test("with another payload is refused, and does nothing", async (t) => {
    const { running } = await started(t);
    await send(running, "/v1/kittens", { key: "abc" });
    for (const other of [
      { body: { data: { name: "Tim" } } },
      { headers: { "content-type": "application/json; charset=utf-8" } },
      { headers: { "if-none-match": "*" } },
    ]) {
      const { status, json } = await send(running, "/v1/kittens", { key: "abc", ...other });
      assert.equal(status, 422);
      assert.equal(json.errno, 125);
    }
    assert.equal((await send(running, "/v1/kittens?a=1", { key: "abc" })).status, 422);
    assert.deepEqual(await names(running), ["Tom"]);
  });

  test("while the first is under way is told so", async (t) => {
    const entered = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const { running } = await started(t, {
      resources: [
        kittensWith({
          before: async ({ next }) => {
            if (next?.name !== "slow") return;
            entered.resolve();
            await gate.promise;
          },
        }),
      ],
    });
    const body = { data: { name: "slow" } };
    const first = send(running, "/v1/kittens", { key: "abc", body });
    await entered.promise;
    const meanwhile = await send(running, "/v1/kittens", { key: "abc", body });
    assert.equal(meanwhile.status, 409);
    assert.equal(meanwhile.json.errno, 124);
    assert.ok(Number(meanwhile.headers["retry-after"]) > 0);
    gate.resolve();
    assert.equal((await first).status, 201);
    assert.equal((await send(running, "/v1/kittens", { key: "abc", body })).headers["idempotent-replayed"], "true");
    assert.deepEqual(await names(running), ["slow"]);
  });

  test("is another caller's own, and another path's", async (t) => {
    const { running } = await started(t);
    const ids = new Set<string>();
    for (const caller of [{ as: "ann" }, { as: "bob" }, { peer: "192.0.2.2" }, { peer: "192.0.2.3" }, { as: "ann" }])
      ids.add((await send(running, "/v1/kittens", { key: "abc", ...caller })).json.data.id);
    assert.equal(ids.size, 4);
    const [a, b] = [...ids];
    const patch: Sent = { key: "abc", method: "PATCH", body: { data: { name: "Tim" } } };
    assert.equal((await send(running, `/v1/kittens/${a}`, patch)).json.data.id, a);
    assert.equal((await send(running, `/v1/kittens/${b}`, patch)).json.data.id, b);
  });

  test("is done again when its time is over, and what is too old is thrown away", async (t) => {
    const { running, clock } = await started(t, {}, { idempotency_seconds: 60 });
    const { storage } = running;
    const kept = async () => storage.count({ resource: "idempotency-keys", parent: "" });
    const first = await send(running, "/v1/kittens", { key: "abc" });
    clock.advance(59_999);
    await send(running, "/v1/kittens", { key: "def" });
    assert.equal((await send(running, "/v1/kittens", { key: "abc" })).json.data.id, first.json.data.id);
    clock.advance(1);
    assert.notEqual((await send(running, "/v1/kittens", { key: "abc" })).json.data.id, first.json.data.id);
    assert.equal(await kept(), 2);
    assert.equal(await purgeIdempotencyKeys(storage, clock.now()), false);
    assert.equal(await kept(), 2);
    clock.advance(59_999);
    await purgeIdempotencyKeys(storage, clock.now());
    assert.equal(await kept(), 1);
    const left = await storage.list(
      { resource: "idempotency-keys", parent: "" },
      { sort: [], limit: 9, tombstones: true },
    );
    assert.equal(left.length, 1);
  });

  test("0 seconds, or a read-only service: keys are ignored", async (t) => {
    const { running } = await started(t, {}, { idempotency_seconds: 0 });
    for (const key of ["abc", "abc", ""]) assert.equal((await send(running, "/v1/kittens", { key })).status, 201);
    const { running: readonly } = await started(t, {}, { readonly: true });
    assert.equal((await send(readonly, "/v1/kittens", { key: "abc" })).status, 405);
  });
});

describe("answers that are kept", () => {
  test("refusals are; failures and answers that ask to come back are not, and what was written with them is taken back", async (t) => {
    let fault: (() => never) | undefined;
    let runs = 0;
    const { running } = await started(t, {
      resources: [
        kittensWith({
          before: () => {
            runs++;
            fault?.();
          },
        }),
      ],
    });
    const attempt = () => send(running, "/v1/kittens", { key: "abc", as: "ann" });
    for (const [error, status] of [
      [new Error("broken"), 500],
      [new ServiceError("unavailable"), 503],
      [new ServiceError("conflict"), 409],
      [new ServiceError("too-many-requests"), 429],
    ] as const) {
      fault = () => {
        throw error;
      };
      assert.equal((await attempt()).status, status);
    }
    fault = () => {
      throw new ServiceError("forbidden");
    };
    const refused = await attempt();
    assert.equal(refused.status, 403);
    assert.equal(runs, 5);
    fault = undefined;
    assert.deepEqual(shown(await attempt()), shown(refused));
    assert.equal(runs, 5);
    assert.deepEqual(await names(running), []);
    const invalid = { key: "def", as: "ann", body: { data: { name: 1 } } };
    assert.equal((await send(running, "/v1/kittens", invalid)).status, 400);
    assert.equal((await send(running, "/v1/kittens", invalid)).headers["idempotent-replayed"], "true");
    const count = () => running.storage.count({ resource: "idempotency-keys", parent: "" });
    const before = await count();
    const { as: _, ...nobody } = invalid;
    assert.equal((await send(running, "/v1/kittens", nobody)).status, 400);
    assert.equal(await count(), before, "refusing who is not known leaves nothing in the store");
  });

  test("and what the request wrote are one step: without the one there is not the other", async (t) => {
    const { running } = await started(t);
    const { storage } = running;
    const commit = storage.commit.bind(storage);
    Object.assign(storage, {
      commit: async (changes: Parameters<typeof commit>[0]) => {
        if (changes.some((change) => "key" in change && change.key.resource === "idempotency-keys"))
          throw new ServiceError("unavailable");
        return commit(changes);
      },
    });
    assert.equal((await send(running, "/v1/kittens", { key: "abc" })).status, 503);
    assert.deepEqual(await names(running), []);
    Object.assign(storage, { commit });
    assert.equal((await send(running, "/v1/kittens", { key: "abc" })).status, 201);
    assert.deepEqual(await names(running), ["Tom"]);
  });

  test("survive a restart, and nobody can read them without the key", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "idempotency-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const storage = `sqlite:${join(folder, "kittens.db")}`;
    const hi = route("POST", "/hi", { access: [everyone], handler: () => reply(200, "the whisker is secret") });
    const before = await started(t, { routes: [hi] }, { storage });
    const first = await send(before.running, "/v1/kittens", { key: "abc" });
    await send(before.running, "/v1/hi", { key: "abc" });
    await before.running.stop();
    for (const file of readdirSync(folder))
      assert.equal(readFileSync(join(folder, file)).includes("whisker"), false, file);
    const after = await started(t, { routes: [hi] }, { storage });
    assert.deepEqual(shown(await send(after.running, "/v1/kittens", { key: "abc" })), shown(first));
    assert.equal((await send(after.running, "/v1/hi", { key: "abc" })).text, "the whisker is secret");
  });

  test("of two instances on one store, one does it", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "idempotency-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const storage = `sqlite:${join(folder, "kittens.db")}`;
    const [a, b] = [await started(t, {}, { storage }), await started(t, {}, { storage })];
    for (let round = 0; round < 10; round++) {
      const key = `round-${round}`;
      const both = await Promise.all([a, b].map(({ running }) => send(running, "/v1/kittens", { key })));
      for (const { status } of both) assert.ok(status === 201 || status === 409, String(status));
      assert.ok(both.some(({ status }) => status === 201));
      assert.equal((await names(a.running)).length, round + 1);
    }
  });
});

describe("routes", () => {
  function counting(options: Partial<RouteOptions<"/count", undefined, undefined>> = {}) {
    let count = 0;
    return route("POST", "/count", { access: [everyone], handler: () => ({ count: ++count }), ...options });
  }

  test("honour keys unless they say otherwise, or change nothing", async (t) => {
    for (const [options, expected] of [
      [{}, 1],
      [{ idempotency: "atomic" }, 1],
      [{ idempotency: false }, 2],
      [{ safe: true }, 2],
    ] as const) {
      const { running } = await started(t, { routes: [counting(options)] });
      await send(running, "/v1/count", { key: "abc" });
      assert.equal((await send(running, "/v1/count", { key: "abc" })).json.count, expected, JSON.stringify(options));
    }
  });

  test("read the body as it was sent, and are bounded as they say", async (t) => {
    const echo = route("POST", "/echo", {
      access: [everyone],
      accepts: ["application/json"],
      bodyLimit: 40,
      handler: async ({ request }) => reply(200, await request.body(40), { "set-cookie": ["a=1", "b=2"] }),
    });
    const { running } = await started(t, { routes: [echo] });
    const first = await send(running, "/v1/echo", { key: "abc", body: { a: 1 } });
    assert.equal(first.text, '{"a":1}');
    const again = await send(running, "/v1/echo", { key: "abc", body: { a: 1 } });
    assert.deepEqual(shown(again), shown(first));
    assert.deepEqual(again.headers["set-cookie"], ["a=1", "b=2"]);
    assert.equal((await send(running, "/v1/echo", { key: "def", body: "x".repeat(50) })).status, 413);
  });

  test("whose answer is too large to be kept are not done again", async (t) => {
    let runs = 0;
    const large = route("POST", "/large", {
      access: [everyone],
      handler: () => {
        runs++;
        return reply(200, "x".repeat(2000));
      },
    });
    const { running } = await started(t, { routes: [large] }, { body_limit: 1000 });
    assert.equal((await send(running, "/v1/large", { key: "abc" })).text.length, 2000);
    const again = await send(running, "/v1/large", { key: "abc" });
    assert.equal(again.status, 422);
    assert.match(again.json.message, /too large to be kept/);
    assert.equal(runs, 1);
  });
});

describe("batches", () => {
  const requests = [
    { method: "POST", path: "/kittens", body: { data: { name: "Ann" } } },
    { method: "POST", path: "/kittens", body: { data: { name: "Bob" } } },
  ];

  test("are done once as a whole", async (t) => {
    const { running } = await started(t);
    const first = await send(running, "/v1/batch", { key: "abc", as: "ann", body: { requests } });
    assert.equal(first.status, 200);
    const again = await send(running, "/v1/batch", { key: "abc", as: "ann", body: { requests } });
    assert.deepEqual(shown(again), shown(first));
    assert.deepEqual(await names(running), ["Ann", "Bob"]);
    assert.equal((await send(running, "/v1/batch", { key: "abc", as: "bob", body: { requests } })).status, 200);
    assert.equal((await names(running)).length, 4);
  });

  test("that are atomic and fail leave nothing behind, and say so again", async (t) => {
    const { running } = await started(t);
    const body = {
      atomic: true,
      requests: [...requests, { method: "POST", path: "/kittens", body: { data: { name: 1 } } }],
    };
    const first = await send(running, "/v1/batch", { key: "abc", body });
    assert.deepEqual(
      first.json.responses.map(({ status }: { status: number }) => status),
      [424, 424, 400],
    );
    assert.deepEqual(await names(running), []);
    const again = await send(running, "/v1/batch", { key: "abc", body });
    assert.deepEqual(shown(again), shown(first));
    assert.equal(again.headers["idempotent-replayed"], "true");
  });

  test("may carry requests with keys of their own", async (t) => {
    const { running } = await started(t);
    const keyed = requests.map((request) => ({ ...request, headers: { "Idempotency-Key": '"own"' } }));
    const { json } = await send(running, "/v1/batch", { body: { requests: [keyed[0], keyed[0], keyed[1]] } });
    assert.deepEqual(
      json.responses.map(({ status }: { status: number }) => status),
      [201, 201, 422],
    );
    assert.deepEqual(await names(running), ["Ann"]);
  });
});

test("a key is a string of 1 to 255 characters, with or without quotes", async (t) => {
  const { running } = await started(t);
  for (const key of [
    "",
    '""',
    '"a',
    'a"',
    "a b",
    "a, b",
    '"a";b',
    '"\\a"',
    '"é"',
    "x".repeat(256),
    `"${"x".repeat(256)}"`,
  ]) {
    const { status, json } = await send(running, "/v1/kittens", { key });
    assert.equal(status, 400, key);
    assert.equal(json.details[0].name, "Idempotency-Key");
  }
  assert.deepEqual(await names(running), []);
  for (const key of ["8e03978e-40d5-43e8-bc93-6894a57f9324", '"a \\" b"', "x".repeat(255)])
    assert.equal((await send(running, "/v1/kittens", { key })).status, 201, key);
  fc.assert(
    fc.property(fc.string({ maxLength: 300, unit: "binary" }), (header) => {
      try {
        assert.ok(keyOf(header).length <= 255);
      } catch (error) {
        assert.ok(ServiceError.is(error) && error.kind.status === 400, header);
      }
    }),
  );
  fc.assert(
    fc.property(
      fc.string({
        minLength: 1,
        maxLength: 255,
        unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
      }),
      (key) => {
        assert.equal(keyOf(`"${key.replaceAll(/["\\]/g, "\\$&")}"`), key);
      },
    ),
  );
});

test("whatever is sent in whatever order, each key of each caller is done at most once while it is kept", async (t) => {
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("send" as const),
        key: fc.constantFrom("k", "l"),
        as: fc.constantFrom("ann", "bob"),
        name: fc.constantFrom("Tom", "Tim", "?"),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("pass" as const), seconds: fc.integer({ min: 1, max: 70 }) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("purge" as const) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const { running, clock } = await started(t, {}, { idempotency_seconds: 60 });
      const kept = new Map<string, { readonly name: string; readonly until: number; readonly answer: Answered }>();
      let written = 0;
      for (const each of steps) {
        if (each.kind === "pass") clock.advance(each.seconds * 1000);
        else if (each.kind === "purge") await purgeIdempotencyKeys(running.storage, clock.now());
        else {
          const scope = `${each.as} ${each.key}`;
          const name = each.name === "?" ? 1 : each.name;
          const answer = await send(running, "/v1/kittens", { key: each.key, as: each.as, body: { data: { name } } });
          const before = kept.get(scope);
          if (before === undefined || before.until <= clock.now()) {
            assert.equal(answer.status, each.name === "?" ? 400 : 201);
            if (answer.status === 201) written++;
            kept.set(scope, { name: each.name, until: clock.now() + 60_000, answer });
          } else if (before.name !== each.name) assert.equal(answer.status, 422);
          else assert.deepEqual(shown(answer), shown(before.answer));
        }
        assert.equal((await names(running)).length, written);
      }
      await running.stop(0);
    }),
    { numRuns: 40 },
  );
});
