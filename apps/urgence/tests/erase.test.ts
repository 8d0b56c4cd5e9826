/** A person with everything leaves while others go on: nothing of theirs is left in any file, and nothing of the others is missing. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { exampleInput } from "../src/services/profiles/testing.ts";
import { type Application, startApplication } from "./support/application.ts";
import { enrol, expected, member, type Person, responder, send, signIn, totp, until } from "./support/people.ts";

const photo = `data:image/png;base64,iVBORw0KGgoAAAANSUhEUg${Buffer.from("the face of Zouzou, seen from the left").toString("base64").replaceAll("=", "")}`;

for (const workers of ["1", "2"])
  test(`an account is erased within five seconds while others write; no file holds anything of its person, also after a restart (workers: ${workers})`, async () => {
    await using application = await startApplication({ URGENCE_WORKERS: workers });
    const rescuer = await responder(application);
    const others = [await member(application), await member(application)];
    for (const { token } of others)
      await expected(
        201,
        send(application, "PUT", "/v1/me/profile", { token, body: { data: { what_matters: "stays" } } }),
      );

    const someone = {
      email: "zelie.vautrinelle@example.net",
      phone: "+33639987654",
      password: "correct horse Barnabé stapler",
    };
    const zelie = await member(application, someone);
    const values = await live(application, zelie, rescuer);
    for (const value of values.mustBeThere)
      assert.notDeepEqual(await application.filesWith(value), [], `the search finds ${value} while it is there`);

    const busy = new AbortController();
    const written: Promise<string[]>[] = others.map((other) => writeUntil(busy.signal, application, other));
    const began = performance.now();
    const totpCode = await freshCode(values.secret);
    const current = await signIn(application, zelie, totpCode);
    const answer = await expected(
      200,
      send(application, "DELETE", "/v1/me", {
        token: current.token,
        body: { password: zelie.password, totp: values.recovery },
      }),
    );
    const took = performance.now() - began;
    assert.ok(took < 5_000, `${took} ms`);
    assert.equal(answer.body.data.state, "done");
    const { counts } = answer.body.data;
    assert.equal(counts.accounts.accounts, 1);
    assert.ok(counts.accounts.sessions >= 2 && counts.accounts.mail_copies >= 2, JSON.stringify(counts));
    for (const service of ["profiles", "positions", "access"])
      assert.ok(
        Object.values(counts[service]).some((count) => Number(count) > 0),
        `${service}: ${JSON.stringify(counts)}`,
      );

    await nothingLeft(application, values.all);
    busy.abort();
    const positions = await Promise.all(written);
    assert.equal((await send(application, "GET", "/v1/me", { token: current.token })).status, 401);
    const again = { email: zelie.email, password: zelie.password };
    assert.equal((await send(application, "POST", "/v1/sessions", { body: again })).status, 401);
    assert.equal((await send(application, "GET", new URL(values.card).pathname)).status, 404);
    const gone = { phone: zelie.phone, reason: "trauma", incident: "after" };
    assert.equal((await send(application, "POST", "/v1/lookup", { token: rescuer.token, body: gone })).status, 404);
    const receipt = await expected(200, send(application, "GET", `/v1/erasures/${answer.body.data.id}`));
    assert.deepEqual(receipt.body.data, answer.body.data);

    await application.end("SIGTERM");
    await nothingLeft(application, values.all);
    await application.start();
    await nothingLeft(application, values.all);
    for (const [index, other] of others.entries()) {
      const { token } = other;
      const profile = await expected(200, send(application, "GET", "/v1/me/profile", { token }));
      assert.match(profile.body.data.what_matters, /^stays/);
      for (const id of positions[index] ?? [])
        await expected(200, send(application, "GET", `/v1/me/positions/${id}`, { token }));
    }
    const verified = JSON.parse(await application.command("verify"));
    assert.deepEqual([verified.ok, verified.entries >= 3], [true, true]);
  });

/** Does all that a person can do; answers what must not be found afterwards. */
async function live(application: Application, person: Person, rescuer: Person) {
  const { token } = person;
  const profile = { ...exampleInput, identity: { ...exampleInput.identity, photo } };
  await expected(201, send(application, "PUT", "/v1/me/profile", { token, body: { data: profile } }));
  const note = { data: { what_matters: "Mon perroquet Fulgence répète tout." } };
  await expected(200, send(application, "PATCH", "/v1/me/profile", { token, body: note }));
  const bundle = await readFile(join(import.meta.dirname, "data/ips/minimal.json"), "utf8");
  const headers = { "content-type": "application/fhir+json" };
  await expected(200, send(application, "POST", "/v1/me/import?save=true", { token, body: bundle, headers }));
  // What was imported replaced some of it: the profile is put once more, so that both are in the history.
  await expected(200, send(application, "PUT", "/v1/me/profile", { token, body: { data: profile } }));

  const ours = {
    data: { coordinates: [2.29448123, 48.85837456, 35.25], accuracy: 12, source: "gnss", device: "zouzou-phone" },
  };
  await expected(201, send(application, "POST", "/v1/me/positions", { token, body: ours }));
  const report = { type: "Point", coordinate: [2.34999123, 48.85299456], locationSource: "gps", crs: "WGS84" };
  await expected(201, send(application, "POST", "/v1/me/positions", { token, body: { data: report } }));
  const aml = new URLSearchParams({
    v: "1",
    device_number: person.phone,
    location_latitude: "55.85732123",
    location_longitude: "-4.26325456",
    location_time: String(Date.now() - 1000),
    location_accuracy: "10.4",
    location_source: "GPS",
    location_certainty: "83",
    device_imei: "354773072099116",
  });
  const form = { "content-type": "application/x-www-form-urlencoded" };
  await expected(200, send(application, "POST", "/aml", { body: aml.toString(), headers: form }));
  const heard = async () => {
    const { body } = await send(application, "GET", "/v1/me/positions", { token });
    return body.data.length === 3;
  };
  await until(heard, "the AML position");

  const parts = { data: { parts: ["identity", "alerts", "allergies", "contacts"] } };
  const card = await expected(200, send(application, "PUT", "/v1/me/card", { token, body: parts }));
  await expected(200, send(application, "GET", new URL(card.body.data.url).pathname));
  const lookup = { phone: person.phone, reason: "she fell off the Pont Zouzou", incident: "zouzou-incident" };
  await expected(200, send(application, "POST", "/v1/lookup", { token: rescuer.token, body: lookup }));
  const reset = { email: person.email };
  await expected(202, send(application, "POST", "/v1/passwords/reset", { body: reset }));
  await until(async () => (await application.mails(person.email)).length >= 2, "the second mail");
  await signIn(application, person);
  const { secret, recovery } = await enrol(application, person);
  await expected(200, send(application, "GET", "/v1/me/export", { token }));

  const words = [
    ...wordsOf(profile),
    "Mon perroquet Fulgence répète tout.",
    "zouzou-phone",
    "2.29448123",
    "48.85837456",
    "2.34999123",
    "55.85732123",
    "4.26325456",
    "354773072099116",
    "she fell off the Pont Zouzou",
  ];
  const codes = recovery.slice(1);
  return {
    secret,
    recovery: recovery[0] ?? "",
    card: card.body.data.url as string,
    // Stored as they are, somewhere; the others are hashed or sealed.
    mustBeThere: [
      "Mon perroquet Fulgence répète tout.",
      "Vautrinelle",
      person.email,
      person.phone,
      "she fell off the Pont Zouzou",
    ],
    all: [
      ...words,
      person.email,
      person.phone,
      person.phone.slice(1),
      person.password,
      secret,
      card.body.data.token,
      person.token,
      person.refresh,
      ...codes,
    ],
  };
}

/** Texts that only this person's profile has; short ones are in every program. */
function wordsOf(value: unknown): readonly string[] {
  if (typeof value === "string") return value.length >= 8 && !known.has(value) ? [value] : [];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(wordsOf);
}
const known = new Set([
  "listed",
  "none-known",
  "life-threatening",
  "conditional",
  "no-information",
  "pacemaker",
  "do-not-resuscitate",
  "negative",
]);

async function nothingLeft(application: Application, values: readonly string[]): Promise<void> {
  const found = await application.filesWith(...values);
  for (const value of found.length === 0 ? [] : values)
    assert.deepEqual([value, await application.filesWith(value)], [value, []]);
}

async function writeUntil(signal: AbortSignal, application: Application, { token }: Person): Promise<string[]> {
  const ids: string[] = [];
  for (let turn = 0; !signal.aborted; turn++) {
    const position = { data: { coordinates: [turn / 1000, 10], source: "gnss" } };
    const made = await send(application, "POST", "/v1/me/positions", { token, body: position });
    if (made.status === 201) ids.push(made.body.data.id);
    // Nobody needs to say so often where they are.
    else assert.equal(made.status, 429, made.text);
    const body = { data: { what_matters: `stays ${turn}` } };
    await expected(200, send(application, "PATCH", "/v1/me/profile", { token, body }));
  }
  return ids;
}

/** A code that was not used: enrolling used the one of this half minute. */
async function freshCode(secret: string): Promise<string> {
  return totp(secret, 30_000);
}
