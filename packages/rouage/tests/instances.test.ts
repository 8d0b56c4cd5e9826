/** Two instances of one service on one PostgreSQL and one Redis behind a balancer that sends each request to the other one: clients cannot tell. */
import assert from "node:assert/strict";
import { after, before, describe, type TestContext, test } from "node:test";
import { Type } from "typebox";
import { accountsAuth } from "../src/auth/accounts.ts";
import { client, signIn, startProvider } from "../src/auth/oidc.fixture.ts";
import { oidc } from "../src/auth/oidc.ts";
import { oidcLogin } from "../src/auth/oidc-login.ts";
import { startTestServer, type TestServer, withoutRedis } from "../src/cache/redis/test-server.ts";
import { everyone } from "../src/operations/access.ts";
import { resource } from "../src/resource.ts";
import { type Service, type ServiceDeclaration, service } from "../src/service.ts";
import { startTestStores, type TestStores, withoutPostgres } from "../src/storage/postgres/test-stores.ts";
import { silentLogger } from "../src/telemetry/log.ts";

const kittens = resource("kittens", {
  schema: Type.Object({ name: Type.String() }),
  access: { create: [everyone], read: [everyone], write: [everyone] },
});

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look at whatever JSON came
  readonly body: any;
  /** Of a list that is followed. */
  readonly stream?: ReadableStream<Uint8Array>;
}

interface Ask {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

describe("two instances behind a balancer", { skip: withoutPostgres() || withoutRedis() }, () => {
  let stores: TestStores;
  let redis: TestServer;
  before(async () => {
    [stores, redis] = await Promise.all([startTestStores(), startTestServer()]);
  });
  after(async () => {
    await stores?.[Symbol.asyncDispose]();
    await redis?.[Symbol.asyncDispose]();
  });

  let count = 0;
  /** Sends each request to the instance that did not get the last one. */
  async function balanced(t: TestContext, declaration: Partial<ServiceDeclaration> = {}, settings: object = {}) {
    const { url, drop } = stores.fresh("&pool=6");
    const cache = `${redis.url}&prefix=t${++count}:`;
    const instances: Service[] = [];
    for (let n = 0; n < 2; n++) {
      instances.push(
        await service({ name: "kittens", version: "1.0.0", resources: [kittens], ...declaration }).start({
          settings: { storage: url, cache, ...settings },
          log: silentLogger,
        }),
      );
    }
    t.after(async () => {
      for (const instance of instances) await instance.stop(0);
      await drop();
    });
    let turn = 0;
    return async (method: string, path: string, { body, headers = {} }: Ask = {}): Promise<Answer> => {
      const instance = instances[turn++ % instances.length] ?? assert.fail();
      const response = await instance.fetch(
        new Request(new URL(path, "http://localhost:8888"), {
          method,
          redirect: "manual",
          headers: { ...(body !== undefined && { "content-type": "application/json" }), ...headers },
          ...(body !== undefined && { body: JSON.stringify(body) }),
        }),
      );
      const { status } = response;
      if (response.headers.get("content-type") === "text/event-stream" && response.body !== null)
        return { status, headers: response.headers, body: undefined, stream: response.body };
      const text = await response.text();
      return {
        status: response.status,
        headers: response.headers,
        body: text.startsWith("{") ? JSON.parse(text) : text,
      };
    };
  }

  const named = (name: string) => ({ body: { data: { name } } });

  test("what one has written the other reads, changes and refuses to overwrite", async (t) => {
    const ask = await balanced(t);
    const created = await ask("POST", "/v1/kittens", named("Tom"));
    const path = `/v1/kittens/${created.body.data.id}`;
    const read = await ask("GET", path);
    assert.deepEqual(read.body.data, created.body.data);
    const etag = read.headers.get("etag") ?? "";
    assert.equal((await ask("GET", path, { headers: { "if-none-match": etag } })).status, 304);
    const changed = await ask("PUT", path, { ...named("Tim"), headers: { "if-match": etag } });
    assert.equal(changed.status, 200);
    assert.equal((await ask("PUT", path, { ...named("Tam"), headers: { "if-match": etag } })).status, 412);
    assert.equal((await ask("GET", path)).body.data.name, "Tim");
    assert.equal((await ask("GET", path)).body.data.name, "Tim", "the other too");
  });

  test("pages are followed over both", async (t) => {
    const ask = await balanced(t);
    await Promise.all(Array.from({ length: 25 }, (_, n) => ask("POST", "/v1/kittens", named(`k${n}`))));
    const names: string[] = [];
    let next: string | undefined = "/v1/kittens?_limit=4&_sort=name";
    while (next !== undefined) {
      const { status, body, headers } = await ask("GET", next);
      assert.equal(status, 200);
      names.push(...body.data.map(({ name }: { readonly name: string }) => name));
      next = headers.get("next-page") ?? undefined;
    }
    assert.deepEqual(names, Array.from({ length: 25 }, (_, n) => `k${n}`).sort());
  });

  test("pages of a deletion are followed over both, each once", async (t) => {
    const ask = await balanced(t);
    for (let n = 0; n < 11; n++) await ask("POST", "/v1/kittens", named(`k${n}`));
    const first = await ask("DELETE", "/v1/kittens?_limit=3");
    assert.equal(first.status, 200);
    const second = first.headers.get("next-page") ?? assert.fail();
    const outcomes = await Promise.all(Array.from({ length: 4 }, () => ask("DELETE", second)));
    assert.deepEqual(outcomes.map(({ status }) => status).sort(), [200, 400, 400, 400]);
    let next = outcomes.find(({ status }) => status === 200)?.headers.get("next-page") ?? undefined;
    let deleted = 6;
    while (next !== undefined) {
      const page = await ask("DELETE", next);
      assert.equal(page.status, 200);
      deleted += page.body.data.length;
      next = page.headers.get("next-page") ?? undefined;
    }
    assert.equal(deleted, 11);
    assert.deepEqual((await ask("GET", "/v1/kittens")).body.data, []);
  });

  test("who follows a list at one hears of what is written at the other, once and in order", async (t) => {
    const ask = await balanced(t);
    const streams = await Promise.all(
      Array.from({ length: 2 }, () => ask("GET", "/v1/kittens", { headers: { accept: "text/event-stream" } })),
    );
    const readers = streams.map(({ stream }) => stream?.getReader() ?? assert.fail());
    const texts = ["", ""];
    const until = async (isEnough: (text: string) => boolean): Promise<void> => {
      for (const [n, reader] of readers.entries()) {
        while (!isEnough(texts[n] ?? "")) {
          const { value, done } = await reader.read();
          assert.ok(!done, "the stream goes on");
          texts[n] += new TextDecoder().decode(value);
        }
      }
    };
    await until((text) => text.includes("event: ready"));
    for (let n = 0; n < 6; n++) await ask("PUT", `/v1/kittens/k${n}`, named(`k${n}`));
    await until((text) => text.includes('"k5"'));
    for (const text of texts)
      assert.deepEqual(
        [...text.matchAll(/"name":"(k\d)"/g)].map(([, name]) => name),
        Array.from({ length: 6 }, (_, n) => `k${n}`),
      );
    for (const reader of readers) await reader.cancel();
  });

  test("a request with a key is done once, whoever gets it, and however many at the same time", async (t) => {
    const ask = await balanced(t);
    for (const lane of ["a", "b", "c"]) {
      const headers = { "idempotency-key": `"${lane}"` };
      const send = () => ask("POST", "/v1/kittens", { ...named(lane), headers });
      const outcomes = await Promise.all(Array.from({ length: 8 }, send));
      assert.ok(
        outcomes.every(({ status }) => status === 201 || status === 409),
        `${outcomes.map(({ status }) => status)}`,
      );
      const made = outcomes.filter(({ status }) => status === 201);
      assert.ok(made.length >= 1);
      const again = [await send(), await send()];
      assert.ok(again.every(({ headers: answered }) => answered.get("idempotent-replayed") === "true"));
      assert.equal(new Set([...made, ...again].map(({ body }) => body.data.id)).size, 1);
    }
    assert.equal((await ask("GET", "/v1/kittens")).body.data.length, 3);
  });

  test("the limit of a caller is one limit, in turn and at the same time", async (t) => {
    const ask = await balanced(t, {}, { rate_limit: "20/3600" });
    const inTurn: number[] = [];
    for (let n = 0; n < 10; n++) inTurn.push((await ask("GET", "/v1/kittens")).status);
    const together = await Promise.all(Array.from({ length: 30 }, () => ask("GET", "/v1/kittens")));
    const statuses = [...inTurn, ...together.map(({ status }) => status)];
    assert.equal(statuses.filter((status) => status === 200).length, 20);
    assert.equal(statuses.filter((status) => status === 429).length, 20);
  });

  test("tries with wrong passwords are counted together, in turn and at the same time", async (t) => {
    let checks = 0;
    const ask = await balanced(t, {
      authentication: ({ cache, log }) => [
        accountsAuth({
          secret: "one for all",
          cache,
          log,
          verify: async (_, password) => {
            checks++;
            return password === "right";
          },
        }),
      ],
    });
    const as = (user: string, password: string) => ({
      headers: { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` },
    });
    const who = async (user: string, password: string) => (await ask("GET", "/v1/", as(user, password))).body.user?.id;
    for (let n = 0; n < 9; n++) assert.equal(await who("bob", `guess ${n}`), undefined);
    assert.equal(checks, 6, "five are free, the sixth closes the door");
    assert.equal(await who("bob", "right"), undefined);
    checks = 0;
    await Promise.all(Array.from({ length: 30 }, (_, n) => who("eve", `guess ${n}`)));
    assert.equal(checks, 6);
    checks = 0;
    for (let n = 0; n < 4; n++) assert.equal(await who("ann", "right"), "account:ann");
    assert.equal(checks, 1, "what one has checked the other knows");
  });

  test("a login with an identity provider ends at another instance than it began, and once", async (t) => {
    await using provider = await startProvider();
    const known = { name: "test", issuer: provider.issuer, ...client };
    const ask = await balanced(t, {
      authentication: ({ cache, clock }) => [oidc({ ...known, cache, clock })],
      plugins: [oidcLogin({ providers: [known], callbackOrigins: ["https://admin.example"] })],
    });
    const callback = "https://admin.example/#/auth/";
    const begun = await ask("GET", `/v1/openid/test/login?${new URLSearchParams({ callback, scope: "openid email" })}`);
    const cookie = (begun.headers.getSetCookie()[0] ?? "").split(";", 1)[0] ?? "";
    const back = await signIn(begun.headers.get("location") ?? "");
    const ended = await ask("GET", back, { headers: { cookie } });
    assert.equal(ended.status, 307);
    const location = ended.headers.get("location") ?? "";
    const tokens = JSON.parse(Buffer.from(decodeURIComponent(location.slice(callback.length)), "base64").toString());
    const headers = { authorization: `Bearer ${tokens.access_token}` };
    for (let n = 0; n < 2; n++) assert.equal((await ask("GET", "/v1/", { headers })).body.user.id, "test:bob");
    for (let n = 0; n < 2; n++) assert.equal((await ask("GET", back, { headers: { cookie } })).status, 401);
  });

  test("both go on while the cache is away, and count together again when it is back", async (t) => {
    const ask = await balanced(t, {}, { rate_limit: "1000/3600" });
    await ask("POST", "/v1/kittens", named("Tom"));
    await redis.kill();
    try {
      for (let n = 0; n < 6; n++) assert.equal((await ask("GET", "/v1/kittens")).status, 200);
      const headers = { "idempotency-key": '"away"' };
      const outcomes = await Promise.all(
        Array.from({ length: 6 }, () => ask("POST", "/v1/kittens", { ...named("Tim"), headers })),
      );
      assert.ok(outcomes.every(({ status }) => status === 201 || status === 409));
      assert.equal((await ask("GET", "/v1/kittens")).body.data.length, 2, "the storage knows what was done");
    } finally {
      await redis.start();
    }
  });
});
