/** Urgence in several processes: nobody can tell which of them answers, and none is missed when it is killed. */
import assert from "node:assert/strict";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type Application, startApplication } from "./support/application.ts";
import { expected, member, type Person, responder, send, signIn, until } from "./support/people.ts";

type Line = Readonly<Record<string, unknown>>;

async function started(): Promise<Application> {
  const application = await startApplication({ URGENCE_WORKERS: "2", URGENCE_LOG_LEVEL: "info" });
  await until(() => linesOf(application).some(({ msg }) => msg === "all workers serve"), "all workers");
  return application;
}

function linesOf(application: Application): readonly Line[] {
  return application
    .output()
    .split("\n")
    .filter((line) => line.startsWith("{") && line.endsWith("}"))
    .map((line) => JSON.parse(line));
}

/** Of the one with this number that was started last. */
function pidOf(application: Application, number: number): number {
  return Number(linesOf(application).findLast(({ msg, worker }) => msg === "listening" && worker === number)?.pid);
}

/** Kills a worker and waits until another one serves in its place. */
async function killed(application: Application, number: number): Promise<void> {
  const pid = pidOf(application, number);
  process.kill(pid, "SIGKILL");
  await until(() => ![pid, Number.NaN].includes(pidOf(application, number)), "the next one");
}

test("registering, signing in, profile, lookup, access log and sign-out, each request to another worker", async () => {
  await using application = await started();
  const rescuer = await responder(application);
  const person = await member(application);
  const profile = { data: { what_matters: "peanuts" } };
  await expected(201, send(application, "PUT", "/v1/me/profile", { token: person.token, body: profile }));
  const body = { phone: person.phone, incident: "i-1", reason: "seizure" };
  const found = await expected(200, send(application, "POST", "/v1/lookup", { token: rescuer.token, body }));
  assert.match(found.text, /peanuts/);
  for (let n = 0; n < 4; n++) {
    const { body: log } = await expected(200, send(application, "GET", "/v1/me/access-log", { token: person.token }));
    assert.equal(log.data.length, 1, "every worker shows what another one recorded");
  }

  const other = await signIn(application, person);
  await expected(204, send(application, "DELETE", "/v1/sessions", { token: person.token }));
  const statuses = async (token: string) => {
    const answers = await Promise.all([1, 2, 3, 4].map(() => send(application, "GET", "/v1/me", { token })));
    return answers.map(({ status }) => status);
  };
  const isOut = async () => (await statuses(person.token)).every((status) => status === 401);
  await until(isOut, "every worker to know who signed out at one");
  assert.deepEqual(await statuses(other.token), [200, 200, 200, 200]);

  const { code } = await application.end("SIGTERM");
  assert.equal(code, 0);
  const summaries = linesOf(application).filter(({ msg }) => msg === "request.summary");
  const [fewest = 0] = [1, 2].map((number) => summaries.filter(({ worker }) => worker === number).length).sort();
  assert.ok(fewest >= 5, "both had something to do");
  assert.equal(JSON.parse(await application.command("verify")).ok, true);
});

test("workers are killed while people write: nothing acknowledged is lost, background work goes on in the other one, the audit verifies", async (t) => {
  await using application = await started();
  const rescuer = await responder(application);
  const people = [await member(application), await member(application)];
  for (const { token } of people)
    await expected(201, send(application, "PUT", "/v1/me/profile", { token, body: { data: { what_matters: "x" } } }));
  const busy = new AbortController();
  t.after(() => busy.abort());
  const written = people.map((person) => writeUntil(busy.signal, application, person));
  const looked = lookUntil(busy.signal, application, rescuer.token, people);

  for (const victim of [1, 2]) {
    await killed(application, victim);
    await until(() => isWorkedFor(application), `the background work after the end of worker ${victim}`);
    const died = linesOf(application).filter(({ msg }) => msg === "worker died, it is started again");
    assert.deepEqual([died.at(-1)?.of, died.at(-1)?.signal], [victim, "SIGKILL"]);
  }
  busy.abort();

  for (const [index, { token }] of people.entries()) {
    const ids = (await written[index]) ?? [];
    assert.ok(ids.length > 0);
    for (const id of ids) await expected(200, send(application, "GET", `/v1/me/positions/${id}`, { token }));
  }
  const answered = await looked;
  assert.ok(answered > 0);
  const seen = async () => {
    const logs = await Promise.all(
      people.map(({ token }) => send(application, "GET", "/v1/me/access-log?_limit=100", { token })),
    );
    return logs.reduce((sum, { body }) => sum + body.data.length, 0);
  };
  // A worker that is killed before it answers may have recorded the lookup.
  assert.ok((await seen()) >= answered);

  // What the background does, it does after the kills as well: an account that leaves is erased everywhere, and the mails go out.
  const [leaver] = people;
  assert.ok(leaver !== undefined);
  const left = await expected(
    200,
    send(application, "DELETE", "/v1/me", { token: leaver.token, body: { password: leaver.password } }),
  );
  assert.equal(left.body.data.state, "done");
  await member(application);
  assert.equal((await application.end("SIGTERM")).code, 0);
  const verified = JSON.parse(await application.command("verify"));
  assert.ok(verified.ok && verified.entries >= answered, JSON.stringify(verified));
  assert.doesNotMatch(application.output(), /"level":"fatal"/);
});

/** Those with work that one process does for all, each with a lease of its own: signing of finished days, what is too old, what waits for a retry. */
const services = ["access", "accounts", "positions"];

/** Each lease is one living worker's. Elsewhere than in files it is the database that knows, and the tests of leases ask it. */
async function isWorkedFor(application: Application): Promise<boolean> {
  const [kind, folder = ""] = application.storage.split(":");
  if (kind !== "sqlite") return true;
  const living = [1, 2].map((number) => pidOf(application, number));
  const locks = (await readFile("/proc/locks", "utf8")).split("\n").map((line) => line.trim().split(/\s+/));
  for (const service of services) {
    const { ino } = await stat(join(folder, `${service}.db-lease-tasks`));
    const holders = new Set(
      locks.filter(([, , , , , file]) => file?.endsWith(`:${ino}`)).map(([, , , , pid]) => Number(pid)),
    );
    const [holder = 0, ...more] = holders;
    if (more.length > 0 || !living.includes(holder)) return false;
  }
  return true;
}

/** Ids of the positions that were acknowledged; what a killed worker leaves unanswered is sent again. */
async function writeUntil(signal: AbortSignal, application: Application, { token }: Person): Promise<string[]> {
  const ids: string[] = [];
  const position = { data: { coordinates: [2.3, 48.9], accuracy: 12, source: "gnss" } };
  while (!signal.aborted) {
    const answer = await send(application, "POST", "/v1/me/positions", { token, body: position }).catch(
      () => undefined,
    );
    if (answer === undefined) continue;
    if (answer.status === 201) ids.push(answer.body.data.id);
    else assert.ok([429, 503].includes(answer.status), answer.text);
  }
  return ids;
}

/** Fewer than a responder may make in an hour. */
const mostLookups = 40;

/** How many lookups were answered. */
async function lookUntil(
  signal: AbortSignal,
  application: Application,
  token: string,
  people: readonly Person[],
): Promise<number> {
  let answered = 0;
  while (!signal.aborted && answered < mostLookups) {
    const phone = people[answered % people.length]?.phone;
    const body = { phone, incident: `i-${answered}`, reason: "seizure" };
    const answer = await send(application, "POST", "/v1/lookup", { token, body }).catch(() => undefined);
    if (answer?.status === 200) answered++;
    else assert.ok(answer === undefined || [429, 503].includes(answer.status), answer?.text ?? "");
  }
  return answered;
}
