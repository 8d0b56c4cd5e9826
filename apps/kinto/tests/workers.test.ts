/** A Kinto in several processes: what one of them writes, the others have, and none is missed when it is killed. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type Started, startProcess, storeFor } from "./support/process.ts";
import { authorizationOf } from "./support/running.ts";

const ini = `
[server:main]
host = 127.0.0.1
port = 0

[app:main]
kinto.includes = kinto.plugins.history
    kinto.plugins.accounts
STORE
kinto.userid_hmac_secret = aea10d8733
kinto.account_create_principals = system.Everyone
multiauth.policies = account
multiauth.policy.account.use = kinto.plugins.accounts.authentication.AccountsAuthenticationPolicy
`;
const records = "/buckets/b/collections/c/records";

async function withWorkers(run: (kinto: Started) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "kinto-workers-"));
  const store = await storeFor(folder);
  let started: Started | undefined;
  try {
    await writeFile(join(folder, "kinto.ini"), ini.replace("STORE", store.line));
    started = await startProcess(["kinto.ini", "--workers", "2"], { folder });
    const kinto = started;
    await until(() => kinto.lines.some(({ msg }) => msg === "all workers serve"));
    await run(kinto);
  } finally {
    await started?.end();
    await store[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate);
}

/** Each request on a connection of its own, so that it is another worker's than the one before. */
async function ask({ remote }: Started, method: string, path: string, body?: unknown, headers = {}) {
  const response = await fetch(remote + path, {
    method,
    headers: {
      connection: "close",
      authorization: authorizationOf("alice:wonder"),
      "content-type": "application/json",
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  // biome-ignore lint/suspicious/noExplicitAny: tests look at whatever JSON came
  return { status: response.status, headers: response.headers, body: (await response.json()) as any };
}

async function prepared(kinto: Started): Promise<void> {
  const account = { data: { password: "wonder" } };
  const signedUp = await ask(kinto, "PUT", "/accounts/alice", account, { authorization: "" });
  assert.equal(signedUp.status, 201, JSON.stringify(signedUp.body));
  assert.equal((await ask(kinto, "PUT", "/buckets/b", {})).status, 201);
  assert.equal((await ask(kinto, "PUT", "/buckets/b/collections/c", {})).status, 201);
}

const listening = ({ lines }: Started, number: number): number =>
  Number(lines.findLast(({ msg, worker }) => msg === "listening" && worker === number)?.pid);

async function ids(kinto: Started): Promise<readonly string[]> {
  const all: string[] = [];
  let next: string | undefined = `${records}?_limit=100`;
  while (next !== undefined) {
    const { status, headers, body } = await ask(kinto, "GET", next);
    assert.equal(status, 200, JSON.stringify(body));
    all.push(...body.data.map(({ id }: { id: string }) => id));
    next = headers.get("next-page")?.replace(kinto.remote, "");
  }
  return all;
}

test("requests that are spread over workers read what was written, revisions are given once, and streams on each show all of it", () =>
  withWorkers(async (kinto) => {
    await prepared(kinto);
    const ending = new AbortController();
    const streams = await Promise.all(
      [1, 2, 3, 4].map(async () => {
        const headers = { authorization: authorizationOf("alice:wonder"), accept: "text/event-stream" };
        const response = await fetch(kinto.remote + records, { headers, signal: ending.signal });
        assert.equal(response.status, 200);
        return response.body ?? assert.fail();
      }),
    );
    const heard = streams.map(async (stream) => {
      let text = "";
      for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        if (Array.from({ length: 40 }, (_, n) => text.includes(`"r${n}"`)).every(Boolean)) return true;
      }
      return false;
    });
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, n) => ask(kinto, "PUT", `${records}/r${n}`, { data: { n } })),
    );
    assert.deepEqual(
      answers.map(({ status }) => status),
      Array(40).fill(201),
    );
    assert.equal(new Set(answers.map(({ body }) => body.data.last_modified)).size, 40);
    assert.deepEqual(await Promise.all(heard), [true, true, true, true]);
    ending.abort();
    for (let n = 0; n < 10; n++) {
      assert.equal((await ask(kinto, "PATCH", `${records}/r0`, { data: { n } })).body.data.n, n);
      assert.equal((await ask(kinto, "GET", `${records}/r0`)).body.data.n, n);
    }
    assert.equal(await kinto.end(), 0);
    const summaries = kinto.lines.filter(({ msg }) => msg === "request.summary");
    for (const number of [1, 2])
      assert.ok(summaries.filter(({ worker }) => worker === number).length >= 10, `worker ${number} had its share`);
  }));

test("workers are killed under load: others answer, nothing acknowledged is lost, history and records agree", () =>
  withWorkers(async (kinto) => {
    await prepared(kinto);
    const acknowledged: string[] = [];
    let isOver = false;
    const writers = Array.from({ length: 4 }, async (_, writer) => {
      for (let n = 0; !isOver; n++) {
        const id = `w${writer}-${n}`;
        const answer = await ask(kinto, "PUT", `${records}/${id}`, { data: { n } }).catch(() => undefined);
        if (answer?.status === 201) acknowledged.push(id);
        else assert.ok(answer === undefined || answer.status === 503, JSON.stringify(answer?.body));
      }
    });
    for (const number of [1, 2]) {
      const before = acknowledged.length;
      await until(() => acknowledged.length > before + 20);
      const pid = listening(kinto, number);
      process.kill(pid, "SIGKILL");
      await until(() => ![pid, Number.NaN].includes(listening(kinto, number)));
    }
    isOver = true;
    await Promise.all(writers);
    const present = await ids(kinto);
    assert.deepEqual(
      acknowledged.filter((id) => !present.includes(id)),
      [],
    );
    const { headers } = await fetch(`${kinto.remote}/buckets/b/history?resource_name=record`, {
      method: "HEAD",
      headers: { authorization: authorizationOf("alice:wonder") },
    });
    assert.equal(headers.get("total-records"), String(present.length), "each record has its entry");
    const died = kinto.lines.filter(({ msg }) => msg === "worker died, it is started again");
    assert.deepEqual(
      died.map(({ of, signal }) => [of, signal]),
      [
        [1, "SIGKILL"],
        [2, "SIGKILL"],
      ],
    );
    assert.equal(await kinto.end(), 0);
  }));
