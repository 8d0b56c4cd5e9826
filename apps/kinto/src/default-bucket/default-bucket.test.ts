import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { authorizationOf, kintoTest, type Running } from "../../tests/support/running.ts";
import { defaultBucketId } from "./default-bucket.ts";

const settings = { includes: "kinto.plugins.default_bucket", default_bucket_hmac_secret: "bucket secret" };
const as = "alice";

const events = async ({ kinto }: Pick<Running, "kinto">) =>
  (await Array.fromAsync(kinto.storage.log())).map(({ action, resource, id, principal }) => ({
    action,
    resource,
    id,
    principal,
  }));

kintoTest("the alias is a bucket of one's own, the same in hello and in answers", settings, async ({ ask }) => {
  const { user } = (await ask("GET", "/", { as })).body;
  assert.equal(user.bucket, defaultBucketId("bucket secret", user.id));
  assert.match(user.bucket, /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
  const { status, body } = await ask("GET", "/buckets/default", { as });
  assert.equal(status, 200);
  assert.equal(body.data.id, user.bucket);
  assert.deepEqual(body.permissions, { write: [user.id] });
  assert.notEqual((await ask("GET", "/buckets/default", { as: "bob" })).body.data.id, user.bucket);
  assert.equal((await ask("GET", `/buckets/${user.bucket}`, { as: "bob" })).status, 403);
});

kintoTest("a fresh collection's records are an empty list, and stay one", settings, async ({ ask }) => {
  const first = await ask("GET", "/buckets/default/collections/tasks/records", { as });
  assert.equal(first.status, 200);
  assert.deepEqual(first.body.data, []);
  const second = await ask("GET", "/buckets/default/collections/tasks/records", { as });
  assert.equal(second.headers.get("etag"), first.headers.get("etag"));
  const made = await ask("POST", "/buckets/default/collections/tasks/records", { as, body: { data: { title: "t" } } });
  assert.equal(made.status, 201);
  assert.doesNotMatch(made.headers.get("location") ?? "", /default/);
  assert.equal(
    (await ask("GET", `/buckets/default/collections/tasks/records/${made.body.data.id}`, { as })).body.data.title,
    "t",
  );
});

kintoTest(
  "trap: bucket and collection are made inside of the same transaction, as events of their own and in the caller's name",
  settings,
  async ({ ask, kinto }) => {
    const { user } = (await ask("GET", "/", { as })).body;
    await ask("PUT", "/buckets/default/collections/tasks/records/one", { as, body: { data: {} } });
    assert.deepEqual(await events({ kinto }), [
      { action: "create", resource: "bucket", id: user.bucket, principal: user.id },
      { action: "create", resource: "collection", id: "tasks", principal: user.id },
      { action: "create", resource: "record", id: "one", principal: user.id },
    ]);
  },
);

kintoTest("many requests at once, and those of a batch, make them once", settings, async ({ ask, kinto }) => {
  const records = Array.from({ length: 20 }, (_, n) => `/buckets/default/collections/tasks/records/r${n}`);
  const answers = await Promise.all(records.map((path) => ask("PUT", path, { as, body: { data: {} } })));
  assert.ok(answers.every(({ status }) => status === 201));
  const batch = await ask("POST", "/batch", {
    as: "bob",
    body: {
      defaults: { method: "PUT", body: { data: {} } },
      requests: records.map((path) => ({ path: `/v1${path}` })),
    },
  });
  assert.ok(
    batch.body.responses.every(({ status }: { status: number }) => status === 201),
    JSON.stringify(batch.body).slice(0, 500),
  );
  const made = await events({ kinto });
  for (const resource of ["bucket", "collection"])
    assert.equal(made.filter((event) => event.resource === resource).length, 2, resource);
});

kintoTest("an anonymous caller has no default bucket: 401, and nothing is made", settings, async ({ ask, kinto }) => {
  for (const method of ["GET", "PUT", "POST", "DELETE"])
    assert.equal((await ask(method, "/buckets/default/collections/tasks/records")).status, 401, method);
  assert.deepEqual(await events({ kinto }), []);
});

kintoTest("names that are none are a 400, and nothing is made", settings, async ({ ask, kinto }) => {
  for (const path of [
    "/collections/__foo__/records",
    "/collections/%2F/records",
    "/collections/-a",
    "/collections/%FF",
  ])
    assert.equal((await ask("GET", `/buckets/default${path}`, { as })).status, 400, path);
  assert.deepEqual(await events({ kinto }), []);
});

kintoTest("an id 'default' in the body means the bucket; another is refused", settings, async ({ ask }) => {
  const put = await ask("PUT", "/buckets/default", { as, body: { data: { id: "default", colour: "blue" } } });
  assert.equal(put.status, 200);
  assert.equal(put.body.data.colour, "blue");
  assert.equal(
    (await ask("PATCH", "/buckets/default", { as, body: { data: { id: "default", n: 1 } } })).body.data.n,
    1,
  );
  assert.equal((await ask("PUT", "/buckets/default", { as, body: { data: { id: "other" } } })).status, 400);
});

kintoTest("a creation on condition that there is nothing yet finds nothing yet, once", settings, async ({ ask }) => {
  const headers = { "if-none-match": "*" };
  for (const path of ["/buckets/default", "/buckets/default/collections/tasks"]) {
    assert.equal((await ask("PUT", path, { as, body: { data: {} }, headers })).status, 201, path);
    assert.equal((await ask("PUT", path, { as, body: { data: {} }, headers })).status, 412, path);
  }
});

kintoTest("deleting works, and the next use makes it again", settings, async ({ ask }) => {
  await ask("PUT", "/buckets/default/collections/tasks/records/one", { as, body: { data: {} } });
  assert.equal((await ask("DELETE", "/buckets/default/collections/tasks", { as })).status, 200);
  assert.equal((await ask("DELETE", "/buckets/default", { as })).status, 200);
  assert.deepEqual((await ask("GET", "/buckets/default/collections/tasks/records", { as })).body.data, []);
});

kintoTest(
  "everybody has one, also where buckets are made by others",
  { ...settings, bucket_create_principals: "account:admin" },
  async ({ ask }) => {
    assert.equal((await ask("PUT", "/buckets/mine", { as, body: { data: {} } })).status, 403);
    assert.equal((await ask("GET", "/buckets/default", { as })).status, 200);
  },
);

kintoTest("a read-only server has none: 405 even for GET", { ...settings, readonly: true }, async ({ ask }) => {
  for (const method of ["GET", "PUT"]) assert.equal((await ask(method, "/buckets/default", { as })).status, 405);
});

kintoTest(
  "preflight requests are answered, pages and queries are those of the bucket",
  { ...settings, paginate_by: 1 },
  async ({ ask }) => {
    const headers = { origin: "https://a.test", "access-control-request-method": "GET" };
    assert.equal((await ask("OPTIONS", "/buckets/default/collections/tasks/records", { headers })).status, 200);
    for (const id of ["a", "b"])
      await ask("PUT", `/buckets/default/groups/${id}`, { as, body: { data: { members: [] } } });
    const page = await ask("GET", "/buckets/default/groups?_sort=id&_fields=id", { as });
    assert.equal(page.body.data[0].id, "a");
    assert.equal(new URL(page.headers.get("next-page") ?? "").pathname.includes("default"), false);
  },
);

kintoTest("whoever sends the body of a first request slowly holds nobody up", settings, async ({ kinto, ask }) => {
  const reading = Promise.withResolvers<void>();
  const sent = Promise.withResolvers<Uint8Array>();
  const slow = kinto.handle({
    method: "PUT",
    url: "/v1/buckets/default/collections/tasks/records/slow",
    origin: "http://kinto.test",
    header: (name) => ({ authorization: authorizationOf(as), "content-type": "application/json" })[name],
    headers: () => ({ authorization: authorizationOf(as), "content-type": "application/json" }),
    body: () => {
      reading.resolve();
      return sent.promise;
    },
    peer: undefined,
    signal: new AbortController().signal,
  });
  await reading.promise;
  const other = ask("PUT", "/buckets/others", { as: "bob", body: { data: {} } });
  const first = await Promise.race([other.then(({ status }) => status), delay(3000, "held up", { ref: false })]);
  assert.equal(first, 201);
  sent.resolve(Buffer.from('{"data":{"n":1}}'));
  assert.equal((await slow).status, 201);
  assert.equal((await ask("GET", "/buckets/default/collections/tasks/records/slow", { as })).body.data.n, 1);
});

kintoTest(
  "a first request whose body is too large is refused, and nothing is made",
  { ...settings, body_limit: 100 },
  async ({ ask, kinto }) => {
    const body = { data: { text: "x".repeat(200) } };
    assert.equal((await ask("PUT", "/buckets/default/collections/tasks/records/a", { as, body })).status, 413);
    assert.deepEqual(await events({ kinto }), []);
  },
);
