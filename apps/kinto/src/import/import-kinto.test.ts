import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { anyStorage, testStorages } from "../../../../scripts/test-stores.ts";
import { authorizationOf, type Running, withKinto } from "../../tests/support/running.ts";
import { importKinto } from "./import-kinto.ts";
import { RemoteError, type RemoteOptions, remoteKinto } from "./remote-kinto.ts";

const settings = {
  includes: "kinto.plugins.accounts kinto.plugins.history",
  "multiauth.policies": "account basicauth",
  account_create_principals: "system.Everyone",
};
const as = "alice";
const records = "/buckets/b/collections/c/records";

async function filled({ ask }: Pick<Running, "ask">): Promise<void> {
  await ask("PUT", "/buckets/b", { as, body: { data: { title: "B" }, permissions: { read: ["system.Everyone"] } } });
  await ask("PUT", "/buckets/b/groups/g", { as, body: { data: { members: ["account:bob"], of: "b" } } });
  await ask("PUT", "/buckets/b/collections/c", {
    as,
    body: { data: { x: 1 }, permissions: { "record:create": ["/buckets/b/groups/g"] } },
  });
  await ask("PUT", "/buckets/b/collections/empty", { as, body: {} });
  for (let n = 0; n < 40; n++)
    await ask("PUT", `${records}/r${n}`, {
      as,
      body: { data: { n }, ...(n % 5 === 0 && { permissions: { read: ["account:bob"] } }) },
    });
  await ask("DELETE", `${records}/r7`, { as });
  await ask("PATCH", `${records}/r3`, { as, body: { data: { changed: true } } });
}

function run(
  from: Running,
  to: Running,
  { as: user = as, ...options }: { readonly as?: string | null } & Partial<RemoteOptions> = {},
) {
  const signal = options.signal ?? AbortSignal.timeout(30_000);
  const remote = remoteKinto({
    url: from.remote,
    authorization: user === null ? undefined : authorizationOf(user),
    signal,
    ...options,
  });
  return importKinto({ remote, kinto: to.kinto, signal });
}

/** Everything that clients see, revisions of lists and deletions included. */
async function seen({ ask }: Pick<Running, "ask">): Promise<readonly unknown[]> {
  const paths = [
    "/buckets?_since=0",
    "/buckets/b",
    "/buckets/b/groups?_since=0",
    "/buckets/b/groups/g",
    "/buckets/b/collections?_since=0",
  ];
  paths.push("/buckets/b/collections/c", "/buckets/b/collections/empty/records", `${records}?_since=0&_limit=100`);
  for (let n = 0; n < 40; n++) paths.push(`${records}/r${n}`);
  const answers: unknown[] = [];
  for (const path of paths) {
    const { status, body, headers } = await ask("GET", path, { as });
    answers.push([path, status, headers.get("etag"), body]);
  }
  answers.push((await ask("POST", records, { as: "bob", body: { data: {} }, headers: { "if-match": '"1"' } })).status);
  return answers;
}

async function both(work: (from: Running, to: Running) => Promise<void>, source: object = {}): Promise<void> {
  for (const storage of testStorages)
    await withKinto(anyStorage, { ...settings, ...source }, (from) =>
      withKinto(storage, settings, (to) => work(from, to)),
    );
}

test("the copy is what the original is: ids, revisions, permissions, groups, deletions, revisions of lists", () =>
  both(async (from, to) => {
    await filled(from);
    const report = await run(from, to);
    assert.deepEqual(report.problems, []);
    assert.equal(report.counts.new, 1 + 1 + 2 + 40);
    assert.deepEqual(await seen(to), await seen(from));
  }));

test("a second time does nothing, and then brings what has changed; what is newer here stays", () =>
  both(async (from, to) => {
    await filled(from);
    await run(from, to);
    const again = await run(from, to);
    assert.deepEqual(again.counts, { new: 0, changed: 0, same: 44, "newer here": 0 });
    await from.ask("PATCH", `${records}/r1`, { as, body: { data: { n: "new" } } });
    await from.ask("DELETE", `${records}/r2`, { as });
    await from.ask("PUT", `${records}/r40`, { as, body: { data: { n: 40 } } });
    await from.ask("PUT", "/buckets/b/groups/g", { as, body: { data: { members: ["account:carl"] } } });
    const third = await run(from, to);
    assert.deepEqual(third.counts, { new: 1, changed: 3, same: 41, "newer here": 0 });
    assert.deepEqual(await seen(to), await seen(from));
    await to.ask("PATCH", `${records}/r5`, { as, body: { data: { n: "here" } } });
    assert.equal((await run(from, to)).counts["newer here"], 1);
    assert.equal((await to.ask("GET", `${records}/r5`, { as })).body.data.n, "here");
  }));

test("small pages and small batches are followed to their ends", () =>
  both(
    async (from, to) => {
      await filled(from);
      assert.equal((await run(from, to)).counts.new, 44);
      assert.deepEqual(
        (await to.ask("GET", `${records}/r39`, { as })).body,
        (await from.ask("GET", `${records}/r39`, { as })).body,
      );
    },
    { paginate_by: 3, batch_max_requests: 4 },
  ));

test("what this user can't read is told, and the rest is copied", () =>
  both(
    async (from, to) => {
      await filled(from);
      await from.ask("PUT", "/buckets/private", { as, body: {} });
      const report = await run(from, to, { as: null });
      assert.deepEqual(
        [...report.hiddenPermissions],
        [
          ["bucket", 1],
          ["collection", 2],
          ["record", 39],
        ],
      );
      assert.equal(report.problems.length, 1);
      assert.match(report.problems[0] ?? "", /^GET \/buckets\/b\/groups\?.*: 405/);
      assert.equal(report.counts.new, 43);
      assert.equal((await to.ask("GET", "/buckets/b", { as })).status, 403);
      assert.equal(await to.kinto.storage.get({ resource: "bucket", parent: "", id: "private" }), undefined);
    },
    { plural_group_get_enabled: false },
  ));

test("broken off and run again it is whole, with nothing twice", () =>
  both(
    async (from, to) => {
      await filled(from);
      for (const requests of [9, 14]) {
        const stopped = new AbortController();
        let left = requests;
        const wait = async () => {
          left -= 1;
          if (left === 0) stopped.abort(new Error("stopped"));
        };
        await assert.rejects(run(from, to, { signal: stopped.signal, wait }), /stopped/);
      }
      const report = await run(from, to, { wait: async () => {} });
      assert.ok(report.counts.same > 0 && report.counts.new > 0, JSON.stringify(report.counts));
      assert.equal((await to.ask("HEAD", records, { as })).headers.get("total-records"), "39");
    },
    { backoff: 2, paginate_by: 10 },
  ));

test("it waits for as long as the server asks, by Backoff and by Retry-After, and tries again", async () => {
  const answers: [number, Record<string, string>, string][] = [
    [503, { "retry-after": "7" }, "{}"],
    [200, { backoff: "3" }, '{"settings":{},"capabilities":{}}'],
    [429, { "retry-after": "5" }, "{}"],
    [500, {}, "no JSON"],
    [200, {}, '{"data":[]}'],
  ];
  await serving(
    () => answers.shift() ?? [200, { etag: '"5"' }, '{"data":[]}'],
    async (url) => {
      const waits: number[] = [];
      const wait = async (milliseconds: number) => void waits.push(milliseconds);
      await withKinto(anyStorage, settings, async ({ kinto }) => {
        const signal = AbortSignal.timeout(30_000);
        const report = await importKinto({ remote: remoteKinto({ url, signal, wait }), kinto, signal });
        assert.equal(report.counts.new, 0);
      });
      assert.deepEqual(waits, [7000, 3000, 5000, 1000]);
    },
  );
});

test("credentials go to no other server, whatever Next-Page says; a page that comes again ends the import", async () => {
  const asked: string[] = [];
  await serving(
    (path) => {
      asked.push(path);
      if (path === "/v1/") return [200, {}, "{}"];
      return [200, { "next-page": "https://elsewhere.test/prefix/v1/buckets?_token=1" }, '{"data":[]}'];
    },
    async (url) => {
      await withKinto(anyStorage, settings, async ({ kinto }) => {
        const signal = AbortSignal.timeout(30_000);
        await assert.rejects(importKinto({ remote: remoteKinto({ url, signal }), kinto, signal }), /read before/);
      });
      assert.deepEqual(asked.at(-1), "/v1/buckets?_token=1");
    },
  );
});

test("what is no Kinto is told, whatever it answers", async () => {
  const hostile: readonly [string, string][] = [
    ["<html>", "not JSON"],
    ['{"data":{}}', "no list"],
    ['{"data":[{"id":"../x","last_modified":1},null,{"id":"b"},{"id":"c","last_modified":-1}]}', ""],
    ["[]", ""],
  ];
  for (const [body, expected] of hostile)
    await serving(
      (path) => [200, { etag: '"x"' }, path === "/v1/" ? "{}" : body],
      async (url) => {
        await withKinto(anyStorage, settings, async ({ kinto }) => {
          const signal = AbortSignal.timeout(30_000);
          const done = importKinto({ remote: remoteKinto({ url, signal }), kinto, signal });
          if (expected !== "")
            await assert.rejects(done, (error) => error instanceof RemoteError && error.message.includes(expected));
          else
            await done.then(
              ({ counts }) => assert.equal(counts.new, 0),
              (error) => assert.ok(error instanceof RemoteError, String(error)),
            );
        });
      },
    );
  for (const url of ["kinto.test", "ftp://kinto.test", "https://a:b@kinto.test/v1", ""])
    assert.throws(() => remoteKinto({ url, signal: AbortSignal.timeout(1000) }), RemoteError);
});

test("bcrypt hashes of accounts are taken as they are", async () => {
  const hash = "$2b$04$7Uo0VkNRNCTo9x.PO5GqEuDcFGjIQXtVcWVlFpO5tBC8QYbYmhSBi";
  const account = { id: "bob", last_modified: 5, password: hash };
  await serving(
    (path, method) => {
      if (path === "/v1/") return [200, {}, '{"settings":{},"capabilities":{"accounts":{}}}'];
      if (path.startsWith("/v1/accounts"))
        return [200, { etag: '"5"' }, JSON.stringify({ data: [account, { id: "eve", last_modified: 4 }] })];
      if (method === "POST")
        return [
          200,
          {},
          JSON.stringify({
            responses: [{ status: 200, body: { data: account, permissions: { write: ["account:bob"] } } }],
          }),
        ];
      return [200, { etag: '"1"' }, '{"data":[]}'];
    },
    async (url) => {
      await withKinto(anyStorage, settings, async ({ kinto }) => {
        const signal = AbortSignal.timeout(30_000);
        const report = await importKinto({ remote: remoteKinto({ url, signal }), kinto, signal });
        assert.match(report.problems.join(), /1 without a hash/);
        const stored = await kinto.storage.get({ resource: "account", parent: "", id: "bob" });
        assert.ok(stored?.kind === "object" && stored.body.includes(hash) && stored.revision === 5);
        assert.deepEqual(await kinto.storage.permissions.of({ resource: "account", parent: "", id: "bob" }), {
          write: ["account:bob"],
        });
      });
    },
  );
});

/** A server that is none: answers what it is told. */
async function serving(
  answer: (path: string, method: string) => [number, Record<string, string>, string],
  work: (url: string) => Promise<void>,
): Promise<void> {
  const server: Server = createServer((request, response) => {
    request.resume();
    const [status, headers, body] = answer(request.url ?? "", request.method ?? "");
    response.writeHead(status, headers).end(request.method === "HEAD" ? undefined : body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}
