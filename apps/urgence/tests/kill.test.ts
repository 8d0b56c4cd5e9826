/** SIGKILL at any moment: what was acknowledged is there afterwards, and no lookup was answered that is not on record. */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";
import { anyStorage, isSlow } from "../../../scripts/test-stores.ts";
import { type Application, startApplication } from "./support/application.ts";
import {
  type Answer,
  expected,
  member,
  type Person,
  type Responder,
  responder,
  send,
  until,
} from "./support/people.ts";

const rounds = isSlow(anyStorage) ? 4 : 12;
/** So that few rounds prove enough. */
const fewestLookups = isSlow(anyStorage) ? 6 : 2;

/** What a client knows for sure. */
interface Known {
  readonly person: Person;
  /** Last note the server acknowledged, and the one under way when it died. */
  note: string;
  pending: string | undefined;
  readonly positions: string[];
}

test(`after each of ${rounds} SIGKILLs every acknowledged profile and position is there, every answered lookup is in the audit, and the audit verifies`, async () => {
  await using application = await startApplication({
    URGENCE_LOOKUPS_PER_HOUR: "1000000",
    URGENCE_SITE_LOOKUPS_PER_HOUR: "1000000",
  });
  const people: Known[] = [];
  for (let n = 0; n < 4; n++) {
    const person = await member(application);
    const data = { identity: { birth_date: "1970-01-01" }, what_matters: "first" };
    await expected(201, send(application, "PUT", "/v1/me/profile", { body: { data }, token: person.token }));
    people.push({ person, note: "first", pending: undefined, positions: [] });
  }
  const rescuer = await responder(application);
  const lookups: string[] = [];
  let writes = 0;
  let cutShort = 0;

  for (let round = 1; round <= rounds; round++) {
    const alive = new AbortController();
    const loops = [
      ...people.flatMap((known) => [
        repeat(alive.signal, async (turn) => {
          known.pending = `round ${round} turn ${turn}`;
          await acknowledged(patchNote(application, known.person, known.pending), 200);
          known.note = known.pending;
          known.pending = undefined;
          writes += 1;
        }),
        repeat(alive.signal, async (turn) => {
          const body = { data: { coordinates: [turn / 1000, round], source: "gnss" } };
          const { token } = known.person;
          const answer = await acknowledged(send(application, "POST", "/v1/me/positions", { body, token }), 201);
          known.positions.push(answer.body.data.id);
          writes += 1;
        }),
      ]),
      ...people.map(({ person }) =>
        repeat(alive.signal, async (turn) => {
          const answer = await acknowledged(lookUp(application, rescuer, person, `r${round}-${turn}`), 200);
          lookups.push(answer.body.data.audit);
        }),
      ),
    ];
    // Another moment each time, from the first requests to some hundreds.
    const answered = lookups.length + randomInt(fewestLookups, 20);
    const working = Promise.all(loops);
    // An answer that is wrong says more than that there are no others.
    await Promise.race([until(() => lookups.length >= answered, "lookups to be answered"), working]);
    await new Promise((resolve) => setTimeout(resolve, randomInt(0, 20)));
    await application.end("SIGKILL");
    alive.abort();
    await working;

    await application.start();
    for (const known of people) {
      const profile = await expected(200, send(application, "GET", "/v1/me/profile", { token: known.person.token }));
      const note: string = profile.body.data.what_matters;
      assert.ok(note === known.note || note === known.pending, `${note} is neither ${known.note} nor ${known.pending}`);
      if (known.pending !== undefined) cutShort += 1;
      known.note = note;
      known.pending = undefined;
      for (const id of known.positions.splice(0))
        await expected(200, send(application, "GET", `/v1/me/positions/${id}`, { token: known.person.token }));
    }
    const report = JSON.parse(await application.command("verify"));
    assert.equal(report.ok, true, JSON.stringify(report.problems));
  }
  const recorded = await everyPage(application, rescuer, "/v1/lookups");
  assert.deepEqual(
    lookups.filter((audit) => !recorded.has(audit)),
    [],
    "answered, but not on record",
  );
  const seen = new Set<string>();
  for (const { person } of people)
    for (const id of await everyPage(application, person, "/v1/me/access-log")) seen.add(id);
  assert.deepEqual(
    lookups.filter((audit) => !seen.has(audit)),
    [],
    "answered, but not shown to the person",
  );
  assert.ok(
    writes > rounds * 10 && lookups.length > rounds * 5,
    `${writes} writes, ${lookups.length} lookups: too few`,
  );
  assert.ok(cutShort > 0, "no write was cut short: the test proves nothing");
});

function patchNote(application: Application, { token }: Person, what_matters: string): Promise<Answer> {
  return send(application, "PATCH", "/v1/me/profile", { body: { data: { what_matters } }, token });
}

function lookUp(application: Application, { token }: Responder, { phone }: Person, incident: string): Promise<Answer> {
  const body = { phone, reason: "unconscious", incident };
  return send(application, "POST", "/v1/lookup", { body, token });
}

async function acknowledged(sent: Promise<Answer>, status: number): Promise<Answer> {
  const answer = await sent;
  assert.equal(answer.status, status, answer.text);
  return answer;
}

/** Works until the process is gone. An answer that is wrong is an error, a connection that ends is none. */
async function repeat(signal: AbortSignal, work: (turn: number) => Promise<void>): Promise<void> {
  for (let turn = 0; !signal.aborted; turn++) {
    try {
      await work(turn);
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      return;
    }
  }
}

async function everyPage(application: Application, { token }: Person, path: string): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  let next: string | undefined = `${path}?_limit=100`;
  while (next !== undefined) {
    const page: Answer = await expected(200, send(application, "GET", next, { token }));
    for (const { id } of page.body.data) ids.add(id);
    const link: string | null = page.headers.get("next-page");
    next = link === null ? undefined : link.replace(/^https?:\/\/[^/]+/, "");
  }
  return ids;
}
