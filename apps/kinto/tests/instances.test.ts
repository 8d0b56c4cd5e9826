/** Several Kintos on one store: what one changes, the others know, with a cache that they share and without one. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { silentLogger } from "rouage";
import { startTestServer, withoutRedis } from "../../../packages/rouage/src/cache/redis/test-server.ts";
import { durableStorage, testStore } from "../../../scripts/test-stores.ts";
import { startKinto } from "../src/app.ts";
import { type Ask, asking } from "./support/running.ts";

const settings = {
  "multiauth.policies": "account",
  "multiauth.policy.account.use": "kinto.plugins.accounts.authentication.AccountsAuthenticationPolicy",
  includes: "kinto.plugins.accounts",
  account_create_principals: "system.Everyone",
  userid_hmac_secret: "secret of the tests",
  // Longer than any test: what is forgotten is not forgotten by time.
  account_cache_ttl_seconds: 3600,
  log_level: "silent",
};

async function withTwo(
  run: (one: Ask, two: Ask) => Promise<void>,
  further: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "kinto-"));
  try {
    await using store = await testStore(durableStorage, join(folder, "kinto.db"));
    const overrides = { ...settings, ...further, storage_url: store.url };
    await using one = await startKinto({ overrides }, { log: silentLogger });
    await using two = await startKinto({ overrides }, { log: silentLogger });
    await run(asking(one), asking(two));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function eventually(check: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail("it never came to pass");
}

const whoIs = async (ask: Ask, as: string): Promise<string | undefined> =>
  (await ask("GET", "/", { as })).body.user?.id;

test("a password changed at one instance is changed at the others as soon as they hear of it, each with a cache of its own", async () => {
  await withTwo(async (one, two) => {
    assert.equal((await one("PUT", "/accounts/bob", { body: { data: { password: "old" } } })).status, 201);
    for (const ask of [one, two]) assert.equal(await whoIs(ask, "bob:old"), "account:bob");
    const change = { as: "bob:old", body: { data: { password: "new" } } };
    assert.equal((await one("PUT", "/accounts/bob", change)).status, 200);
    assert.equal(await whoIs(one, "bob:old"), undefined);
    await eventually(async () => (await whoIs(two, "bob:old")) === undefined);
    for (const ask of [one, two]) assert.equal(await whoIs(ask, "bob:new"), "account:bob");
    assert.equal((await two("DELETE", "/accounts/bob", { as: "bob:new" })).status, 200);
    await eventually(async () => (await whoIs(one, "bob:new")) === undefined);
  });
});

test("with a cache that they share the old password is refused everywhere at once, and its tries are counted together", {
  skip: withoutRedis(),
}, async () => {
  await using redis = await startTestServer();
  const shared = { cache_url: redis.url, cache_backend: "kinto.core.cache.redis", cache_prefix: "a:" };
  await withTwo(async (one, two) => {
    assert.equal((await one("PUT", "/accounts/bob", { body: { data: { password: "old" } } })).status, 201);
    for (const ask of [one, two]) assert.equal(await whoIs(ask, "bob:old"), "account:bob");
    const change = { as: "bob:old", body: { data: { password: "new" } } };
    assert.equal((await one("PUT", "/accounts/bob", change)).status, 200);
    assert.equal(await whoIs(two, "bob:old"), undefined);
    assert.equal((await one("PUT", "/accounts/eve", { body: { data: { password: "right" } } })).status, 201);
    const answers: number[] = [];
    for (let n = 0; n < 12; n++)
      answers.push((await (n % 2 === 0 ? one : two)("GET", "/", { as: `eve:guess-${n}` })).status);
    assert.equal(answers.indexOf(429), 6, `${answers}`);
    assert.ok(
      answers.slice(6).every((status) => status === 429),
      `${answers}`,
    );
  }, shared);
});

test("the feed of changes is right at each of them, after a flush at another too, and while the cache is away", {
  skip: withoutRedis(),
}, async () => {
  await using redis = await startTestServer();
  const list = "/buckets/monitor/collections/changes/records";
  const as = "alice";
  await withTwo(
    async (one, two) => {
      const names = async (ask: Ask): Promise<readonly string[]> => {
        const { status, body } = await ask("GET", list);
        assert.equal(status, 200);
        return body.data.map(({ collection }: { readonly collection: string }) => collection).sort();
      };
      const fill = async (ask: Ask, collection: string) => {
        await ask("PUT", "/buckets/main", { as });
        const path = `/buckets/main/collections/${collection}`;
        assert.equal((await ask("PUT", path, { as })).status, 201);
        await ask("PUT", `${path}/records/r`, { as, body: { data: {} } });
      };
      await fill(one, "a");
      for (const ask of [one, two]) assert.deepEqual(await names(ask), ["a"]);
      await one("POST", "/__flush__");
      await fill(one, "b");
      for (const ask of [one, two, one]) assert.deepEqual(await names(ask), ["b"]);
      await redis.kill();
      await fill(two, "c");
      for (const ask of [one, two]) assert.deepEqual(await names(ask), ["b", "c"]);
    },
    {
      "multiauth.policies": "basicauth",
      includes: "kinto_changes kinto.plugins.flush",
      "changes.resources": "/buckets/main",
      cache_url: `${redis.url}&command_timeout=0.2`,
    },
  );
});

test("default buckets used for the first time at two instances at once are made once, and nobody is refused", async () => {
  await withTwo(
    async (one, two) => {
      for (let round = 0; round < 5; round++) {
        const as = `somebody${round}`;
        const asked = Array.from({ length: 12 }, (_, n) =>
          (n % 2 === 0 ? one : two)("POST", "/buckets/default/collections/notes/records", {
            as,
            body: { data: { n } },
          }),
        );
        for (const { status, body } of await Promise.all(asked)) assert.equal(status, 201, JSON.stringify(body));
        for (const ask of [one, two]) {
          const { body } = await ask("GET", "/buckets/default/collections/notes/records?_sort=n", { as });
          assert.deepEqual(
            body.data.map(({ n }: { n: number }) => n),
            Array.from({ length: 12 }, (_, n) => n),
          );
        }
      }
    },
    { includes: "kinto.plugins.default_bucket", "multiauth.policies": "basicauth" },
  );
});

test("quotas count exactly what both instances write at once", async () => {
  const as = "alice";
  await withTwo(
    async (one, two) => {
      await one("PUT", "/buckets/b", { as });
      await one("PUT", "/buckets/b/collections/c", { as });
      const asked = Array.from({ length: 30 }, (_, n) =>
        (n % 2 === 0 ? one : two)("PUT", `/buckets/b/collections/c/records/r${n}`, { as, body: { data: {} } }),
      );
      const statuses = (await Promise.all(asked)).map(({ status }) => status);
      assert.equal(statuses.filter((status) => status === 201).length, 20);
      assert.equal(statuses.filter((status) => status === 507).length, 10);
      const { headers } = await two("HEAD", "/buckets/b/collections/c/records", { as });
      assert.equal(headers.get("total-records"), "20");
    },
    { includes: "kinto.plugins.quotas", "multiauth.policies": "basicauth", "quotas.collection_max_items": 20 },
  );
});
