/** The steps of the four stories, over the public HTTP interface. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type DataTable, Given, Then, When } from "@cucumber/cucumber";
import type { Answer, Story } from "./world.ts";

const data = join(import.meta.dirname, "../../tests/data");

Given("Urgence is running", async function (this: Story) {
  await this.send("GET", "/readyz");
  this.expect(200);
});

// Accounts

When("{word} registers", async function (this: Story, name: string) {
  await this.register(this.person(name));
});
When("a stranger registers with Ada's e-mail address", async function (this: Story) {
  const stranger = this.person("Stranger");
  await this.register({ ...stranger, email: this.person("Ada").email });
});
Given("{word} has registered", async function (this: Story, name: string) {
  await this.register(this.person(name));
  this.expect(201);
});
Then("a mail to {word} carries a code", async function (this: Story, name: string) {
  assert.match(await this.application.mailedCode(this.person(name).email), /^\d{6}$/);
});
When("{word} confirms with the code", async function (this: Story, name: string) {
  await this.confirm(this.person(name));
  this.expect(200);
});
When("{word} signs in", async function (this: Story, name: string) {
  await this.signIn(this.person(name));
});
When("somebody signs in as {word} with a wrong password", async function (this: Story, name: string) {
  const { email } = this.person(name);
  await this.send("POST", "/v1/sessions", { body: { email, password: "not the password" } });
});
Then("the answer is the same as for a new address", function (this: Story) {
  const [first, second] = this.answers.slice(-2);
  assert.deepEqual(comparable(second), comparable(first));
});
Then("both answers are the same", function (this: Story) {
  const [first, second] = this.answers.slice(-2);
  assert.equal(first?.status, 401);
  assert.deepEqual(comparable(second), comparable(first));
});
Given("{word} is registered and signed in", async function (this: Story, name: string) {
  await this.member(name);
});
Given("{word} is a responder with a second factor", async function (this: Story, name: string) {
  await this.responder(name, true);
});
Given("{word} is a responder who has not enrolled a second factor", async function (this: Story, name: string) {
  await this.responder(name, false);
});

// The profile

When("{word} saves a profile with these sections:", async function (this: Story, name: string, table: DataTable) {
  const sections = table.hashes().map(({ section = "", statement }) => [section, { statement }]);
  await this.send("PUT", "/v1/me/profile", { as: this.person(name), body: { data: Object.fromEntries(sections) } });
  this.expect(201);
});
Then("the profile says:", async function (this: Story, table: DataTable) {
  const { body } = await this.send("GET", "/v1/me/profile", { as: this.person("Ada") });
  for (const { section = "", statement } of table.hashes()) assert.equal(body.data[section].statement, statement);
});
Given("{word} has saved an allergy to {string}", async function (this: Story, name: string, substance: string) {
  await this.send("PUT", "/v1/me/profile", {
    as: this.person(name),
    body: { data: { allergies: allergyTo(substance) } },
  });
  this.expect(201);
});
Given("the profile was read on two devices", async function (this: Story) {
  for (let device = 0; device < 2; device++) {
    const { headers } = await this.send("GET", "/v1/me/profile", { as: this.person("Ada") });
    this.etags.push(headers.get("etag") ?? "");
  }
});
When("the {word} device adds an allergy to {string}", async function (this: Story, device: string, substance: string) {
  const etag = this.etags[device === "first" ? 0 : 1] ?? "";
  await this.send("PATCH", "/v1/me/profile", {
    as: this.person("Ada"),
    headers: { "if-match": etag },
    body: { data: { allergies: allergyTo("penicillin", substance) } },
  });
});
Then("the profile lists an allergy to {string}", async function (this: Story, substance: string) {
  const { body } = await this.send("GET", "/v1/me/profile", { as: this.person("Ada") });
  this.expect(200);
  assert.ok(namesSubstance(body.data.allergies.items, substance), JSON.stringify(body.data.allergies));
});
Then("the history shows {int} versions", async function (this: Story, count: number) {
  const { body } = await this.send("GET", "/v1/me/history", { as: this.person("Ada") });
  assert.equal(body.data.length, count);
});
When(
  "{word} imports the patient summary {string} without saving",
  async function (this: Story, name: string, file: string) {
    await this.send("POST", "/v1/me/import", { as: this.person(name), body: await bundle(file) });
    this.expect(200);
  },
);
When(
  "{word} imports the patient summary {string} and saves it",
  async function (this: Story, name: string, file: string) {
    await this.send("POST", "/v1/me/import?save=true", { as: this.person(name), body: await bundle(file) });
    this.expect(200);
  },
);
Then("the preview lists what was understood and what was not", function (this: Story) {
  const { understood, not_understood: rest } = this.answer.body.data;
  assert.ok(understood.length > 0);
  assert.ok(Array.isArray(rest));
});
Then("the profile is still empty", async function (this: Story) {
  await this.send("GET", "/v1/me/profile", { as: this.person("Ada") });
  if (this.answer.status !== 404) assert.equal(this.answer.body.data.allergies.statement, "no-information");
});

// Looking up

Given(
  "{word} has sent the position {float}, {float}",
  async function (this: Story, name: string, longitude: number, latitude: number) {
    await this.send("POST", "/v1/me/positions", {
      as: this.person(name),
      body: {
        data: { coordinates: [longitude, latitude], accuracy: 12, source: "gnss", fix_time: new Date().toISOString() },
      },
    });
    this.expect(201);
  },
);
const lookUp = async (story: Story, who: string, phone: string, incident: string, reason: string) => {
  await story.send("POST", "/v1/lookup", { as: story.person(who), body: { phone, incident, reason } });
};
When(
  "{word} looks up Ada's phone number for the incident {string} because of {string}",
  async function (this: Story, who: string, incident: string, reason: string) {
    await lookUp(this, who, this.person("Ada").phone, incident, reason);
  },
);
Given(
  "{word} has looked up Ada's phone number for the incident {string} because of {string}",
  async function (this: Story, who: string, incident: string, reason: string) {
    await lookUp(this, who, this.person("Ada").phone, incident, reason);
    this.expect(200);
  },
);
When(
  "{word}, another person, looks up Ada's phone number for the incident {string} because of {string}",
  async function (this: Story, who: string, incident: string, reason: string) {
    await this.member(who);
    await lookUp(this, who, this.person("Ada").phone, incident, reason);
  },
);
When(
  "{word} looks up the number {string} for the incident {string} because of {string}",
  async function (this: Story, who: string, phone: string, incident: string, reason: string) {
    await lookUp(this, who, phone, incident, reason);
  },
);
When("{word} looks up Ada's phone number without reason and incident", async function (this: Story, who: string) {
  await this.send("POST", "/v1/lookup", { as: this.person(who), body: { phone: this.person("Ada").phone } });
});
Then("all of {string} are named as wrong", function (this: Story, names: string) {
  const named = this.answer.body.details.map((violation: { name: string }) => violation.name);
  for (const name of names.split(", ")) assert.ok(named.includes(name), `${name} is not in ${named}`);
});
Then("the emergency view lists an allergy to {string}", function (this: Story, substance: string) {
  assert.ok(JSON.stringify(this.answer.body.data).includes(substance));
});
Then("the last position is {float}, {float}", function (this: Story, longitude: number, latitude: number) {
  assert.deepEqual(this.answer.body.data.position.coordinates.slice(0, 2), [longitude, latitude]);
});

// Who looked

When("{word} reads the access log", async function (this: Story, name: string) {
  await this.send("GET", "/v1/me/access-log", { as: this.person(name) });
  this.expect(200);
});
When("{word}, another person, reads the access log", async function (this: Story, name: string) {
  const person = await this.member(name);
  await this.send("GET", "/v1/me/access-log", { as: person });
  this.expect(200);
});
Then(
  "the newest entry names the incident {string} and the level {int}",
  function (this: Story, incident: string, level: number) {
    const [newest] = this.answer.body.data;
    assert.equal(newest.incident, incident);
    assert.equal(newest.level, level);
  },
);
Then("the newest entry has the level {int}", function (this: Story, level: number) {
  assert.equal(this.answer.body.data[0].level, level);
});
Then("the access log is empty", function (this: Story) {
  assert.deepEqual(this.answer.body.data, []);
});
Then("the audit chain verifies", async function (this: Story) {
  await this.application.command("verify");
});
Given("{word} has a card that shows allergies", async function (this: Story, name: string) {
  await this.send("PUT", "/v1/me/card", { as: this.person(name), body: { data: { parts: ["allergies"] } } });
  assert.ok(this.answer.status === 200 || this.answer.status === 201, JSON.stringify(this.answer.body));
});
When("somebody opens Ada's card", async function (this: Story) {
  const card = await this.send("GET", "/v1/me/card", { as: this.person("Ada") });
  await this.send("GET", `/e/${card.body.data.token}`);
});

// Deleting

When("{word} deletes the profile", async function (this: Story, name: string) {
  await this.send("DELETE", "/v1/me/profile", { as: this.person(name) });
});
When("{word} deletes the account", async function (this: Story, name: string) {
  const person = this.person(name);
  await this.send("DELETE", "/v1/me", { as: person, body: { password: person.password } });
});
When("{word} deletes the account with a wrong password", async function (this: Story, name: string) {
  await this.send("DELETE", "/v1/me", { as: this.person(name), body: { password: "not the password" } });
});
Then("the profile is gone", async function (this: Story) {
  const { status } = await this.send("GET", "/v1/me/profile", { as: this.person("Ada") });
  assert.equal(status, 404);
});
Then("no file of the store contains {string}", async function (this: Story, text: string) {
  assert.deepEqual(await this.application.filesWith(text), []);
});
Then("no file of the store contains anything that Ada typed", async function (this: Story) {
  const { email, phone } = this.person("Ada");
  for (const text of [email, phone, "zzyzx-marker-substance"])
    assert.deepEqual(await this.application.filesWith(text), [], text);
});
Then("the receipt counts what went in accounts, profiles, positions", function (this: Story) {
  const { counts } = this.answer.body.data;
  for (const service of ["accounts", "profiles", "positions"])
    assert.ok(Object.keys(counts).includes(service), service);
});
Then("{word}'s old access token is refused", async function (this: Story, name: string) {
  const { status } = await this.send("GET", "/v1/me/profile", { as: this.person(name) });
  assert.equal(status, 401);
});
When("{word} exports everything", async function (this: Story, name: string) {
  await this.send("GET", "/v1/me/export", { as: this.person(name) });
  this.expect(200);
});
Then("the export contains the account, the profile, the positions and the access log", function (this: Story) {
  const text = JSON.stringify(this.answer.body);
  for (const part of ["account", "profile", "positions", "access_log"]) assert.ok(text.includes(`"${part}"`), part);
  assert.ok(text.includes("zzyzx-marker-substance"));
});

Then("the answer is {int}", function (this: Story, status: number) {
  this.expect(status);
});

function allergyTo(...substances: readonly string[]) {
  return { statement: "listed", items: substances.map((text) => ({ text })) };
}

function namesSubstance(items: readonly { readonly text: string }[] | undefined, substance: string): boolean {
  return items?.some(({ text }) => text.toLowerCase().includes(substance.toLowerCase().slice(0, 8))) ?? false;
}

function comparable(answer: Answer | undefined): unknown {
  return { status: answer?.status, body: answer?.body };
}

async function bundle(file: string): Promise<unknown> {
  return JSON.parse(await readFile(join(data, file), "utf8"));
}
