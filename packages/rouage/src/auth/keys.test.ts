import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { manualClock } from "../clock.ts";
import { initKeys, listKeys, openSecretKeys, openSigningKeys, rotateKeys } from "./keys.ts";

async function folder(): Promise<AsyncDisposable & { path: string }> {
  const base = await mkdtemp(join(tmpdir(), "rouage-keys-"));
  return {
    path: join(base, "keys"),
    [Symbol.asyncDispose]: () => rm(base, { recursive: true, force: true }),
  };
}

test("the first start makes a key that only its owner can read, and the next start finds the same", async () => {
  await using temporary = await folder();
  const first = await openSigningKeys({ folder: temporary.path, purpose: "signing" });
  const second = await openSigningKeys({ folder: temporary.path, purpose: "signing" });
  assert.equal(first.active().kid, second.active().kid);
  assert.equal((await stat(join(temporary.path, "signing.json"))).mode & 0o777, 0o600);
  assert.equal((await stat(temporary.path)).mode & 0o777, 0o700);
  assert.deepEqual(await readdir(temporary.path), ["signing.json"], "no temporary file stays");
});

test("several processes starting at once end up with one key", async () => {
  await using temporary = await folder();
  const all = await Promise.all(
    Array.from({ length: 8 }, () => openSecretKeys({ folder: temporary.path, purpose: "pepper" })),
  );
  assert.equal(new Set(all.map((keys) => keys.active().id)).size, 1);
});

test("a key file that others may read stops the start", async () => {
  await using temporary = await folder();
  const file = await initKeys({ folder: temporary.path, purpose: "pepper", kind: "secret" });
  await chmod(file, 0o640);
  await assert.rejects(openSecretKeys({ folder: temporary.path, purpose: "pepper" }), /mode 640.*chmod 600/);
});

test("the published key set carries public parts only", async () => {
  await using temporary = await folder();
  for (const kind of ["EdDSA", "ES256"] as const) {
    const keys = await openSigningKeys({ folder: temporary.path, purpose: `signing-${kind.toLowerCase()}`, kind });
    const [key] = keys.jwks().keys;
    assert.equal(key?.alg, kind);
    assert.equal(key?.use, "sig");
    assert.equal(key?.kid, keys.active().kid);
    assert.equal("d" in (key ?? {}), false);
    assert.ok("d" in keys.active().jwk);
  }
});

test("rotation signs with the new key and keeps publishing the old one until it retires", async () => {
  await using temporary = await folder();
  const clock = manualClock();
  const options = { folder: temporary.path, purpose: "signing", clock };
  const keys = await openSigningKeys(options);
  const old = keys.active().kid;
  const fresh = await rotateKeys({ ...options, keepMs: 60_000 });
  await keys.reload();
  assert.equal(keys.active().kid, fresh);
  assert.deepEqual(
    keys.jwks().keys.map((key) => key.kid),
    [old, fresh],
  );
  clock.advance(60_000);
  assert.deepEqual(
    keys.jwks().keys.map((key) => key.kid),
    [fresh],
  );
  await rotateKeys(options);
  assert.equal((await readFile(join(temporary.path, "signing.json"), "utf8")).includes(old), false);
});

test("rotated secrets stay findable by id for as long as nobody retires them", async () => {
  await using temporary = await folder();
  const clock = manualClock();
  const options = { folder: temporary.path, purpose: "pepper", clock };
  const keys = await openSecretKeys(options);
  const old = keys.active();
  const id = await rotateKeys(options);
  await keys.reload();
  clock.advance(10 * 365 * 86_400_000);
  assert.equal(keys.active().id, id);
  assert.deepEqual(keys.find(old.id), old.key);
  assert.equal(keys.find("other"), undefined);
});

test("two rotations of one purpose at once: one is refused, nothing is lost", async () => {
  await using temporary = await folder();
  const options = { folder: temporary.path, purpose: "pepper" };
  const keys = await openSecretKeys(options);
  const old = keys.active().id;
  const results = await Promise.allSettled([rotateKeys(options), rotateKeys(options)]);
  const made = results.filter((result) => result.status === "fulfilled").map((result) => result.value);
  await keys.reload();
  for (const id of [old, ...made]) assert.ok(keys.find(id) !== undefined);
  assert.deepEqual(await readdir(temporary.path), ["pepper.json"], "no lock stays");
});

test("the list tells states and times, never secrets", async () => {
  await using temporary = await folder();
  const clock = manualClock();
  await initKeys({ folder: temporary.path, purpose: "pepper", kind: "secret", clock });
  await initKeys({ folder: temporary.path, purpose: "signing", kind: "EdDSA", clock });
  await rotateKeys({ folder: temporary.path, purpose: "signing", clock });
  const list = await listKeys({ folder: temporary.path, clock });
  assert.deepEqual(
    list.map(({ purpose, kind, state }) => [purpose, kind, state]),
    [
      ["pepper", "secret", "active"],
      ["signing", "EdDSA", "verifying"],
      ["signing", "EdDSA", "active"],
    ],
  );
  assert.equal(list[1]?.retires, "2026-01-02T00:00:00.000Z");
  for (const info of list)
    for (const name of Object.keys(info))
      assert.ok(["purpose", "id", "kind", "state", "created", "retires"].includes(name));
});

test("a purpose cannot leave its folder", async () => {
  await using temporary = await folder();
  await assert.rejects(initKeys({ folder: temporary.path, purpose: "../evil", kind: "secret" }), /no name for keys/);
});

test("keys whose hashes are looked up refuse to rotate", async () => {
  await using temporary = await folder();
  const options = { folder: temporary.path, purpose: "phone-hash" };
  const { id } = (await openSecretKeys({ ...options, fixed: true })).active();
  await assert.rejects(rotateKeys(options), /can't be rotated/);
  assert.equal((await openSecretKeys(options)).active().id, id);
});
