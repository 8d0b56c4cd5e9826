/** Where implementations of the protocol go wrong, one test each. Others are beside what they are about: settings, accounts, default bucket, utilities. */
import assert from "node:assert/strict";
import { type Ask, kintoTest } from "./support/running.ts";

const as = "alice";
const records = "/buckets/b/collections/c/records";

async function collection(ask: Ask): Promise<void> {
  await ask("PUT", "/buckets/b", { as, body: {} });
  await ask("PUT", "/buckets/b/collections/c", { as, body: {} });
}

const ids = (body: { readonly data: readonly { readonly id: string }[] }) => body.data.map(({ id }) => id).sort();

kintoTest(
  'trap: values in a query are JSON, so that title=2.0 is a number and title="2.0" a text',
  {},
  async ({ ask }) => {
    await collection(ask);
    for (const [id, title] of Object.entries({ number: 2, text: "2.0", other: "two", yes: true, none: null }))
      await ask("PUT", `${records}/${id}`, { as, body: { data: { title } } });
    for (const [query, expected] of Object.entries({
      "title=2.0": ["number"],
      "title=%222.0%22": ["text"],
      "title=two": ["other"],
      "title=true": ["yes"],
      "title=null": ["none"],
    }))
      assert.deepEqual(ids((await ask("GET", `${records}?${query}`, { as })).body), expected, query);
  },
);

kintoTest("trap: like_ with a number is a 400, with the number quoted a search", {}, async ({ ask }) => {
  await collection(ask);
  await ask("PUT", `${records}/a`, { as, body: { data: { title: "10 things" } } });
  assert.equal((await ask("GET", `${records}?like_title=10`, { as })).status, 400);
  assert.deepEqual(ids((await ask("GET", `${records}?like_title=%2210%22`, { as })).body), ["a"]);
});

kintoTest("trap: _since shows tombstones, and other filters are asked of them too", {}, async ({ ask }) => {
  await collection(ask);
  const since = (await ask("GET", records, { as })).headers.get("etag");
  await ask("PUT", `${records}/a`, { as, body: { data: { n: 1 } } });
  await ask("PUT", `${records}/b`, { as, body: { data: { n: 2 } } });
  await ask("DELETE", `${records}/a`, { as });
  const { data } = (await ask("GET", `${records}?_since=${since}`, { as })).body;
  assert.deepEqual(
    data.map(({ id, deleted }: { id: string; deleted?: boolean }) => [id, deleted === true]),
    [
      ["a", true],
      ["b", false],
    ],
  );
  assert.deepEqual(ids((await ask("GET", `${records}?_since=${since}&id=a`, { as })).body), ["a"]);
  assert.deepEqual(ids((await ask("GET", `${records}?_since=${since}&n=2`, { as })).body), ["b"]);
  assert.deepEqual(ids((await ask("GET", records, { as })).body), ["b"]);
});

kintoTest("trap: POST with an id that exists answers 200 and what is there, unchanged", {}, async ({ ask }) => {
  await collection(ask);
  const first = await ask("POST", records, { as, body: { data: { id: "a", n: 1 } } });
  const second = await ask("POST", records, {
    as,
    body: { data: { id: "a", n: 2 }, permissions: { read: ["system.Everyone"] } },
  });
  assert.deepEqual([first.status, second.status], [201, 200]);
  assert.deepEqual(second.body, first.body);
  assert.equal((await ask("GET", `${records}/a`)).status, 401);
});

kintoTest("trap: PUT without data keeps the data, so that permissions can be changed alone", {}, async ({ ask }) => {
  await collection(ask);
  await ask("PUT", `${records}/a`, { as, body: { data: { n: 1 } } });
  const { status, body } = await ask("PUT", `${records}/a`, {
    as,
    body: { permissions: { read: ["system.Everyone"] } },
  });
  assert.equal(status, 200);
  assert.equal(body.data.n, 1);
  assert.deepEqual(body.permissions.read, ["system.Everyone"]);
});

kintoTest(
  "trap: PUT replaces all permissions, PATCH those that it names, and neither loses the writer's own",
  {},
  async ({ ask }) => {
    const { id } = (await ask("GET", "/", { as })).body.user;
    await ask("PUT", "/buckets/b", {
      as,
      body: { permissions: { read: ["account:r"], write: ["account:w"], "group:create": ["account:g"] } },
    });
    const patched = await ask("PATCH", "/buckets/b", {
      as,
      body: { permissions: { read: ["account:r2"], "group:create": null } },
    });
    assert.deepEqual(patched.body.permissions, {
      "group:create": ["account:g"],
      read: ["account:r2"],
      write: ["account:w", id].sort(),
    });
    const replaced = await ask("PUT", "/buckets/b", {
      as,
      body: { permissions: { "collection:create": ["account:c"] } },
    });
    assert.deepEqual(replaced.body.permissions, { "collection:create": ["account:c"], write: [id] });
    const untouched = await ask("PUT", "/buckets/b", { as, body: { data: { n: 1 } } });
    assert.deepEqual(untouched.body.permissions, replaced.body.permissions);
    const unknown = await ask("PUT", "/buckets/b", { as, body: { permissions: { zz: ["account:c"] } } });
    assert.equal(unknown.status, 400);
    assert.match(unknown.body.message, /"zz" is not one of read, write/);
  },
);

kintoTest(
  "trap: permissions are patched by JSON Patch without a value, also when the principal is a group's path",
  {},
  async ({ ask }) => {
    const headers = { "content-type": "application/json-patch+json" };
    const patch = async (body: unknown) =>
      (await ask("PATCH", "/buckets/b", { as, body, headers })).body.permissions.read;
    await ask("PUT", "/buckets/b", { as, body: {} });
    const operations = (op: string) =>
      ["/buckets/b/groups/g", "~1buckets~1b~1groups~1h", "system.Everyone"].map((principal) => ({
        op,
        path: `/permissions/read/${principal}`,
      }));
    assert.deepEqual(await patch(operations("add")), ["/buckets/b/groups/g", "/buckets/b/groups/h", "system.Everyone"]);
    assert.deepEqual(await patch(operations("remove").slice(0, 2)), ["system.Everyone"]);
  },
);

kintoTest("trap: 304 comes before any complaint about filters", {}, async ({ ask }) => {
  await collection(ask);
  const etag = (await ask("GET", records, { as })).headers.get("etag") ?? "";
  assert.equal((await ask("GET", `${records}?_limit=bogus`, { as, headers: { "if-none-match": etag } })).status, 304);
  assert.equal((await ask("GET", `${records}?_limit=bogus`, { as })).status, 400);
});

kintoTest("trap: ETags are compared for equality: a newer one is as wrong as an older one", {}, async ({ ask }) => {
  await collection(ask);
  const etag = (await ask("PUT", `${records}/a`, { as, body: { data: {} } })).headers.get("etag") ?? "";
  const at = (offset: number) => `"${Number(etag.slice(1, -1)) + offset}"`;
  for (const offset of [-1, 1]) {
    const changed = await ask("PUT", `${records}/a`, { as, body: { data: {} }, headers: { "if-match": at(offset) } });
    assert.equal(changed.status, 412, `${offset}`);
    assert.equal(changed.headers.get("etag"), etag);
    assert.equal(changed.body.details.existing.id, "a");
    assert.equal(
      (await ask("GET", `${records}/a`, { as, headers: { "if-none-match": at(offset) } })).status,
      200,
      `${offset}`,
    );
  }
  assert.equal((await ask("GET", `${records}/a`, { as, headers: { "if-none-match": etag } })).status, 304);
  assert.equal(
    (await ask("PUT", `${records}/a`, { as, body: { data: {} }, headers: { "if-match": etag } })).status,
    200,
  );
});

kintoTest("trap: the ETag of an empty list stays the same between reads", {}, async ({ ask }) => {
  await collection(ask);
  const first = (await ask("GET", records, { as })).headers.get("etag");
  await ask("PUT", "/buckets/b/collections/other", { as, body: {} });
  assert.equal((await ask("GET", records, { as })).headers.get("etag"), first);
  assert.equal((await ask("HEAD", records, { as })).headers.get("etag"), first);
});

kintoTest(
  "trap: Next-Page is absolute, and Total-Records is there for HEAD only",
  { paginate_by: 1 },
  async ({ ask }) => {
    await collection(ask);
    for (const id of ["a", "b"]) await ask("PUT", `${records}/${id}`, { as, body: {} });
    const page = await ask("GET", `${records}?_sort=id&foo_bar=`, { as });
    assert.equal(page.status, 200);
    assert.equal(page.headers.get("total-records"), null);
    assert.equal(page.headers.get("total-objects"), null);
    const head = await ask("HEAD", records, { as });
    assert.deepEqual([head.headers.get("total-records"), head.headers.get("total-objects")], ["2", "2"]);
    const list = await ask("GET", `${records}?_sort=id`, { as });
    assert.match(
      list.headers.get("next-page") ?? "",
      /^http:\/\/kinto\.test\/v1\/buckets\/b\/collections\/c\/records\?_sort=id&_limit=1&_token=/,
    );
  },
);

kintoTest("trap: requests of a batch see what those before them wrote", {}, async ({ ask }) => {
  const { body } = await ask("POST", "/batch", {
    as,
    body: {
      requests: [
        { method: "PUT", path: "/buckets/b", body: { data: {} } },
        { method: "PUT", path: "/v1/buckets/b/collections/c", body: { data: {} } },
        { method: "POST", path: records, body: { data: { id: "a", n: 1 } } },
        { method: "PATCH", path: `${records}/a`, body: { data: { m: 2 } } },
        { path: `${records}/a` },
        { path: `${records}?n=1` },
        { method: "DELETE", path: `${records}/a` },
        { path: `${records}/a` },
      ],
    },
  });
  assert.deepEqual(
    body.responses.map(({ status }: { status: number }) => status),
    [201, 201, 201, 200, 200, 200, 200, 404],
  );
  assert.deepEqual([body.responses[4].body.data.n, body.responses[4].body.data.m], [1, 2]);
  assert.deepEqual(ids(body.responses[5].body), ["a"]);
});

kintoTest(
  "trap: what fails in a batch is reported and takes nothing else back, unless it is asked to be atomic",
  {},
  async ({ ask }) => {
    const requests = [
      { method: "PUT", path: "/buckets/one", body: { data: {} } },
      { method: "PUT", path: "/buckets/__bad__", body: { data: {} } },
      { method: "PUT", path: "/buckets/two", body: { data: {} } },
    ];
    const loose = await ask("POST", "/batch", { as, body: { requests } });
    assert.deepEqual(
      loose.body.responses.map(({ status }: { status: number }) => status),
      [201, 400, 201],
    );
    await ask("DELETE", "/buckets", { as });
    const atomic = await ask("POST", "/batch", { as, body: { atomic: true, requests } });
    assert.notEqual(atomic.status, 201);
    assert.deepEqual((await ask("GET", "/buckets", { as })).body.data, []);
  },
);

kintoTest(
  "trap: a missing collection is a 404 that names it, a missing bucket is not told to who may not know",
  {},
  async ({ ask }) => {
    await collection(ask);
    const missing = await ask("GET", "/buckets/b/collections/none/records", { as });
    assert.deepEqual(
      [missing.status, missing.body.errno, missing.body.details],
      [404, 111, { id: "none", resource_name: "collection" }],
    );
    assert.equal((await ask("GET", "/buckets/none/collections/c/records", { as })).status, 403);
    assert.equal((await ask("GET", "/buckets/none", { as })).status, 403);
    assert.equal((await ask("GET", "/buckets/none")).status, 401);
    const record = await ask("GET", `${records}/none`, { as });
    assert.deepEqual(
      [record.status, record.body.errno, record.body.details],
      [404, 110, { id: "none", resource_name: "record" }],
    );
  },
);

kintoTest(
  "trap: members of groups are no groups and not everybody, but may be everybody who is signed in",
  {},
  async ({ ask }) => {
    await collection(ask);
    for (const member of ["/buckets/b/groups/other", "system.Everyone"])
      assert.equal(
        (await ask("PUT", "/buckets/b/groups/g", { as, body: { data: { members: [member] } } })).status,
        400,
        member,
      );
    assert.equal(
      (await ask("PUT", "/buckets/b/groups/g", { as, body: { data: { members: ["system.Authenticated"] } } })).status,
      201,
    );
    await ask("PATCH", "/buckets/b", { as, body: { permissions: { read: ["/buckets/b/groups/g"] } } });
    assert.equal((await ask("GET", "/buckets/b", { as: "anybody" })).status, 200);
    assert.equal((await ask("GET", "/buckets/b")).status, 401);
  },
);

kintoTest(
  "trap: a deleted bucket takes everything below along, and permissions do not come back with its name",
  {},
  async ({ ask }) => {
    await collection(ask);
    await ask("PUT", "/buckets/b/groups/g", { as, body: { data: { members: ["system.Authenticated"] } } });
    await ask("PATCH", "/buckets/b/collections/c", { as, body: { permissions: { read: ["/buckets/b/groups/g"] } } });
    await ask("PUT", `${records}/a`, { as, body: { data: {} } });
    assert.equal((await ask("GET", `${records}/a`, { as: "bob" })).status, 200);
    const before = Number((await ask("GET", records, { as })).headers.get("etag")?.slice(1, -1));
    assert.equal((await ask("DELETE", "/buckets/b", { as })).status, 200);
    await collection(ask);
    assert.equal((await ask("GET", `${records}/a`, { as: "bob" })).status, 403);
    assert.deepEqual((await ask("GET", `${records}?_since=0`, { as })).body.data, []);
    assert.ok(
      Number((await ask("GET", records, { as })).headers.get("etag")?.slice(1, -1)) > before,
      "and revisions go on",
    );
  },
);

kintoTest("trap: errors carry CORS headers as answers do", {}, async ({ ask }) => {
  await collection(ask);
  const headers = { origin: "https://app.test" };
  for (const [expected, method, path, options] of [
    [401, "GET", "/buckets/b", {}],
    [403, "GET", "/buckets/b", { as: "bob" }],
    [404, "GET", `${records}/none`, { as }],
    [412, "PUT", "/buckets/b", { as, body: {}, headers: { "if-none-match": "*" } }],
  ] as const) {
    const own = "headers" in options ? options.headers : {};
    const answer = await ask(method, path, { ...options, headers: { ...headers, ...own } });
    assert.equal(answer.status, expected);
    assert.equal(answer.headers.get("access-control-allow-origin"), "*");
    assert.match(answer.headers.get("access-control-expose-headers") ?? "", /Retry-After/);
  }
});

kintoTest("trap: two records with the same forced last_modified in a batch are both there", {}, async ({ ask }) => {
  await collection(ask);
  const last_modified = Number((await ask("GET", records, { as })).headers.get("etag")?.slice(1, -1)) - 5000;
  const { body } = await ask("POST", "/batch", {
    as,
    body: {
      defaults: { method: "PUT" },
      requests: ["a", "b"].map((id) => ({ path: `${records}/${id}`, body: { data: { last_modified } } })),
    },
  });
  assert.deepEqual(
    body.responses.map(({ status }: { status: number }) => status),
    [201, 201],
  );
  assert.equal(body.responses[0].body.data.last_modified, last_modified);
});

kintoTest(
  "trap: entries of the history have strictly increasing revisions, in the order of what happened, within a batch too",
  { includes: "kinto.plugins.history" },
  async ({ ask }) => {
    await collection(ask);
    const ids = Array.from({ length: 12 }, (_, n) => `r${n}`);
    const requests = ids.map((id) => ({ path: `${records}/${id}`, body: { data: {} } }));
    await ask("POST", "/batch", { as, body: { defaults: { method: "PUT" }, requests } });
    await Promise.all(ids.map((id) => ask("PATCH", `${records}/${id}`, { as, body: { data: { n: 1 } } })));
    await ask("DELETE", records, { as });
    const { data } = (await ask("GET", "/buckets/b/history?resource_name=record&_sort=last_modified", { as })).body;
    assert.equal(data.length, 36);
    const revisions: readonly number[] = data.map(({ last_modified }: { last_modified: number }) => last_modified);
    assert.ok(
      revisions.every((revision, n) => n === 0 || revision > (revisions[n - 1] ?? 0)),
      `${revisions}`,
    );
    assert.deepEqual(
      data.map(({ action }: { action: string }) => action),
      ["create", "update", "delete"].flatMap((action) => ids.map(() => action)),
    );
    assert.deepEqual(
      data.slice(0, 12).map(({ record_id }: { record_id: string }) => record_id),
      ids,
    );
    const made = data.map(({ target }: { target: { data: { last_modified: number } } }) => target.data.last_modified);
    assert.deepEqual(
      made,
      [...made].sort((a: number, b: number) => a - b),
      "in the order of the records' revisions",
    );
  },
);
