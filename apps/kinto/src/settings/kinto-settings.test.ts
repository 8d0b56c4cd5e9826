/** From an existing Kinto's settings to a running service: what is honoured, what is refused, what is told. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type Logger, SettingsError, silentLogger } from "rouage";
import { startKinto } from "../app.ts";
import { readBackends } from "./backends.ts";
import { loadSettings } from "./load.ts";
import { settingsReader } from "./reader.ts";
import { readToolkitSettings } from "./toolkit-settings.ts";

const usual = `
[server:main]
use = egg:waitress#main
host = 127.0.0.1
port = %(http_port)s

[app:main]
use = egg:kinto
pyramid.debug_notfound = false
kinto.storage_backend = kinto.core.storage.memory
kinto.storage_url =
kinto.cache_backend = kinto.core.cache.memory
kinto.permission_backend = kinto.core.permission.memory
kinto.userid_hmac_secret = aea10d8733
multiauth.policies = basicauth
`;

const logging = `
[loggers]
keys = root, kinto
[formatter_color]
class = logging_color_formatter.ColorFormatter
format = %(asctime)s %(message)s
`;

async function withIni(ini: string, run: (path: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "kinto-ini-"));
  try {
    writeFileSync(join(folder, "kinto.ini"), ini);
    await run(join(folder, "kinto.ini"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function recording(): { readonly log: Logger; readonly warnings: string[] } {
  const warnings: string[] = [];
  const log: Logger = {
    ...silentLogger,
    warn: (_fields, message) => void warnings.push(message ?? ""),
    child: () => log,
  };
  return { log, warnings };
}

/** Starts with the file and tells what was warned of. */
async function warningsOf(ini: string, environment: Record<string, string> = {}): Promise<readonly string[]> {
  const { log, warnings } = recording();
  await withIni(ini, async (path) => {
    await using kinto = await startKinto(loadSettings(path, environment), { log });
    assert.equal((await kinto.fetch(new Request("http://kinto.test/v1/"))).status, 200);
  });
  return warnings;
}

async function problemsOf(ini: string, environment: Record<string, string> = {}): Promise<string> {
  let message = "";
  await withIni(ini, async (path) => {
    await assert.rejects(
      async () => (await startKinto(loadSettings(path, environment), { log: silentLogger })).stop(),
      (error: unknown) => {
        assert.ok(error instanceof SettingsError, String(error));
        message = error.message;
        return true;
      },
    );
  });
  return message;
}

test("a usual file starts without a warning, logging sections and all", async () => {
  assert.deepEqual(await warningsOf(usual + logging), []);
});

test("hello tells which file it was, by its hash", () =>
  withIni(usual, async (path) => {
    await using kinto = await startKinto(loadSettings(path, {}), { log: silentLogger });
    const { config } = JSON.parse(await (await kinto.fetch(new Request("http://kinto.test/v1/"))).text());
    assert.equal(config.path, path);
    assert.match(config.hash, /^[0-9a-f]{64}$/);
  }));

test("settings without effect are named in one warning, each with what it would have done", async () => {
  const warnings = await warningsOf(
    `${usual}kinto.sentry_dsn = https://key@sentry.test\nkinto.colour = blue\nkinto.history.exclude_resources = /buckets/a\nquotas.bucket_max_bytes = 5\n`,
    { KINTO_NEWRELIC_CONFIG: "x" },
  );
  assert.equal(warnings.length, 1);
  for (const part of [
    /sentry_dsn \(file .*\): sent errors/,
    /colour .*not known/,
    /history\.exclude_resources .*kinto\.plugins\.history/,
    /quotas\.bucket_max_bytes/,
    /newrelic_config \(environment KINTO_NEWRELIC_CONFIG\)/,
  ])
    assert.match(warnings[0] ?? "", part);
  assert.doesNotMatch(warnings[0] ?? "", /sentry\.test|blue/);
});

test("an include that is not known is warned of and left out", async () => {
  const warnings = await warningsOf(`${usual}kinto.includes = kinto_elasticsearch\n  kinto.plugins.default_bucket\n`);
  assert.deepEqual(warnings, ["includes: kinto_elasticsearch is not available here and was left out"]);
});

for (const [setting, named] of [
  ["kinto.storage_backend = kinto_redis.storage\nkinto.storage_url = redis://:hidden@cache", "kinto_redis.storage"],
  ["kinto.storage_url = postgresql+psycopg2://user:hidden@db/kinto", "postgresql+psycopg2"],
] as const)
  test(`storage in ${named} is refused, saying what to set instead`, async () => {
    const own = usual.replace(/kinto\.storage_.*\n/g, "");
    const message = await problemsOf(`${own}${setting}\n`);
    assert.match(
      message,
      new RegExp(`${named.replaceAll(/[.+]/g, "\\$&")} is not available here; set storage_url to sqlite:PATH`),
    );
    assert.doesNotMatch(message, /hidden/);
    assert.deepEqual(
      await warningsOf(`${own}${setting}\n`, { KINTO_STORAGE_URL: "memory:" }),
      [],
      "another URL in the environment is enough",
    );
  });

test("a database of Kinto's own PostgreSQL backend is not taken for ours, unless a schema says that ours is meant", async () => {
  const own = usual.replace(/kinto\.storage_.*\n/g, "");
  const backend = "kinto.storage_backend = kinto.core.storage.postgresql\n";
  const message = await problemsOf(`${own}${backend}kinto.storage_url = postgresql://user:hidden@db/kinto\n`);
  assert.match(message, /storage_backend \(file .*\): kinto\.core\.storage\.postgresql has its own tables/);
  assert.doesNotMatch(message, /hidden/);
  const storageOf = (text: string) => {
    const entries = new Map(text.split("\n").map((line) => line.split(/ = (.*)/, 2) as [string, string]));
    const reader = settingsReader({ entries });
    const { storage } = readBackends(reader);
    reader.assertUsable();
    return storage;
  };
  const ours = "postgresql://user:hidden@db/kinto?schema=rouage";
  assert.equal(storageOf(`${backend}kinto.storage_url = ${ours}`), ours);
  for (const url of ["postgres://db/kinto", "mongodb://db/kinto?prefix=x", "mongodb+srv://db/kinto"])
    assert.equal(storageOf(`kinto.storage_url = ${url}`), url);
});

test("without a file and beside a database, the secret has to be given: others on it need the same", () => {
  const load = (environment: Record<string, string>) => () => loadSettings(undefined, environment);
  const problem = /userid_hmac_secret \(nowhere\): is required beside a database/;
  assert.throws(load({ KINTO_STORAGE_URL: "postgres://user:hidden@db/kinto" }), (error: Error) => {
    assert.match(error.message, problem);
    assert.doesNotMatch(error.message, /hidden/);
    return true;
  });
  const folder = mkdtempSync(join(tmpdir(), "kinto-url-"));
  writeFileSync(join(folder, "url"), "postgres://user:hidden@db/kinto\n");
  assert.throws(load({ KINTO_STORAGE_URL_FILE: join(folder, "url") }), problem);
  rmSync(folder, { recursive: true });
  assert.throws(load({ KINTO_STORAGE_URL: "mongodb://user:hidden@db/kinto" }), problem);
  for (const scheme of ["postgres", "mongodb"])
    load({ KINTO_STORAGE_URL: `${scheme}://db/kinto`, KINTO_USERID_HMAC_SECRET: "s" })();
});

test("caches and permissions elsewhere are warned of: the one is in memory, the others are in the storage", async () => {
  const warnings = await warningsOf(
    usual
      .replace("kinto.core.cache.memory", "kinto.core.cache.memcached\nkinto.cache_hosts = 127.0.0.1:11211")
      .replace(
        "kinto.core.permission.memory",
        "kinto.core.permission.postgresql\nkinto.permission_url = postgresql://a:hidden@b/c",
      ),
  );
  assert.equal(warnings.length, 2);
  assert.match(warnings.join("\n"), /cache_backend kinto\.core\.cache\.memcached/);
  assert.doesNotMatch(warnings.join("\n"), /hidden/);
});

test("a cache in Redis is used as it is named, with the prefix that Kinto's keys have", () => {
  const cacheOf = (text: string): string => {
    const entries = new Map(text.split("\n").map((line) => line.split(" = ", 2) as [string, string]));
    const reader = settingsReader({ entries });
    const { cache } = readBackends(reader);
    reader.assertUsable();
    assert.deepEqual([reader.warnings, reader.leftovers()], [[], []]);
    return cache;
  };
  for (const [text, cache] of [
    ["cache_url = redis://:hidden@cache/1\ncache_backend = kinto.core.cache.redis", "redis://:hidden@cache/1"],
    ["cache_url = rediss://cache\ncache_backend = kinto_redis.cache\ncache_pool_size = 50", "rediss://cache"],
    ["cache_url = redis://cache\ncache_prefix = a&b:", "redis://cache?prefix=a%26b%3A"],
    ["cache_url = redis://cache?command_timeout=2\ncache_prefix = x", "redis://cache?command_timeout=2&prefix=x"],
    ["cache_url = redis://cache?prefix=y\ncache_prefix = x", "redis://cache?prefix=y"],
    ["cache_url = redis://cache\ncache_backend = kinto.core.cache.memory", "memory:"],
    ["cache_max_size_bytes = 1000\ncache_backend = kinto.core.cache.memory", "memory:?max_bytes=1000"],
  ] as const)
    assert.equal(cacheOf(text), cache);
  for (const backend of ["kinto.core.cache.redis", "kinto_redis.cache"])
    assert.throws(() => cacheOf(`cache_backend = ${backend}`), /cache_url.*needs it: redis:\/\/HOST/s);
});

test("what Kinto refuses to start with is refused", async () => {
  const accounts = `${usual.replace("= basicauth", "= basicauth account")}kinto.includes = kinto.plugins.accounts\n`;
  assert.match(await problemsOf(accounts), /basicauth must not come before account/);
  const creators = `${usual.replace("= basicauth", "= account")}kinto.includes = kinto.plugins.accounts\nkinto.account_create_principals = account:admin\n`;
  assert.match(await problemsOf(creators), /account_create_principals.*account:admin/);
  assert.match(await problemsOf(usual.replace(/kinto.userid_hmac_secret.*\n/, "")), /userid_hmac_secret/);
  assert.match(
    await problemsOf(
      `${usual.replace(/kinto.userid_hmac_secret.*\n/, "").replace("= basicauth", "= account")}kinto.includes = kinto.plugins.accounts kinto.plugins.default_bucket\n`,
    ),
    /default_bucket_hmac_secret/,
  );
  assert.match(await problemsOf(`${usual}kinto.backoff = 3\nbackoff = 4\n`), /backoff .*given twice/);
  assert.match(await problemsOf(usual.replace("= basicauth", "= fxa")), /nobody could sign in/);
});

test("a value that the toolkit refuses is named with the operator's place", async () => {
  assert.match(
    await problemsOf(`${usual}kinto.paginate_by = many\n`),
    /paginate_by \(file .*kinto\.ini\): expected integer/,
  );
  assert.match(await problemsOf(usual, { KINTO_PAGINATE_BY: "0" }), /paginate_by \(environment KINTO_PAGINATE_BY\)/);
});

test("a file that is none, or has no section for Kinto, is said to be so", async () => {
  assert.match(await problemsOf("kinto.backoff = 3\n"), /line 1/);
  assert.match(await problemsOf("[app]\nx = 1\n"), /\[app:main\].*missing/);
  assert.throws(() => loadSettings("/nowhere/kinto.ini", {}), /no such file/);
});

test("the toolkit's settings are mapped by their names, and those of other names", () => {
  const entries = new Map(
    Object.entries({
      "kinto.paginate_by": "50",
      "kinto.cors_origins": "https://a.test https://b.test",
      "kinto.http_host": "api.test",
      "kinto.http_scheme": "https",
      "kinto.plural_bucket_delete_enabled": "false",
      "kinto.record_record_put_enabled": "false",
      "kinto.collection_group_get_enabled": "true",
      "kinto.eos": "2999-01-01",
      "kinto.statsd_url": "udp://stats.test:8125",
    }),
  );
  const settings = readToolkitSettings(settingsReader({ entries }), { storage: "memory:", cache: "memory:" });
  assert.equal(settings.paginate_by, 50);
  assert.deepEqual(settings.cors_origins, ["https://a.test", "https://b.test"]);
  assert.equal(settings.public_origin, "https://api.test");
  assert.deepEqual(settings.disabled_endpoints, ["plural_bucket_delete", "object_record_put"]);
  assert.equal(settings.eos, "2999-01-01");
  assert.equal(settings.statsd_url, "udp://stats.test:8125");
  assert.equal(settings.retry_after_seconds, 3);
});

test("without a file there are accounts that anybody may open, a default bucket and the list of permissions", async () => {
  const source = loadSettings(undefined, {}, { storage_url: "memory:" });
  await using kinto = await startKinto(source, { log: silentLogger });
  const hello: { readonly capabilities: object } = JSON.parse(
    await (await kinto.fetch(new Request("http://kinto.test/v1/"))).text(),
  );
  for (const name of ["accounts", "default_bucket", "permissions_endpoint"])
    assert.ok(name in hello.capabilities, name);
  assert.equal("flush_endpoint" in hello.capabilities, false, "nothing that empties the store");
});

test("settings of the toolkit alone count as well, webhooks as JSON", async () => {
  const secret = `whsec_${Buffer.alloc(32, 1).toString("base64")}`;
  const webhooks = JSON.stringify([{ name: "audit", url: "https://audit.example/", secret }]);
  await withIni(
    `${usual}kinto.webhooks = ${webhooks}\nkinto.rate_limit = 100/60\nkinto.tombstone_retention_seconds = 86400\n`,
    async (path) => {
      await using kinto = await startKinto(loadSettings(path, {}), { log: silentLogger, tasks: false });
      const { settings } = kinto.context;
      assert.deepEqual(settings.webhooks, JSON.parse(webhooks));
      assert.deepEqual([settings.rate_limit, settings.tombstone_retention_seconds], ["100/60", 86_400]);
    },
  );
});

test("a secret that every file has is not called unknown where nothing hashes with it", async () => {
  const ini = usual.replace("multiauth.policies = basicauth", "multiauth.policies = account");
  await withIni(`${ini}kinto.includes = kinto.plugins.accounts\n`, async (path) => {
    const warnings: string[] = [];
    const log: Logger = { ...silentLogger, child: () => log, warn: (_, text) => void warnings.push(text ?? "") };
    await using _kinto = await startKinto(loadSettings(path, {}), { log, tasks: false });
    assert.deepEqual(warnings, []);
  });
});
