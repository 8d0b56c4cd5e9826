/** A backup of all of Urgence while it is used, lost stores, and a restore: everything of one moment, and nobody back who had left. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { cpSync, existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { filesWith, startApplication } from "./support/application.ts";
import { expected, member, responder, send, signIn, until } from "./support/people.ts";

test("backed up while it is used, Urgence is restored as of one moment; who was erased since is in no file and can't sign in", async () => {
  await using application = await startApplication(
    { URGENCE_LOOKUPS_PER_HOUR: "1000000", URGENCE_SITE_LOOKUPS_PER_HOUR: "1000000" },
    "sqlite",
  );
  const { folder } = application;
  const rescuer = await responder(application);
  const stays = await member(application);
  const zelie = await member(application, {
    email: "zelie.vautrinelle@example.net",
    phone: "+33639987654",
    password: "correct horse Barnabé stapler",
  });
  const profile = (what_matters: string) => ({ data: { identity: { birth_date: "1970-01-01" }, what_matters } });
  const write = (token: string, text: string) =>
    expected(201, send(application, "PUT", "/v1/me/profile", { token, body: profile(text) }));
  await write(stays.token, "stays");
  await write(zelie.token, "Mon perroquet Fulgence répète tout.");
  const at = { data: { coordinates: [2.29448123, 48.85837456], source: "gnss", device: "zouzou-phone" } };
  await expected(201, send(application, "POST", "/v1/me/positions", { token: zelie.token, body: at }));

  const busy = new AbortController();
  const answered: string[] = [];
  const looking = [stays, zelie].map(async ({ phone }) => {
    for (let n = 0; !busy.signal.aborted; n++) {
      const body = { phone, reason: "unconscious", incident: `turn-${n}` };
      const answer = await send(application, "POST", "/v1/lookup", { token: rescuer.token, body });
      assert.equal(answer.status, 200, answer.text);
      answered.push(answer.body.data.audit);
    }
  });
  await until(() => answered.length > 3, "lookups before the backup");
  const before = [...answered];
  await application.command("backup", join(folder, "backups"), "--keep", "2");
  busy.abort();
  await Promise.all(looking);
  const [name = ""] = readdirSync(join(folder, "backups"));
  const backup = join(folder, "backups", name);
  for (const file of ["accounts.db", "profiles.db", "positions.db", "access.db", "keys/pepper.json", "manifest.json"])
    assert.equal(statSync(join(backup, file)).mode & 0o777, 0o600, file);

  await expected(
    200,
    send(application, "PATCH", "/v1/me/profile", { token: stays.token, body: { data: { what_matters: "lost" } } }),
  );
  await expected(
    200,
    send(application, "DELETE", "/v1/me", { token: zelie.token, body: { password: zelie.password } }),
  );
  assert.match((await application.attempt("restore", backup)).stderr, /accounts\.db is (not empty|in use)/);
  await application.end("SIGTERM");
  renameSync(join(folder, "store"), join(folder, "lost"));

  renameSync(join(folder, "store-erased"), join(folder, "ledger"));
  const refused = await application.attempt("restore", backup);
  assert.deepEqual([refused.code, /store-erased is no erasure ledger/.test(refused.stderr)], [1, true], refused.stderr);
  assert.equal(existsSync(join(folder, "store", "accounts.db")), false);
  renameSync(join(folder, "ledger"), join(folder, "store-erased"));
  const restored = await application.attempt("restore", backup);
  assert.deepEqual([restored.code, /^restored urgence as of/.test(restored.stderr)], [0, true], restored.stderr);
  const nothingLeft = async () => {
    for (const text of [zelie.email, zelie.phone, zelie.id, "Fulgence", "zouzou-phone", "48.85837456"]) {
      const found = await filesWith(join(folder, "store"), text);
      // That the account was erased is on record, by its id, for thirty days.
      assert.deepEqual(
        text === zelie.id ? found.filter((file) => !/accounts\.db|profiles\.db|positions\.db/.test(file)) : found,
        [],
        text,
      );
    }
  };
  await nothingLeft();

  await application.start();
  const again = await signIn(application, stays);
  const own = await expected(200, send(application, "GET", "/v1/me/profile", { token: again.token }));
  assert.equal(own.body.data.what_matters, "stays", "as of the backup");
  const gone = { email: zelie.email, password: zelie.password };
  assert.equal((await send(application, "POST", "/v1/sessions", { body: gone })).status, 401);
  const report = JSON.parse(await application.command("verify"));
  assert.equal(report.ok, true, JSON.stringify(report));
  assert.ok(report.entries >= before.length);
  await application.end("SIGTERM");
  await nothingLeft();
});

const rounds = 4;

test(`after each of ${rounds} SIGKILLs in a restore Urgence starts whole, or not at all until the restore was run again`, async () => {
  await using application = await startApplication({}, "sqlite");
  const { folder } = application;
  const person = await member(application);
  await application.command("backup", join(folder, "backups"), "--without-keys");
  await application.end("SIGTERM");
  const backup = join(folder, "backups", readdirSync(join(folder, "backups"))[0] ?? "");
  assert.equal(existsSync(join(backup, "keys")), false);
  const store = join(folder, "store");
  const fresh = () => {
    rmSync(store, { recursive: true, force: true });
  };
  const keys = join(folder, "keys");
  renameSync(join(store, "keys"), keys);
  const environment = {
    ...process.env,
    URGENCE_STORAGE: `sqlite:${store}`,
    URGENCE_KEYS: keys,
    URGENCE_MAIL: `file:${join(folder, "mail")}`,
  };
  const restore = async (afterMs?: number): Promise<number | null> => {
    const main = join(import.meta.dirname, "../src/main.ts");
    const child = spawn(process.execPath, [main, "restore", backup], { env: environment, stdio: "ignore" });
    const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
    const timer = afterMs === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), afterMs);
    const code = await ended;
    clearTimeout(timer);
    return code;
  };
  fresh();
  const start = performance.now();
  assert.equal(await restore(), 0);
  const took = performance.now() - start;
  for (let round = 0; round < rounds; round++) {
    fresh();
    await restore(randomInt(Math.floor(took / 2), Math.floor(took)));
    const isWhole = ["accounts", "profiles", "positions", "access"].every((name) =>
      existsSync(join(store, `${name}.db`)),
    );
    const isHalf = existsSync(join(store, ".restoring-urgence", "ready.json"));
    const isNothing = !["accounts", "profiles", "positions", "access"].some((name) =>
      existsSync(join(store, `${name}.db`)),
    );
    assert.ok(isHalf || isWhole || isNothing, "a part of it is never taken for the whole");
    if (isHalf || isNothing) assert.equal(await restore(), 0);
  }
  renameSync(keys, join(store, "keys"));
  await application.start();
  await signIn(application, person);
});

test("stores that other tools have put back forget again who was erased since", async () => {
  await using application = await startApplication({}, "sqlite");
  const { folder } = application;
  const stays = await member(application);
  const leaves = await member(application);
  const profile = { data: { identity: { birth_date: "1970-01-01" }, what_matters: "Fulgence le perroquet" } };
  await expected(201, send(application, "PUT", "/v1/me/profile", { token: leaves.token, body: profile }));
  await application.end("SIGTERM");
  const since = new Date().toISOString();
  cpSync(join(folder, "store"), join(folder, "as-it-was"), { recursive: true });
  await application.start();
  const body = { password: leaves.password };
  await expected(200, send(application, "DELETE", "/v1/me", { token: leaves.token, body }));
  await application.end("SIGTERM");
  rmSync(join(folder, "store"), { recursive: true });
  renameSync(join(folder, "as-it-was"), join(folder, "store"));
  assert.notDeepEqual(await filesWith(join(folder, "store"), leaves.email), []);

  assert.equal((await application.attempt("restored")).code, 2);
  const { code, stderr } = await application.attempt("restored", "--since", since);
  assert.deepEqual([code, stderr], [0, "1 people were erased again; clients start afresh\n"]);
  for (const text of [leaves.email, "Fulgence"])
    assert.deepEqual(await filesWith(join(folder, "store"), text), [], text);
  await application.start();
  await signIn(application, stays);
  const again = { email: leaves.email, password: leaves.password };
  assert.equal((await send(application, "POST", "/v1/sessions", { body: again })).status, 401);
});
