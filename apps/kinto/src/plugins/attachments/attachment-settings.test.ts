import assert from "node:assert/strict";
import { test } from "node:test";
import { SettingsError } from "rouage";
import { readKintoSettings } from "../../settings/kinto-settings.ts";
import { settingsReader } from "../../settings/reader.ts";
import { readAttachmentSettings } from "./attachment-settings.ts";

function settingsOf(overrides: Readonly<Record<string, unknown>>) {
  const reader = settingsReader({ overrides: { storage_url: "sqlite:data/kinto.db", ...overrides } });
  const settings = readAttachmentSettings(reader, readKintoSettings(reader));
  return { settings, reader };
}

test("files are beside the store where nothing is said, and in a folder that goes where the store is in memory", () => {
  assert.match(settingsOf({}).settings.basePath, /\/data\/attachments$/);
  assert.match(settingsOf({ storage_url: "sqlite:///srv/kinto.db" }).settings.basePath, /^\/srv\/attachments$/);
  assert.match(settingsOf({ storage_url: "postgres://u:p@db/kinto" }).settings.basePath, /\/data-kinto\/attachments$/);
  assert.equal(settingsOf({ storage_url: "postgres://u:p@db/kinto" }).settings.isTemporary, false);
  assert.equal(settingsOf({}).settings.isTemporary, false);
  assert.equal(settingsOf({ storage_url: "memory:" }).settings.isTemporary, true);
  assert.equal(settingsOf({ storage_url: "memory:", "attachment.base_path": "/srv/f" }).settings.isTemporary, false);
});

test("files are served where their URL leads to this server", () => {
  const served = (overrides: Readonly<Record<string, unknown>>) => settingsOf(overrides).settings.servedPath;
  assert.equal(served({}), "/attachments/");
  assert.equal(served({ "attachment.base_url": "/files" }), "/files/");
  assert.equal(served({ "attachment.base_url": "http://localhost:8888/files" }), "/files/");
  assert.equal(served({ "attachment.base_url": "https://cdn.example.net/files" }), undefined);
  const known = { http_scheme: "https", http_host: "kinto.example.net" };
  assert.equal(served(known), "/attachments/");
  assert.equal(settingsOf(known).settings.baseUrl, "https://kinto.example.net/attachments/");
  assert.equal(served({ ...known, "attachment.base_url": "https://kinto.example.net/f/" }), "/f/");
  assert.equal(served({ ...known, "attachment.base_url": "http://localhost:8888/files" }), undefined);
  assert.equal(served({ ...known, "attachment.base_url": "https://kinto.example.net" }), undefined, "not everything");
});

test("what a collection says wins over its bucket, and that over what holds for all", () => {
  const { rulesFor } = settingsOf({
    "attachment.keep_old_files": true,
    "attachment.resources.a.max_size_bytes": 10,
    "attachment.resources.a.b.keep_old_files": "false",
    "attachment.extensions": "images+any",
  }).settings;
  const shown = (bucket: string, collection: string) => {
    const { keepOldFiles, maxSize, extensions } = rulesFor(bucket, collection);
    return [keepOldFiles, maxSize, extensions];
  };
  assert.deepEqual(shown("a", "b"), [false, 10, undefined]);
  assert.deepEqual(shown("a", "c"), [true, 10, undefined]);
  assert.deepEqual(shown("z", "b"), [true, 100 * 1024 * 1024, undefined]);
});

test("mistakes stop the start, each by its name", () => {
  for (const [key, value, problem] of [
    ["attachment.resources.a.colour", "red", /expected attachment\.resources/],
    ["attachment.resources.a.b.c.randomize", "true", /expected attachment\.resources/],
    ["attachment.folder", "{user}", /\{user\} is not one of \{bucket_id\}, \{collection_id\}/],
    ["attachment.folder", "../up", /may begin with a dot/],
    ["attachment.filename_pattern", "{oops}", /\{oops\} is not one of/],
    ["attachment.mimetypes", "ftl", /expected \.extension:type/],
    ["attachment.max_size_bytes", "0", /at least 1/],
    ["attachment.resources.a.randomize", "perhaps", /true or false/],
  ] as const) {
    const { reader } = settingsOf({ [key]: value });
    assert.throws(
      () => reader.assertUsable(),
      (error) =>
        error instanceof SettingsError && error.problems.some((one) => one.key === key && problem.test(one.problem)),
      key,
    );
  }
});

test("clouds are warned of: files are all there is", () => {
  const { reader } = settingsOf({ "attachment.gcloud.bucket_name": "b", "attachment.aws.access_key": "secret value" });
  const [warning = ""] = reader.warnings.filter((text) => text.includes("attachment"));
  assert.match(
    warning,
    /attachment\.gcloud\.bucket_name, attachment\.aws\.access_key: attachments are kept in files here/,
  );
  assert.doesNotMatch(warning, /secret value/);
  assert.deepEqual(reader.leftovers(), []);
});
