/** docs/kinto.md says which settings count: each that it names does, all of them together, without a warning. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type Logger, silentLogger } from "rouage";
import { startKinto } from "../src/app.ts";
import { loadSettings } from "../src/settings/load.ts";

const page = readFileSync(join(import.meta.dirname, "../../../docs/kinto.md"), "utf8");

/** Names in the first column of tables of settings; those with placeholders are left to the tests of what reads them. */
function namesOnThePage(): readonly string[] {
  const names: string[] = [];
  for (const [table] of page.matchAll(/^\| setting.*\n\|[-|]+\n(?:\|.*\n)+/gm)) {
    const [head = "", , ...rows] = table.split("\n");
    const prefix = /`([a-z.]+)`/.exec(head)?.[1] ?? "";
    for (const row of rows)
      for (const [, name = ""] of (row.split("|")[1] ?? "").matchAll(/`([^`]+)`/g))
        if (/^[a-z][a-z_.-]*[a-z]$/.test(name)) names.push(prefix + name);
  }
  return names;
}

const ini = `[server:main]
host = 127.0.0.1
port = 0
[app:main]
use = egg:kinto
pyramid.debug_notfound = false
kinto.storage_url = memory:
kinto.storage_backend = kinto.core.storage.memory
kinto.cache_backend = kinto.core.cache.memory
kinto.cache_max_size_bytes = 100000
kinto.cache_prefix = x
kinto.cache_hosts = y
kinto.storage_pool_size = 3
kinto.cache_pool_size = 3
kinto.permission_max_overflow = 3
kinto.permission_pool_recycle = 3
kinto.storage_max_backlog = 3
kinto.storage_pool_timeout = 3
kinto.includes = kinto.plugins.accounts kinto.plugins.default_bucket kinto.plugins.history kinto_attachment kinto.plugins.quotas kinto_changes kinto.plugins.openid kinto.plugins.admin kinto.plugins.flush kinto.plugins.prometheus
multiauth.policies = account basicauth
kinto.userid_hmac_secret = a
kinto.default_bucket_hmac_secret = b
kinto.bucket_create_principals = account:admin
kinto.bucket_read_principals = account:admin
kinto.bucket_write_principals = account:admin
kinto.collection_create_principals = account:admin
kinto.collection_write_principals = account:admin
kinto.group_read_principals = account:admin
kinto.record_create_principals = account:admin
kinto.account_create_principals = system.Everyone
kinto.account_write_principals = account:admin
kinto.account_read_principals = account:admin
kinto.account_cache_ttl_seconds = 5
kinto.account_password_min_length = 5
kinto.account_password_pepper = zzz
kinto.openid_callback_origins = https://a.example
kinto.history.exclude_resources = /buckets/a
kinto.history.exclude_user_ids = account:a
kinto.history.auto_trim_max_count = 5
kinto.history.auto_trim_user_ids = account:b
kinto.quotas.bucket_max_bytes = 100
kinto.quotas.collection_blog_articles_max_items = 500
kinto.attachment.folder = {bucket_id}/{collection_id}
kinto.attachment.base_path = %(here)s/files
kinto.attachment.filename_pattern = {filename}
kinto.admin_assets_path = %(here)s
kinto.attachment.randomize = true
kinto.attachment.keep_old_files = false
kinto.attachment.extensions = default+audio
kinto.attachment.mimetypes = .ftl:application/vnd.fluent
kinto.attachment.max_size_bytes = 1000
kinto.attachment.extra.base_url = https://cdn.example/
kinto.attachment.base_url = https://cdn.example/
kinto.attachment.resources.blog.articles.randomize = false
kinto.changes.resources = /buckets/blog
kinto.changes.since_max_age_days = 21
kinto.changes.since_max_age_redirect_ttl_seconds = 3
kinto.changes.http_host = a.example
kinto.changes.broadcast_debounce_seconds = 1
kinto.explicit_permissions = true
kinto.id_generator = kinto.views.NameGenerator
kinto.record_id_generator = kinto.core.storage.generators.UUID4
kinto.bucket_cache_expires_seconds = 3
kinto.record_cache_expires_seconds = 3
kinto.blog.record_cache_expires_seconds = 3
kinto.blog.articles.record_cache_expires_seconds = 3
kinto.blog.articles.record_cache_maximum_expires_seconds = 3
kinto.plural_bucket_delete_enabled = false
kinto.collection_record_delete_enabled = false
kinto.experimental_permissions_endpoint = true
kinto.experimental_collection_schema_validation = true
kinto.user-data_delete_principals = account:admin
kinto.settings_prefix = kinto
kinto.project_name = a
kinto.project_version = 1
kinto.project_docs = https://a.example
kinto.http_scheme = http
kinto.http_host = 127.0.0.1:8719
kinto.http_api_version = 1.23
kinto.error_info_link = https://a.example
kinto.version_json_path = %(here)s/version.json
kinto.paginate_by = 3
kinto.storage_max_fetch_size = 3
kinto.pagination_token_validity_seconds = 3
kinto.batch_max_requests = 30
kinto.readonly = false
kinto.backoff = 3
kinto.backoff_percentage = 3
kinto.retry_after_seconds = 3
kinto.eos = 2099-01-01
kinto.eos_message = a
kinto.eos_url = https://a.example
kinto.cors_origins = *
kinto.cors_max_age_seconds = 3
kinto.heartbeat_timeout_seconds = 3
kinto.root_cache_expires_seconds = 3
kinto.trailing_slash_redirect_enabled = true
kinto.trailing_slash_redirect_ttl_seconds = 3
kinto.version_prefix_redirect_enabled = true
kinto.version_prefix_redirect_ttl_seconds = 3
kinto.statsd_url = udp://127.0.0.1:8125
kinto.transaction_per_request = true
kinto.initialization_sequence = a
kinto.storage_strict_json = true
kinto.json_renderer = a
kinto.rate_limit = 1000/60
kinto.body_limit = 1000
kinto.tombstone_retention_seconds = 1000
`;

/** Named on the page for what is said of them there: that they have no effect, or stop the start. */
const others = new Set(["permission_backend", "permission_url", "cache_url", "use"]);

test("every setting that the page names counts", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "kinto-page-"));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "version.json"), "{}");
  writeFileSync(join(folder, "kinto.ini"), ini);
  const given = new Set([...ini.matchAll(/^(?:kinto\.)?([^ =\n]+) =/gm)].map(([, name]) => name));
  const names = namesOnThePage();
  assert.ok(names.length > 50, String(names.length));
  assert.deepEqual(
    names.filter((name) => !given.has(name) && !others.has(name)),
    [],
  );
  const warnings: string[] = [];
  const log: Logger = { ...silentLogger, child: () => log, warn: (_, text) => void warnings.push(text ?? "") };
  await using _kinto = await startKinto(loadSettings(join(folder, "kinto.ini"), {}), { log, tasks: false });
  assert.deepEqual(warnings, []);
});
