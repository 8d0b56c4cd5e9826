/** The command line: what a newcomer sees at the first start, and what an operator asks for later. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "rouage";
import { openStorage } from "rouage/storage";
import { openPlace } from "../src/place.ts";
import { entryId } from "../src/services/access/audit/entry.ts";
import { auditLists } from "../src/services/access/audit/records.ts";
import { urgenceSettingsSchema } from "../src/settings.ts";
import { runUrgence, startApplication } from "./support/application.ts";
import { claimsOf, expected, member, responder, send, signIn, until } from "./support/people.ts";

test("the first start on an empty store makes the demonstration, and what it prints works; so it does after the second start", async () => {
  await using application = await startApplication({ URGENCE_DEMO: undefined, NODE_ENV: undefined });
  const printed = await details(application.output);
  const person = await signIn(application, printed.person);
  const profile = await expected(200, send(application, "GET", "/v1/me/profile", { token: person.token }));
  assert.equal(profile.body.data.identity.given_names, "Camille");
  assert.equal((await send(application, "GET", new URL(printed.card).pathname)).status, 200);

  const rescuer = await signIn(application, printed.responder, printed.code);
  const body = { phone: printed.phone, reason: "unconscious", incident: "demo-1" };
  const found = await expected(200, send(application, "POST", "/v1/lookup", { body, token: rescuer.token }));
  assert.equal(found.body.data.view.identity.given_names, "Camille");

  await application.end("SIGTERM");
  const before = application.output().length;
  await application.start();
  const again = await details(() => application.output().slice(before));
  assert.deepEqual(
    { ...again, code: "", card: new URL(again.card).pathname },
    { ...printed, code: "", card: new URL(printed.card).pathname },
    "the same people as before",
  );
  assert.match(await application.command("demo-code"), /^\d{6}\n$/);
  await signIn(application, again.person);

  await expected(
    200,
    send(application, "DELETE", "/v1/me", { token: person.token, body: { password: printed.person.password } }),
  );
  await until(async () => !(await readdir(join(application.folder, "store"))).includes("demo.json"), "demo.json to go");
  assert.deepEqual(await application.filesWith(printed.person.password), []);
  const { code, stderr } = await application.attempt("demo-code");
  assert.equal(code, 1);
  assert.match(stderr, /no demonstration/);
});

test("a demonstration whose person went while nobody looked is forgotten at the next start", async () => {
  await using application = await startApplication({ URGENCE_DEMO: "true" });
  const { person } = await details(application.output);
  const { token } = await signIn(application, person);
  const file = join(application.folder, "store", "demo.json");
  const demo = await readFile(file);
  await expected(200, send(application, "DELETE", "/v1/me", { token, body: { password: person.password } }));
  await application.end("SIGTERM");
  // As if the process had been killed between the erasure and this file.
  await writeFile(file, demo, { mode: 0o600 });
  const before = application.output().length;
  await application.start();
  await until(async () => !(await readdir(join(application.folder, "store"))).includes("demo.json"), "demo.json to go");
  assert.doesNotMatch(application.output().slice(before), /camille@example\.org/);
});

test("in production there is no demonstration, and asking for one is refused with the reason", async () => {
  await using application = await startApplication({ URGENCE_DEMO: undefined, NODE_ENV: "production" });
  assert.doesNotMatch(application.output(), /password/);
  assert.equal((await readdir(join(application.folder, "store"))).includes("demo.json"), false);

  await using folder = await temporary();
  const refused = await runUrgence([], folder.path, { URGENCE_DEMO: "true", NODE_ENV: "production" });
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /URGENCE_DEMO=true is refused with NODE_ENV=production/);
});

test("beside real people no demonstration is made", async () => {
  await using application = await startApplication();
  await member(application);
  await application.end("SIGTERM");
  const { code, stderr } = await application.attempt("demo-code");
  assert.equal(code, 1);
  assert.match(stderr, /no demonstration/);
});

test("bad settings name every problem at once, and nothing is started", async () => {
  await using folder = await temporary();
  const bad = {
    PORT: "x",
    URGENCE_STORAGE: "postgres",
    URGENCE_STORRAGE: "y",
    URGENCE_LOOKUPS_PER_HOUR: "0",
    URGENCE_MAIL_FROM: "nobody",
  };
  const { code, stdout, stderr } = await runUrgence([], folder.path, bad);
  assert.equal(code, 2);
  assert.equal(stdout, "");
  for (const name of ["port", "storage", "URGENCE_STORRAGE", "lookups_per_hour", "mail_from"])
    assert.match(stderr, new RegExp(name));
  assert.match(stderr, /port \(environment PORT\)/, "the variable that was set is named");
  assert.deepEqual(await readdir(folder.path), []);
});

test("--help shows every setting and every command", async () => {
  await using folder = await temporary();
  const { code, stdout } = await runUrgence(["--help"], folder.path);
  assert.equal(code, 0);
  for (const key of Object.keys(urgenceSettingsSchema.properties))
    assert.match(
      stdout,
      new RegExp(`\\b${key === "port" || key === "host" ? key.toUpperCase() : `URGENCE_${key.toUpperCase()}`}\\b`),
    );
  for (const command of ["start", "grant", "revoke", "reset-mfa", "verify", "keys", "demo-code"])
    assert.match(stdout, new RegExp(`^ {2}${command}\\b`, "m"));
  assert.doesNotMatch(stdout, /\]\(|`/, "no Markdown on a terminal");
  assert.match(stdout, /Scaling\s+\(docs\/scaling\.md\)/);
});

test("a command that is unknown or used wrongly ends with 2 and says so", async () => {
  await using folder = await temporary();
  for (const args of [
    ["fly"],
    ["grant", "a@example.org"],
    ["grant", "a@example.org", "king"],
    ["start", "now"],
    ["keys", "rotate"],
    ["keys", "rotate", "phone-hash"],
    ["verify", "--fast"],
    ["verify", "data"],
    ["demo-code", "now"],
    ["reset-mfa"],
  ]) {
    const { code, stdout, stderr } = await runUrgence(args, folder.path);
    assert.deepEqual([args, code, stdout], [args, 2, ""]);
    assert.match(stderr, /^urgence: .+/);
    assert.doesNotMatch(stderr, /^ +at /m, "no stack");
  }
});

test("grant gives a role that counts at the next sign-in with the second factor; revoke takes it and ends the sessions", async () => {
  await using application = await startApplication();
  const rescuer = await responder(application);
  assert.deepEqual(claimsOf(rescuer.token).roles, ["person", "responder"]);
  assert.match(await application.command("revoke", rescuer.email, "responder"), /: none\. .*session.* ended/);
  assert.match(await application.command("revoke", rescuer.email, "officer"), /: none\. It was not officer before/);
  assert.match(await application.command("grant", rescuer.email, "officer"), /: officer\. .*second factor/);
  const refused = async () => (await send(application, "GET", "/v1/lookups", { token: rescuer.token })).status === 401;
  await until(refused, "the session to end");
  const nobody = await application.attempt("grant", "nobody@example.org", "responder");
  assert.equal(nobody.code, 1);
  assert.match(nobody.stderr, /no account has this e-mail address/);
});

test("reset-mfa gets a responder back in who lost authenticator and recovery codes, and tells them; the server notices at once", async () => {
  await using application = await startApplication();
  const rescuer = await responder(application);
  assert.match(await application.command("reset-mfa", rescuer.email), /is off/);
  const refused = async () => (await send(application, "GET", "/v1/me", { token: rescuer.token })).status === 401;
  await until(refused, "the session to end");
  const { token } = await signIn(application, rescuer);
  assert.deepEqual(claimsOf(token).roles, ["person", "mfa-pending"], "the role waits for a new second factor");
  const told = async () =>
    (await application.mails(rescuer.email)).some((text) => /second facteur|deux étapes/.test(text));
  await application.end("SIGTERM");
  await application.start();
  await until(told, "the mail");
});

test("keys lists what there is; after a rotation the tokens issued before go on working, and new ones have the new key", async () => {
  await using application = await startApplication();
  const person = await member(application);
  const listed = await application.command("keys");
  for (const purpose of ["signing", "pepper", "totp", "audit"]) assert.match(listed, new RegExp(`^${purpose}\t`, "m"));
  const rotated = await application.command("keys", "rotate", "signing");
  const kid = rotated.trim().split(" ")[1];
  assert.ok(kid);
  await application.end("SIGTERM");
  await application.start();
  assert.equal((await send(application, "GET", "/v1/me", { token: person.token })).status, 200);
  const { token } = await signIn(application, person);
  assert.equal(JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString()).kid, kid);
  for (const name of await readdir(join(application.folder, "store", "keys")))
    assert.equal((await stat(join(application.folder, "store", "keys", name))).mode & 0o077, 0, name);
});

test("verify says ok of an honest audit, and ends with 1 when one row was edited or is missing", async () => {
  await using application = await startApplication();
  const person = await member(application);
  const rescuer = await responder(application);
  const profile = { data: { identity: { given_names: "Zoé" } } };
  await expected(201, send(application, "PUT", "/v1/me/profile", { body: profile, token: person.token }));
  for (let incident = 1; incident <= 3; incident++) {
    const body = { phone: person.phone, reason: "trauma", incident: `i-${incident}` };
    await expected(200, send(application, "POST", "/v1/lookup", { body, token: rescuer.token }));
  }
  const honest = JSON.parse(await application.command("verify"));
  assert.deepEqual([honest.ok, honest.entries], [true, 3]);
  await application.end("SIGTERM");

  await edit(application.storage, (text) => text.replace('"trauma"', '"stroke"'));
  const altered = await application.attempt("verify");
  assert.equal(altered.code, 1);
  assert.equal(JSON.parse(altered.stdout).ok, false);
  await edit(application.storage, (text) => text.replace('"stroke"', '"trauma"'));
  assert.equal((await application.attempt("verify")).code, 0);
  await edit(application.storage, () => undefined);
  assert.equal((await application.attempt("verify")).code, 1);
});

test("verify of a store that is not there is no success, and makes none", async () => {
  await using folder = await temporary();
  const { code, stderr } = await runUrgence(["verify"], folder.path);
  assert.equal(code, 1);
  assert.match(stderr, /no audit/);
  assert.deepEqual(await readdir(folder.path), []);
});

/** Changes or removes the second audit entry, past the service. */
async function edit(storage: string, change: (text: string) => string | undefined): Promise<void> {
  const place = await openPlace({ storage, keys: undefined, data_folder: "", erasure_ledger: undefined });
  await using store = await openStorage(place.storage("access"), { clock: systemClock });
  await store.define([{ resource: auditLists.entries, indexes: [], unique: [] }]);
  const key = { resource: auditLists.entries, parent: "", id: entryId(2) };
  const entry = await store.get(key);
  assert.ok(entry?.kind === "object", "the entry is found");
  const body = change(entry.body);
  if (body === undefined) await store.erase([key]);
  else await store.commit([{ kind: "put", key, body, expect: { kind: "any" } }]);
}

/** What the terminal shows of the demonstration. */
async function details(output: () => string) {
  await until(() => output().includes("Without this demonstration"), "the demonstration to be shown");
  const text = output();
  const all = (name: string) => [...text.matchAll(new RegExp(`${name} +(\\S+)`, "g"))].map(([, value]) => value ?? "");
  const [email = "", responderEmail = ""] = all("e-mail");
  const [password = "", responderPassword = ""] = all("password");
  return {
    person: { email, password },
    responder: { email: responderEmail, password: responderPassword },
    phone: all("phone")[0] ?? "",
    card: all("card")[0] ?? "",
    code: all("code")[0] ?? "",
  };
}

async function temporary(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "urgence-cli-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
