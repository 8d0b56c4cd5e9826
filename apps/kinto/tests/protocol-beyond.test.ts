/** Where the application goes beyond the reference, as its clients see it: one test or more for each row of that table. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { createParser } from "eventsource-parser";
import { testStorages } from "../../../scripts/test-stores.ts";
import { type Ask, authorizationOf, kintoTest, withKinto } from "./support/running.ts";

const as = "alice";
const records = "/buckets/b/collections/c/records";
const history = { includes: "kinto.plugins.history" };

async function collection(ask: Ask): Promise<void> {
  await ask("PUT", "/buckets/b", { as, body: {} });
  await ask("PUT", "/buckets/b/collections/c", { as, body: {} });
}

const ids = (body: { readonly data: readonly { readonly id: string }[] }) => body.data.map(({ id }) => id);
const statuses = (body: { readonly responses: readonly { readonly status: number }[] }) =>
  body.responses.map(({ status }) => status);

kintoTest(
  "revisions of a list are given one after the other: writes that meet are no conflict",
  {},
  async ({ ask }) => {
    await collection(ask);
    const answers = await Promise.all(
      Array.from({ length: 120 }, (_, n) =>
        n % 3 === 0
          ? ask("POST", records, { as, body: { data: { n } } })
          : ask("PUT", `${records}/r${n % 30}`, { as, body: { data: { n } } }),
      ),
    );
    for (const { status, body } of answers) assert.ok(status === 200 || status === 201, JSON.stringify(body));
    const given = answers.map(({ body }) => body.data.last_modified);
    assert.equal(new Set(given).size, given.length, "each write has a revision of its own");
    const list = await ask("GET", `${records}?_sort=last_modified`, { as });
    assert.equal(list.headers.get("etag"), `"${Math.max(...given)}"`);
    const kept = list.body.data.map(({ last_modified }: { last_modified: number }) => last_modified);
    assert.equal(new Set(kept).size, kept.length);
  },
);

kintoTest(
  "an atomic batch is all or nothing, history and default bucket included",
  {
    includes: "kinto.plugins.history kinto.plugins.default_bucket",
  },
  async ({ ask }) => {
    await collection(ask);
    const before = (await ask("GET", "/buckets/b/history", { as })).body;
    const requests = [
      { method: "PUT", path: `${records}/one`, body: { data: { n: 1 } } },
      { method: "PUT", path: "/buckets/default/collections/tasks/records/one", body: { data: {} } },
      { method: "PUT", path: `${records}/two`, body: { data: {} }, headers: { "If-Match": '"1"' } },
      { method: "PUT", path: `${records}/three`, body: { data: {} } },
    ];
    const { status, body } = await ask("POST", "/batch", { as, body: { atomic: true, requests } });
    assert.equal(status, 200);
    assert.deepEqual(statuses(body), [424, 424, 412, 424]);
    assert.deepEqual((await ask("GET", records, { as })).body.data, []);
    assert.deepEqual((await ask("GET", "/buckets/b/history", { as })).body, before);
    assert.deepEqual(ids((await ask("GET", "/buckets", { as })).body), ["b"]);
  },
);

kintoTest("a batch takes JSON Patch, and is bounded by count and by bytes", { body_limit: 20_000 }, async ({ ask }) => {
  await collection(ask);
  const patch = [{ op: "add", path: "/data/n", value: 1 }];
  const { body } = await ask("POST", "/batch", {
    as,
    body: {
      requests: [
        { method: "PUT", path: `${records}/a`, body: { data: {} } },
        {
          method: "PATCH",
          path: `${records}/a`,
          headers: { "Content-Type": "application/json-patch+json" },
          body: patch,
        },
      ],
    },
  });
  assert.deepEqual(statuses(body), [201, 200]);
  assert.equal(body.responses[1].body.data.n, 1);
  const many = await ask("POST", "/batch", { as, body: { requests: Array(26).fill({ path: records }) } });
  assert.equal(many.status, 400);
  assert.match(many.body.message, /Number of requests is limited to 25/);
  const post = (length: number) =>
    ask("POST", "/batch", {
      as,
      body: { requests: [{ method: "POST", path: records, body: { data: { text: "x".repeat(length) } } }] },
    });
  assert.deepEqual(statuses((await post(30_000)).body), [413], "no more in a batch than alone");
  const long = await post(100_000);
  assert.deepEqual([long.status, long.body.errno], [413, 113]);
});

kintoTest("errors are problem details where Accept asks, and each violation has a code", {}, async ({ ask }) => {
  await collection(ask);
  const usual = await ask("GET", `${records}?_limit=x&_since=y`, { as });
  assert.equal(usual.headers.get("content-type"), "application/json");
  const codes = usual.body.details.map(({ name, code }: { name: string; code: string }) => [name, code]);
  assert.deepEqual(codes, [
    ["_limit", "invalid-value"],
    ["_since", "invalid-value"],
  ]);
  const problem = await ask("GET", `${records}?_limit=x`, { as, headers: { accept: "application/problem+json" } });
  assert.equal(problem.status, 400);
  assert.equal(problem.headers.get("content-type"), "application/problem+json");
  assert.equal(problem.body.status, 400);
  assert.equal(typeof problem.body.title, "string");
});

kintoTest("a request repeated with its Idempotency-Key is done once", history, async ({ ask }) => {
  await collection(ask);
  const headers = { "idempotency-key": '"first"' };
  const post = (n: number, whose = as) => ask("POST", records, { as: whose, body: { data: { n } }, headers });
  const first = await post(1);
  const again = await post(1);
  assert.equal(first.status, 201);
  assert.deepEqual([again.status, again.body], [201, first.body]);
  const other = await post(2);
  assert.deepEqual([other.status, other.body.errno], [422, 125]);
  assert.equal((await post(1, "bob")).status, 403, "keys are the caller's own");
  assert.equal((await ask("GET", records, { as })).body.data.length, 1);
  const entries = await ask("GET", "/buckets/b/history?resource_name=record", { as });
  assert.equal(entries.body.data.length, 1, "and written down once");
  const both = await Promise.all(
    [1, 2, 3].map(() =>
      ask("PATCH", `${records}/${first.body.data.id}`, {
        as,
        body: { data: { m: 1 } },
        headers: { "idempotency-key": "patch" },
      }),
    ),
  );
  assert.ok(both.some(({ status }) => status === 200));
  assert.ok(
    both.every(({ status }) => status === 200 || status === 409),
    "one in flight at a time",
  );
});

kintoTest(
  "callers are limited each by itself, and told how much is left",
  { rate_limit: "4/3600" },
  async ({ ask }) => {
    const first = await ask("GET", "/", { as });
    assert.match(first.headers.get("ratelimit-policy") ?? "", /q=4;w=3600/);
    assert.match(first.headers.get("ratelimit") ?? "", /r=3;t=\d+/);
    for (let n = 0; n < 3; n++) assert.equal((await ask("GET", "/", { as })).status, 200);
    const refused = await ask("GET", "/", { as });
    assert.deepEqual([refused.status, refused.body.errno], [429, 117]);
    assert.ok(Number(refused.headers.get("retry-after")) > 0);
    assert.equal((await ask("GET", "/", { as: "bob" })).status, 200);
  },
);

kintoTest("QUERY says what a URL cannot: or and not", {}, async ({ ask }) => {
  await collection(ask);
  for (const [id, data] of Object.entries({ a: { n: 1 }, b: { n: 2 }, c: { n: 3, x: true }, d: {} }))
    await ask("PUT", `${records}/${id}`, { as, body: { data } });
  const body = {
    filter: { or: [{ field: "n", eq: 1 }, { and: [{ field: "n", gt: 1 }, { not: { field: "x", has: true } }] }] },
    sort: ["id"],
  };
  assert.deepEqual(ids((await ask("QUERY", records, { as, body })).body), ["a", "b"]);
  assert.equal((await ask("QUERY", records, { as: "bob", body })).status, 403);
});

for (const storage of testStorages)
  test(`a list's changes are a stream, resumed by the revision seen last (${storage})`, () =>
    withKinto(storage, {}, async ({ ask, remote }) => {
      await collection(ask);
      const put = async (id: string, body: unknown = {}) => {
        const answer = await ask("PUT", `${records}/${id}`, { as, body });
        return `${answer.body.data.last_modified}`;
      };
      const since = (await ask("GET", records, { as })).headers.get("etag") ?? "";
      await put("private");
      const shared = { permissions: { read: ["system.Everyone"] } };
      await put("a", shared);
      const first = await follow(`${remote}${records}?_since=${since}`, "alice", {}, 2);
      assert.deepEqual(
        first.map(({ data }) => data.id),
        ["private", "a"],
      );
      const last = first.at(-1)?.id ?? "";
      const b = await put("b", shared);
      await ask("DELETE", `${records}/a`, { as });
      const second = await follow(`${remote}${records}`, "alice", { "last-event-id": last }, 2);
      assert.equal(second[0]?.id, b);
      assert.deepEqual(
        second.map(({ data }) => [data.id, data.deleted === true]),
        [
          ["b", false],
          ["a", true],
        ],
      );
      const guest = await follow(`${remote}${records}?_since=${since}`, undefined, {}, 1);
      assert.deepEqual(
        guest.map(({ data }) => data.id),
        ["b"],
        "who is shared one record hears of that",
      );
    }));

/** Reads the first events that say what changed. */
async function follow(url: string, as: string | undefined, headers: Record<string, string>, count: number) {
  const gone = new AbortController();
  const response = await fetch(url, {
    headers: {
      accept: "text/event-stream",
      ...(as !== undefined && { authorization: authorizationOf(as) }),
      ...headers,
    },
    signal: gone.signal,
  });
  assert.equal(response.status, 200);
  const events: { readonly id: string; readonly data: { readonly id: string; readonly deleted?: boolean } }[] = [];
  const parser = createParser({
    onEvent({ id = "", data }) {
      const parsed = JSON.parse(data);
      const object = parsed.data ?? parsed;
      if (object.id !== undefined) events.push({ id, data: object });
    },
  });
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    if (events.length >= count) break;
  }
  gone.abort();
  return events;
}

for (const storage of testStorages)
  test(`webhooks are signed and sent again until they are taken (${storage})`, async () => {
    const key = Buffer.alloc(32, 5);
    const received: { readonly headers: IncomingHttpHeaders; readonly body: string }[] = [];
    const taken = Promise.withResolvers<void>();
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk) => {
        body += chunk;
      });
      request.on("end", () => {
        received.push({ headers: request.headers, body });
        response.writeHead(received.length === 1 ? 503 : 204, { "retry-after": "0" }).end();
        if (received.length === 2) taken.resolve();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
      const webhooks = [{ name: "w", url, secret: `whsec_${key.toString("base64")}`, resources: ["record"] }];
      await withKinto(storage, { webhooks: JSON.stringify(webhooks) }, async ({ ask }) => {
        await collection(ask);
        await ask("PUT", `${records}/a`, { as, body: { data: { n: 1 } } });
        await taken.promise;
      });
    } finally {
      server.closeAllConnections();
      server.close();
    }
    const [first, second] = received;
    assert.ok(first !== undefined && second !== undefined);
    assert.equal(second.headers["webhook-id"], first.headers["webhook-id"], "the same event has the same id");
    for (const { headers, body } of received) {
      const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
      assert.equal(headers["webhook-signature"], `v1,${createHmac("sha256", key).update(signed).digest("base64")}`);
    }
    const event = JSON.parse(second.body);
    assert.equal(event.action, "create");
    assert.deepEqual([event.impacted_objects[0].new.id, event.impacted_objects[0].new.n], ["a", 1]);
  });

kintoTest(
  "deletions older than the retention are forgotten",
  { tombstone_retention_seconds: 0.001 },
  async ({ ask }) => {
    await collection(ask);
    const since = (await ask("GET", records, { as })).headers.get("etag");
    await ask("PUT", `${records}/a`, { as, body: {} });
    await ask("PUT", `${records}/b`, { as, body: {} });
    await ask("DELETE", `${records}/a`, { as });
    const changes = () => ask("GET", `${records}?_since=${since}`, { as });
    while ((await changes()).body.data.some(({ deleted }: { deleted?: boolean }) => deleted === true))
      await new Promise((resolve) => setTimeout(resolve, 20));
    const { status, body } = await changes();
    assert.equal(status, 200);
    assert.deepEqual(ids(body), ["b"]);
  },
);

kintoTest("permissions are shown to whoever may write by what is above, who may also ask why", {}, async ({ ask }) => {
  await collection(ask);
  const { id: bob } = (await ask("GET", "/", { as: "bob" })).body.user;
  const { id: alice } = (await ask("GET", "/", { as })).body.user;
  await ask("PUT", `${records}/a`, { as, body: { permissions: { read: ["system.Everyone"] } } });
  await ask("PATCH", "/buckets/b", { as, body: { permissions: { write: [alice, bob] } } });
  const seen = await ask("GET", `${records}/a`, { as: "bob" });
  assert.deepEqual(seen.body.permissions, { read: ["system.Everyone"], write: [alice] });
  assert.deepEqual((await ask("GET", `${records}/a`, { as: "eve" })).body.permissions, {});

  const why = await ask("GET", `${records}/a?explain=write&principal=${encodeURIComponent(bob)}`, { as });
  assert.equal(why.status, 200, JSON.stringify(why.body));
  assert.match(JSON.stringify(why.body), /\/buckets\/b"/, "granted by the bucket");
  assert.equal((await ask("GET", `${records}/a?explain=write`, { as: "eve" })).status, 403);
});

for (const storage of testStorages)
  test(`a read-only instance answers lists that nobody has read with a revision that stays (${storage})`, () =>
    withKinto(
      storage,
      { readonly: true, bucket_read_principals: "system.Everyone", bucket_create_principals: "system.Everyone" },
      async ({ ask }) => {
        const first = await ask("GET", "/buckets");
        assert.equal(first.status, 200);
        assert.match(first.headers.get("etag") ?? "", /^"\d+"$/);
        assert.equal((await ask("GET", "/buckets")).headers.get("etag"), first.headers.get("etag"));
        assert.equal((await ask("PUT", "/buckets/b", { as, body: {} })).status, 405);
        assert.equal((await ask("GET", "/__heartbeat__")).status, 200);
        assert.equal((await ask("GET", "/")).body.settings.readonly, true);
      },
    ));

kintoTest("__version__ answers without its file", {}, async ({ ask }) => {
  const { status, body } = await ask("GET", "/__version__");
  assert.equal(status, 200);
  assert.equal(typeof body.version, "string");
});

kintoTest("light and diff answers to PATCH work with history on", history, async ({ ask }) => {
  await collection(ask);
  await ask("PUT", `${records}/a`, { as, body: { data: { n: 1, m: 1 } } });
  const patch = (behavior: string, data: object) =>
    ask("PATCH", `${records}/a`, { as, body: { data }, headers: { "response-behavior": behavior } });
  const light = await patch("light", { n: 2 });
  assert.deepEqual([light.status, light.body.data.n, light.body.data.m], [200, 2, undefined]);
  const diff = await patch("diff", { n: 3, m: 1 });
  assert.equal(diff.status, 200);
  assert.equal("n" in diff.body.data, false, "stored as it was sent");
  const entries = await ask("GET", "/buckets/b/history?uri=/buckets/b/collections/c/records/a&_sort=last_modified", {
    as,
  });
  assert.deepEqual(
    entries.body.data.map(({ target }: { target: { data: { n: number; m: number } } }) => [
      target.data.n,
      target.data.m,
    ]),
    [
      [1, 1],
      [2, 1],
      [3, 1],
    ],
    "the history has the whole objects",
  );
});

kintoTest("has_ holds together with other filters, in either order", {}, async ({ ask }) => {
  await collection(ask);
  for (const [id, data] of Object.entries({ a: { n: 1, x: 1 }, b: { n: 1 }, c: { n: 2, x: null } }))
    await ask("PUT", `${records}/${id}`, { as, body: { data } });
  for (const query of ["n=1&has_x=true", "has_x=true&n=1"])
    assert.deepEqual(ids((await ask("GET", `${records}?${query}`, { as })).body), ["a"], query);
});

kintoTest("descriptions: OpenAPI 3.1, a page for it, Swagger 2.0 and AsyncAPI 3", {}, async ({ ask, kinto }) => {
  const openapi = (await ask("GET", "/openapi.json")).body;
  assert.match(openapi.openapi, /^3\.1\./);
  const paths = Object.keys(openapi.paths);
  assert.ok(
    paths.some((path) => /buckets\/\{[a-z_]+\}\/collections\/\{[a-z_]+\}\/records$/.test(path)),
    paths.join(" "),
  );
  const swagger = (await ask("GET", "/__api__")).body;
  assert.equal(swagger.swagger, "2.0");
  const operations = Object.values<Record<string, { operationId?: string }>>(swagger.paths).flatMap((path) =>
    Object.values(path).map(({ operationId }) => operationId),
  );
  for (const name of ["get_buckets", "create_bucket", "update_record", "patch_collection", "delete_groups", "batch"])
    assert.ok(operations.includes(name), `${name} among ${operations.join(" ")}`);
  assert.match((await ask("GET", "/asyncapi.json")).body.asyncapi, /^3\./);
  const page = await kinto.fetch(new Request("http://kinto.test/v1/docs"));
  assert.equal(page.status, 200);
  assert.match(await page.text(), /<html/i);
});

kintoTest(
  "lists keep their revisions when what is above is deleted, and lose them by a flush",
  {
    includes: "kinto.plugins.flush",
  },
  async ({ ask }) => {
    await collection(ask);
    const revision = async () => Number((await ask("GET", records, { as })).headers.get("etag")?.slice(1, -1));
    await ask("PUT", `${records}/a`, { as, body: {} });
    const before = await revision();
    await ask("DELETE", "/buckets/b/collections/c", { as });
    await ask("PUT", "/buckets/b/collections/c", { as, body: {} });
    const after = await revision();
    assert.ok(after > before, "bumped by the deletion");
    assert.equal((await ask("POST", "/__flush__", { as })).status, 202);
    assert.equal((await ask("GET", records, { as })).status, 403, "nothing is left");
  },
);

const announced = { eos: "2999-12-31", eos_message: "moving", eos_url: "https://moved.example/" };
kintoTest("an announced end is told by Deprecation, Sunset and Link beside Alert", announced, async ({ ask }) => {
  for (const path of ["/", "/buckets"]) {
    const { headers } = await ask("GET", path, { as });
    assert.equal(JSON.parse(headers.get("alert") ?? "{}").code, "soft-eol");
    assert.match(headers.get("deprecation") ?? "", /^@\d+$/);
    assert.equal(headers.get("sunset"), "Tue, 31 Dec 2999 00:00:00 GMT");
    assert.match(headers.get("link") ?? "", /<https:\/\/moved\.example\/>; rel="(sunset|deprecation)"/);
  }
});
