import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { SettingsError } from "rouage";
import { settingsReader } from "./reader.ts";

const reading = (entries: Record<string, string>, environment: Record<string, string> = {}) =>
  settingsReader({ entries: new Map(Object.entries(entries)), origin: "file kinto.ini", environment });

test("a key is found with the project's prefix and without", () => {
  const reader = reading({ "kinto.paginate_by": "10", backoff: "3" });
  assert.equal(reader.integer("paginate_by"), 10);
  assert.equal(reader.integer("backoff"), 3);
});

test("the prefix is what settings_prefix says", () => {
  const reader = reading(
    { settings_prefix: "shelf", "shelf.backoff": "3", "kinto.backoff": "4" },
    { SHELF_EOS: "2999-01-01" },
  );
  assert.equal(reader.integer("backoff"), 3);
  assert.equal(reader.text("eos"), "2999-01-01");
  assert.deepEqual(
    reader.leftovers().map(({ key }) => key),
    ["kinto.backoff"],
  );
});

test("trap: the same key with and without prefix and different values stops the start, the same value does not", () => {
  reading({ backoff: "3", "kinto.backoff": "3" }).assertUsable();
  assert.throws(
    () => reading({ backoff: "3", "kinto.backoff": "4" }).assertUsable(),
    (error: unknown) =>
      error instanceof SettingsError &&
      /backoff.*kinto\.backoff/.test(error.message) &&
      !/[34]/.test(error.message.replace("kinto.ini", "")),
  );
});

test("trap: the environment wins over the file, parsed as JSON and else taken as text", () => {
  const reader = reading(
    { "kinto.eos": "2020-01-01", "kinto.includes": "a b" },
    {
      KINTO_EOS: '"2026-01-01"',
      KINTO_INCLUDES: '["c", "d"]',
      KINTO_MULTIAUTH_POLICIES: "account basicauth",
      KINTO_READONLY: "true",
    },
  );
  assert.equal(reader.text("eos"), "2026-01-01");
  assert.deepEqual(reader.list("includes"), ["c", "d"]);
  assert.deepEqual(reader.list("multiauth.policies"), ["account", "basicauth"]);
  assert.equal(reader.boolean("readonly"), true);
  assert.equal(reader.sourceOf("eos"), "environment KINTO_EOS");
});

test("a secret can be in a file that the environment names", () => {
  const folder = mkdtempSync(join(tmpdir(), "kinto-settings-"));
  try {
    writeFileSync(join(folder, "secret"), "s3cret\n");
    const reader = reading({}, { KINTO_USERID_HMAC_SECRET_FILE: join(folder, "secret") });
    assert.equal(reader.text("userid_hmac_secret"), "s3cret");
    const absent = reading({}, { KINTO_USERID_HMAC_SECRET_FILE: join(folder, "absent") });
    assert.equal(absent.text("userid_hmac_secret"), undefined);
    assert.throws(() => absent.assertUsable(), /userid_hmac_secret.*cannot be read/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("lists are words on one line or several; given without a value they are empty", () => {
  const reader = reading({ a: "x\n y,z", b: "" });
  assert.deepEqual(reader.list("a"), ["x", "y", "z"]);
  assert.deepEqual(reader.list("b"), []);
  assert.equal(reader.list("c"), undefined);
  assert.equal(reader.text("b"), undefined);
});

test("every value that is not what was expected is told at once, with its place and never its value", () => {
  const reader = reading({ a: "soon", b: "-1", c: "perhaps" }, { KINTO_D: "never" });
  for (const key of ["a", "b"]) reader.integer(key, { minimum: 0 });
  reader.boolean("c");
  reader.number("d");
  assert.throws(
    () => reader.assertUsable(),
    (error: unknown) => {
      assert.ok(error instanceof SettingsError);
      assert.deepEqual(
        error.problems.map(({ key }) => key),
        ["a", "b", "c", "d"],
      );
      assert.equal(error.problems[3]?.source, "environment KINTO_D");
      assert.doesNotMatch(error.message, /soon|-1|perhaps|never/);
      return true;
    },
  );
});

test("what nobody asked for is left over, in the file and in the environment", () => {
  const reader = reading(
    { "kinto.backoff": "3", "kinto.colour": "blue" },
    {
      KINTO_BACKOFF: "4",
      KINTO_SHAPE: "round",
      KINTO_INI: "x.ini",
      KINTO_SERVICE_HOST: "10.0.0.1",
      KINTO_PORT_8888_TCP: "tcp://x",
      HOME: "/",
    },
  );
  reader.integer("backoff");
  assert.deepEqual(reader.leftovers(), [
    { key: "colour", source: "file kinto.ini" },
    { key: "shape", source: "environment KINTO_SHAPE" },
  ]);
});
