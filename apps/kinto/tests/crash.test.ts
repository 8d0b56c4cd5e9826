/** Programs that are killed in the middle of writes, and two of them on one file. */
import assert from "node:assert/strict";
import { once } from "node:events";
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
    kinto.plugins.quotas
    kinto.plugins.accounts
STORE
kinto.userid_hmac_secret = aea10d8733
kinto.account_create_principals = system.Everyone
kinto.experimental_permissions_endpoint = true
kinto.quotas.bucket_max_items = 100000
multiauth.policies = account basicauth
`;
const records = "/buckets/b/collections/c/records";

async function inFolder(run: (start: () => Promise<Started>) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "kinto-crash-"));
  const store = await storeFor(folder);
  const all: Started[] = [];
  try {
    await writeFile(join(folder, "kinto.ini"), ini.replace("STORE", store.line));
    await run(async () => {
      const started = await startProcess(["kinto.ini"], { folder });
      all.push(started);
      return started;
    });
  } finally {
    await Promise.all(all.map((one) => one.end()));
    await store[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  }
}

async function ask({ remote }: Started, method: string, path: string, body?: unknown, as: string | null = "alice") {
  const response = await fetch(remote + path, {
    method,
    headers: {
      ...(as !== null && { authorization: authorizationOf(as) }),
      "content-type": "application/json",
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  // biome-ignore lint/suspicious/noExplicitAny: tests look at whatever JSON came
  return { status: response.status, headers: response.headers, body: (await response.json()) as any };
}

async function everything(server: Started, path: string): Promise<readonly { readonly [key: string]: unknown }[]> {
  const all: { readonly [key: string]: unknown }[] = [];
  let next: string | null = path;
  while (next !== null) {
    const { status, headers, body } = await ask(server, "GET", next);
    assert.equal(status, 200, JSON.stringify(body));
    all.push(...body.data);
    next = headers.get("next-page")?.replace(server.remote, "") ?? null;
  }
  return all;
}

test("killed in the middle of writes it has all that it said it has, and nothing by halves", () =>
  inFolder(async (start) => {
    const before = await start();
    assert.equal((await ask(before, "PUT", "/buckets/b", {})).status, 201);
    assert.equal((await ask(before, "PUT", "/buckets/b/collections/c", {})).status, 201);
    const acknowledged: string[] = [];
    const shared = { permissions: { read: ["account:somebody"] } };
    const single = async (n: number) => {
      const { status } = await ask(before, "PUT", `${records}/single${n}`, { data: { n }, ...shared });
      if (status === 201) acknowledged.push(`single${n}`);
    };
    const together = async (n: number) => {
      const ids = [0, 1, 2, 3, 4].map((part) => `together${n}-${part}`);
      const requests = ids.map((id) => ({ method: "PUT", path: `${records}/${id}`, body: { data: { n }, ...shared } }));
      const { body } = await ask(before, "POST", "/batch", { atomic: true, requests });
      if (body.responses?.[0]?.status === 201) acknowledged.push(...ids);
    };
    let n = 0;
    const writer = async () => {
      while (true) {
        n++;
        await (n % 2 === 0 ? single(n) : together(n));
        if (acknowledged.length > 200) before.child.kill("SIGKILL");
      }
    };
    await Promise.allSettled(Array.from({ length: 8 }, writer));
    if (before.child.signalCode === null) await once(before.child, "exit");

    const after = await start();
    const present = (await everything(after, records)).map(({ id }) => String(id));
    const missing = acknowledged.filter((id) => !present.includes(id));
    assert.deepEqual(missing, []);
    const groups = Map.groupBy(
      present.filter((id) => id.startsWith("together")),
      (id) => id.split("-")[0],
    );
    for (const [name, parts] of groups) assert.equal(parts.length, 5, `${name} is whole`);
    const entries = await everything(after, "/buckets/b/history?resource_name=record");
    assert.deepEqual(entries.map((entry) => String(entry.record_id)).sort(), [...present].sort());
    const permissions = await everything(after, "/permissions?resource_name=record");
    assert.deepEqual(permissions.map(({ id }) => String(id)).sort(), [...present].sort());
    assert.equal((await ask(after, "PUT", `${records}/next`, { data: {} })).status, 201, "and goes on");
  }));

test("two on one file: each sees at once what the other wrote, and revisions are given once", () =>
  inFolder(async (start) => {
    const [one, other] = [await start(), await start()];
    await ask(one, "PUT", "/buckets/b", {});
    await ask(other, "PUT", "/buckets/b/collections/c", {});
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, n) => ask(n % 2 === 0 ? one : other, "PUT", `${records}/r${n}`, { data: { n } })),
    );
    assert.ok(answers.every(({ status }) => status === 201));
    assert.equal(new Set(answers.map(({ body }) => body.data.last_modified)).size, 60);

    for (let n = 0; n < 10; n++) {
      const [writer, reader] = n % 2 === 0 ? [one, other] : [other, one];
      await ask(writer, "PATCH", `${records}/r0`, { data: { round: n } });
      assert.equal((await ask(reader, "GET", `${records}/r0`)).body.data.round, n);
    }
    assert.deepEqual(await everything(one, records), await everything(other, records));

    // Permissions and groups are remembered by each: what the other takes away is away.
    const read = (server: Started) => ask(server, "GET", `${records}/r1`, undefined, "bob:correct horse 1");
    const account = { data: { password: "correct horse 1" } };
    assert.equal((await ask(one, "PUT", "/accounts/bob", account, null)).status, 201);
    await ask(one, "PUT", "/buckets/b/groups/g", { data: { members: ["account:bob"] } });
    await ask(one, "PATCH", `${records}/r1`, { permissions: { read: ["/buckets/b/groups/g"] } });
    for (const server of [one, other]) assert.equal((await read(server)).status, 200);
    await ask(one, "PUT", "/buckets/b/groups/g", { data: { members: [] } });
    for (const server of [other, one]) assert.equal((await read(server)).status, 403);
    await ask(other, "PUT", "/buckets/b/groups/g", { data: { members: ["account:bob"] } });
    for (const server of [one, other]) assert.equal((await read(server)).status, 200);
    await ask(other, "DELETE", "/buckets/b/collections/c");
    assert.equal((await ask(one, "GET", records)).status, 404);
  }));
