/** PROTOCOL §1.1, §1.5, §1.7, §1.8 over real operations on a memory storage. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { manualClock } from "../../clock.ts";
import { authenticated, everyone, role } from "../../operations/access.ts";
import { resource } from "../../resource.ts";
import { route } from "../../route.ts";
import { type Answered, call, type FaceOptions, resourceFace } from "./fixture.ts";

const kittens = resource("kittens", {
  schema: Type.Object({
    name: Type.String({ minLength: 1, maxLength: 64 }),
    weight: Type.Optional(Type.Number()),
    tags: Type.Optional(Type.Array(Type.String())),
    home: Type.Optional(Type.Object({ city: Type.String() })),
    secret: Type.Optional(Type.String({ writeOnly: true })),
  }),
  access: { create: [authenticated], read: [everyone], write: [authenticated] },
});

const kittenFace = (options: FaceOptions = {}) => resourceFace([kittens], options);

async function create(face: Awaited<ReturnType<typeof kittenFace>>, data: object): Promise<Answered> {
  const answer = await call(face, "POST", "/v1/kittens", { as: "bob", body: { data } });
  assert.equal(answer.status, 201, answer.text);
  return answer;
}

test("§1.8 POST without an id makes one: 201, the object, its ETag and where it is", async () => {
  const face = await kittenFace();
  const made = await create(face, { name: "Tom" });
  const { id, last_modified, name } = made.json.data;
  assert.equal(name, "Tom");
  assert.equal(made.headers.etag, `"${last_modified}"`);
  assert.equal(made.headers.location, `/v1/kittens/${id}`);
  const read = await call(face, "GET", `/v1/kittens/${id}`);
  assert.equal(read.status, 200);
  assert.equal(read.text, made.text);
  assert.deepEqual(Object.keys(read.json), ["data"]);
});

test("§1.8 POST with the id of an existing object answers 200 and leaves it untouched", async () => {
  const face = await kittenFace();
  const made = await create(face, { id: "tom", name: "Tom" });
  const again = await call(face, "POST", "/v1/kittens", { as: "bob", body: { data: { id: "tom", name: "Other" } } });
  assert.equal(again.status, 200);
  assert.deepEqual(again.json, made.json);
});

test("§1.8 PUT creates (201), replaces (200), and keeps the data when the body has none", async () => {
  const face = await kittenFace();
  const made = await call(face, "PUT", "/v1/kittens/tom", { as: "bob", body: { data: { name: "Tom", weight: 3 } } });
  assert.equal(made.status, 201);
  const replaced = await call(face, "PUT", "/v1/kittens/tom", { as: "bob", body: { data: { name: "Thomas" } } });
  assert.equal(replaced.status, 200);
  assert.equal("weight" in replaced.json.data, false);
  const kept = await call(face, "PUT", "/v1/kittens/tom", { as: "bob" });
  assert.equal(kept.json.data.name, "Thomas");
});

test("§1.1 data.id in PUT must equal the id of the URL", async () => {
  const face = await kittenFace();
  const { status, json } = await call(face, "PUT", "/v1/kittens/tom", {
    as: "bob",
    body: { data: { id: "jerry", name: "Tom" } },
  });
  assert.equal(status, 400);
  assert.match(json.message, /Object id does not match existing object/);
});

test("§1.1 a bad object id is a 400 about the path", async () => {
  const face = await kittenFace();
  for (const id of ["..", "a%20b", "%C3%A9", "a%2Fb", "-x"]) {
    const { status, json } = await call(face, "GET", `/v1/kittens/${id}`);
    assert.equal(status, 400, id);
    assert.equal(json.errno, 107);
    assert.deepEqual(
      [json.details[0].location, json.details[0].name, json.details[0].description],
      ["path", null, "Invalid object id"],
    );
  }
});

test("§1.1 top-level keys other than data are refused, permissions among them, all together", async () => {
  const face = await kittenFace();
  const { status, json } = await call(face, "POST", "/v1/kittens", {
    as: "bob",
    body: { data: { name: "Tom" }, permissions: { read: ["x"] }, extra: 1 },
  });
  assert.equal(status, 400);
  assert.deepEqual(
    json.details.map(({ location, name }: Record<string, string>) => [location, name]),
    [
      ["body", "extra"],
      ["body", "permissions"],
    ],
  );
  for (const body of ["[]", '"x"', "1", "null", '{"data":[]}', '{"data":null}'])
    assert.equal((await call(face, "POST", "/v1/kittens", { as: "bob", body })).status, 400, body);
});

test("§1.8 PATCH merges top-level keys", async () => {
  const face = await kittenFace();
  await create(face, { id: "tom", name: "Tom", weight: 3, home: { city: "Paris" } });
  const patched = await call(face, "PATCH", "/v1/kittens/tom", { as: "bob", body: { data: { weight: 4 } } });
  assert.equal(patched.status, 200);
  assert.equal(patched.json.data.name, "Tom");
  assert.equal(patched.json.data.weight, 4);
});

test("§1.8 PATCH of a missing object is 404 errno 110 with details, and of nothing is 400", async () => {
  const face = await kittenFace();
  const missing = await call(face, "PATCH", "/v1/kittens/tom", { as: "bob", body: { data: { weight: 4 } } });
  assert.equal(missing.status, 404);
  assert.equal(missing.json.errno, 110);
  assert.deepEqual(missing.json.details, { id: "tom", resource_name: "kittens" });
  assert.equal("message" in missing.json, false);
  await create(face, { id: "tom", name: "Tom" });
  for (const body of [undefined, {}]) {
    const empty = await call(face, "PATCH", "/v1/kittens/tom", { as: "bob", ...(body === undefined ? {} : { body }) });
    assert.equal(empty.status, 400);
    assert.match(empty.json.message, /Provide at least one of data or permissions/);
  }
});

test("§1.8 merge-patch removes with null (RFC 7396)", async () => {
  const face = await kittenFace();
  await create(face, { id: "tom", name: "Tom", weight: 3 });
  const { json } = await call(face, "PATCH", "/v1/kittens/tom", {
    as: "bob",
    headers: { "content-type": "application/merge-patch+json" },
    body: JSON.stringify({ data: { weight: null } }),
  });
  assert.equal("weight" in json.data, false);
});

test("§1.8 json-patch takes an array of operations below /data (RFC 6902)", async () => {
  const face = await kittenFace();
  await create(face, { id: "tom", name: "Tom", tags: ["a"] });
  const headers = { "content-type": "application/json-patch+json" };
  const patch = (operations: unknown) =>
    call(face, "PATCH", "/v1/kittens/tom", { as: "bob", headers, body: JSON.stringify(operations) });
  const added = await patch([{ op: "add", path: "/data/tags/-", value: "b" }]);
  assert.deepEqual(added.json.data.tags, ["a", "b"]);
  assert.equal((await patch({ op: "add" })).status, 400);
  const failed = await patch([{ op: "test", path: "/data/name", value: "Jerry" }]);
  assert.equal(failed.status, 400);
  assert.match(failed.json.message, /JSON Patch operation failed/);
});

test("§1.8 Response-Behavior light answers only what changed; anything unknown is 400", async () => {
  const face = await kittenFace();
  await create(face, { id: "tom", name: "Tom", weight: 3 });
  const patch = (behavior: string) =>
    call(face, "PATCH", "/v1/kittens/tom", {
      as: "bob",
      headers: { "response-behavior": behavior },
      body: { data: { weight: 4 } },
    });
  assert.deepEqual((await patch("light")).json.data, { weight: 4 });
  assert.deepEqual((await patch("diff")).json.data, {});
  const wrong = await patch("brief");
  assert.equal(wrong.status, 400);
  assert.equal(wrong.json.details[0].name, "Response-Behavior");
});

test("§1.8 DELETE answers the tombstone, then 404; ?last_modified= wishes its revision", async () => {
  const clock = manualClock();
  const face = await kittenFace({ clock });
  const made = await create(face, { id: "tom", name: "Tom" });
  const wished = made.json.data.last_modified + 5000;
  const deleted = await call(face, "DELETE", `/v1/kittens/tom?last_modified=%22${wished}%22`, { as: "bob" });
  assert.equal(deleted.status, 200);
  assert.deepEqual(deleted.json.data, { id: "tom", last_modified: wished, deleted: true });
  assert.equal(deleted.headers.etag, `"${wished}"`);
  assert.equal((await call(face, "DELETE", "/v1/kittens/tom", { as: "bob" })).json.errno, 110);
  const wrong = await call(face, "DELETE", "/v1/kittens/tom?last_modified=abc", { as: "bob" });
  assert.equal(wrong.status, 400);
});

test("§1.5 If-None-Match with the current revision is 304 without a body, before the query is looked at", async () => {
  const face = await kittenFace();
  const made = await create(face, { id: "tom", name: "Tom" });
  const etag = String(made.headers.etag);
  const object = await call(face, "GET", "/v1/kittens/tom?_fields=nonsense", { headers: { "if-none-match": etag } });
  assert.equal(object.status, 304);
  assert.equal(object.text, "");
  assert.equal(object.headers.etag, etag);
  assert.ok(object.headers["last-modified"]);
  const list = await call(face, "GET", "/v1/kittens?nonsense=1", { headers: { "if-none-match": etag } });
  assert.equal(list.status, 304);
  assert.equal(list.headers.etag, etag);
  assert.equal((await call(face, "GET", "/v1/kittens?nonsense=1")).status, 400);
});

test("§1.5 If-Match with another revision is 412 with the current one and the existing object", async () => {
  const face = await kittenFace();
  const made = await create(face, { id: "tom", name: "Tom" });
  const headers = { "if-match": '"12"' };
  const {
    status,
    json,
    headers: answered,
  } = await call(face, "PATCH", "/v1/kittens/tom", {
    as: "bob",
    headers,
    body: { data: { name: "x" } },
  });
  assert.equal(status, 412);
  assert.equal(json.errno, 114);
  assert.equal(json.message, "Resource was modified meanwhile");
  assert.deepEqual(json.details.existing, made.json.data);
  assert.equal(answered.etag, made.headers.etag);
  const list = await call(face, "GET", "/v1/kittens", { headers });
  assert.equal(list.status, 412);
  assert.equal(list.headers.etag, made.headers.etag);
});

test("§1.5 a malformed precondition is a 400 about the header", async () => {
  const face = await kittenFace();
  for (const value of ["12", 'W/"12"', '"abc"', '"1", "2"', '""', "**"]) {
    const { status, json } = await call(face, "GET", "/v1/kittens", { headers: { "if-match": value } });
    assert.equal(status, 400, value);
    assert.equal(json.details[0].description, "The value should be integer between double quotes.");
    assert.equal(json.details[0].location, "header");
    assert.equal(json.details[0].name, "If-Match");
  }
});

test("§1.5 If-None-Match: * refuses to replace what exists", async () => {
  const face = await kittenFace();
  await create(face, { id: "tom", name: "Tom" });
  const headers = { "if-none-match": "*" };
  const put = await call(face, "PUT", "/v1/kittens/tom", { as: "bob", headers, body: { data: { name: "x" } } });
  assert.equal(put.status, 412);
  const fresh = await call(face, "PUT", "/v1/kittens/jerry", { as: "bob", headers, body: { data: { name: "x" } } });
  assert.equal(fresh.status, 201);
});

test("§1.5 the ETag of an empty list is stable between reads", async () => {
  const clock = manualClock();
  const face = await kittenFace({ clock });
  const first = await call(face, "GET", "/v1/kittens");
  clock.advance(5000);
  const second = await call(face, "GET", "/v1/kittens");
  assert.equal(first.headers.etag, second.headers.etag);
  assert.equal(first.text, '{"data":[]}');
});

test("§1.6 HEAD of a list counts in Total-Objects and Total-Records; GET does not", async () => {
  const face = await kittenFace();
  for (const name of ["a", "b", "c"]) await create(face, { name });
  const head = await call(face, "HEAD", "/v1/kittens?min_name=b");
  assert.equal(head.text, "");
  assert.equal(head.headers["total-objects"], "2");
  assert.equal(head.headers["total-records"], "2");
  const get = await call(face, "GET", "/v1/kittens?min_name=b");
  assert.equal("total-objects" in get.headers, false);
  assert.equal(head.headers["content-length"], String(Buffer.byteLength(get.text)));
  assert.match(String(head.headers["access-control-expose-headers"]), /Total-Records/);
});

test("§1.7 Next-Page is absolute, keeps the query, and leads through every object exactly once", async () => {
  const face = await kittenFace({ settings: { paginate_by: 2 } });
  for (const name of ["a", "b", "c", "d", "e"]) await create(face, { name, weight: name < "c" ? 1 : 2 });
  for (const query of [
    "_sort=name",
    "_sort=-weight&_x=%20y",
    "min_weight=0&_limit=1",
    "_sort=id",
    "_sort=-weight,-id",
  ]) {
    let url: string | undefined = `/v1/kittens?${query}`;
    const seen: string[] = [];
    while (url !== undefined) {
      const page: Answered = await call(face, "GET", url);
      assert.equal(page.status, 200, page.text);
      seen.push(...page.json.data.map(({ name }: { name: string }) => name));
      const next: unknown = page.headers["next-page"];
      if (next !== undefined) {
        assert.ok(
          String(next).startsWith(`http://localhost:8888/v1/kittens?${query.split("&_limit")[0]}&`),
          String(next),
        );
        assert.ok(seen.length < 20);
      }
      url = next === undefined ? undefined : String(next).slice("http://localhost:8888".length);
    }
    assert.deepEqual(seen.toSorted(), ["a", "b", "c", "d", "e"], query);
  }
});

test("§1.7 values too long for a URL cannot be paged behind, and say so; a deletion continues without them", async () => {
  const long = resource("long", {
    schema: Type.Object({ text: Type.String() }),
    access: { read: [everyone], write: [everyone] },
  });
  const face = await resourceFace([long], { settings: { paginate_by: 2 } });
  for (let index = 0; index < 5; index++)
    await call(face, "POST", "/v1/long", { body: { data: { text: `${"x".repeat(9000)}${index}` } } });
  const { status, json } = await call(face, "GET", "/v1/long?_sort=text");
  assert.deepEqual([status, json.details[0].name, json.details[0].code], [400, "_sort", "too-long"]);
  assert.equal((await call(face, "GET", "/v1/long?_sort=text&_limit=2&_fields=id&like_text=*0")).status, 200);
  let url = "/v1/long?_sort=text";
  const sizes: number[] = [];
  while (url !== "") {
    const page: Answered = await call(face, "DELETE", url);
    sizes.push(page.json.data.length);
    url = String(page.headers["next-page"] ?? "").replace("http://localhost:8888", "");
  }
  assert.deepEqual(sizes, [2, 2, 1]);
});

test("§1.7 a bad token, or one of another order, has invalid content", async () => {
  const face = await kittenFace({ settings: { paginate_by: 1, public_origin: "https://kittens.example" } });
  for (const name of ["a", "b"]) await create(face, { name });
  const page = await call(face, "GET", "/v1/kittens?_sort=name");
  const next = String(page.headers["next-page"]);
  assert.ok(next.startsWith("https://kittens.example/v1/kittens?_sort=name&_limit=1&_token="));
  const token = next.split("_token=")[1];
  for (const query of [
    "_token=abc",
    "_token=",
    "_token=%F0%9F%92%A9",
    `_sort=-name&_token=${token}`,
    "_token=bnVsbA",
  ]) {
    const { status, json } = await call(face, "GET", `/v1/kittens?${query}`);
    assert.equal(status, 400, query);
    assert.equal(json.message, "_token has invalid content");
  }
});

test("§1.7 pages of a plural DELETE are one-time", async () => {
  const face = await kittenFace({ settings: { paginate_by: 2 } });
  for (const name of ["a", "b", "c", "d", "e"]) await create(face, { name });
  const first = await call(face, "DELETE", "/v1/kittens?_sort=name", { as: "bob" });
  assert.equal(first.json.data.length, 2);
  assert.ok(first.json.data.every(({ deleted }: { deleted: boolean }) => deleted));
  const next = String(first.headers["next-page"]).slice("http://localhost:8888".length);
  const second = await call(face, "DELETE", next, { as: "bob" });
  assert.equal(second.json.data.length, 2);
  const reused = await call(face, "DELETE", next, { as: "bob" });
  assert.equal(reused.status, 400);
  assert.equal(reused.json.message, "_token was already used or has expired.");
  const listToken = String((await call(face, "GET", "/v1/kittens?_limit=0&_sort=name")).headers["next-page"]);
  assert.equal(listToken, "undefined");
});

test("§1.6 _since takes a revision of the list also when the clock was set back behind it", async () => {
  const clock = manualClock();
  const face = await kittenFace({ clock });
  const { json } = await create(face, { name: "Tom" });
  clock.advance(-3 * 86_400_000);
  const { data } = (await create(face, { name: "Tim" })).json;
  const changes = await call(face, "GET", `/v1/kittens?_since=${json.data.last_modified}`);
  assert.deepEqual(changes.json.data, [data]);
  assert.equal((await call(face, "GET", `/v1/kittens?_since=${data.last_modified + 86_400_000}`)).status, 400);
});

test("§1.6 _since shows tombstones; field filters hide them", async () => {
  const face = await kittenFace();
  const made = await create(face, { id: "tom", name: "Tom" });
  await create(face, { id: "jerry", name: "Jerry" });
  await call(face, "DELETE", "/v1/kittens/tom", { as: "bob" });
  const since = made.json.data.last_modified;
  const ids = async (query: string) =>
    (await call(face, "GET", `/v1/kittens?${query}`)).json.data.map(({ id }: { id: string }) => id).toSorted();
  assert.deepEqual(await ids(""), ["jerry"]);
  assert.deepEqual(await ids(`_since=${since}`), ["jerry", "tom"]);
  assert.deepEqual(await ids(`_since=%22${since}%22`), ["jerry", "tom"]);
  assert.deepEqual(await ids("_since=null"), ["jerry", "tom"]);
  assert.deepEqual(await ids(`_since=${since}&name=Jerry`), ["jerry"]);
});

test("§1.6 _to works and is announced as deprecated", async () => {
  const face = await kittenFace();
  await create(face, { name: "Tom" });
  const { status, headers } = await call(face, "GET", "/v1/kittens?_to=123");
  assert.equal(status, 200);
  const alert = JSON.parse(String(headers.alert));
  assert.equal(alert.code, "soft-eol");
  assert.match(alert.message, /_before/);
  assert.equal("alert" in (await call(face, "GET", "/v1/kittens?_before=123")).headers, false);
});

test("§1.6 _fields projects lists and objects, id and last_modified stay", async () => {
  const face = await kittenFace();
  await create(face, { id: "tom", name: "Tom", weight: 3, home: { city: "Paris" } });
  for (const url of ["/v1/kittens", "/v1/kittens/tom"]) {
    const { json } = await call(face, "GET", `${url}?_fields=home.city`);
    const object = Array.isArray(json.data) ? json.data[0] : json.data;
    assert.deepEqual(Object.keys(object).toSorted(), ["home", "id", "last_modified"]);
    const wrong = await call(face, "GET", `${url}?_fields=nonsense,secret`);
    assert.equal(wrong.status, 400);
    assert.equal(wrong.json.details.length, 2);
  }
});

test("write-only fields are never sent and can't be asked about", async () => {
  const face = await kittenFace();
  const made = await create(face, { id: "tom", name: "Tom", secret: "s" });
  assert.equal(made.text.includes("secret"), false);
  for (const query of ["secret=s", "has_secret=true", "_sort=secret", "_fields=secret", "like_secret=s"])
    assert.equal((await call(face, "GET", `/v1/kittens?${query}`)).status, 400, query);
});

test("§1.4 an anonymous caller is told 401 before what is wrong with the body; a known one 403", async () => {
  const guarded = resource("guarded", {
    schema: Type.Object({ a: Type.String() }),
    access: { create: [role("admin")], read: [role("admin")], write: [role("admin")] },
  });
  const face = await resourceFace([guarded]);
  const anonymous = await call(face, "POST", "/v1/guarded", { body: "{" });
  assert.equal(anonymous.status, 401);
  assert.equal(anonymous.json.errno, 104);
  const known = await call(face, "POST", "/v1/guarded", { as: "bob", body: "{" });
  assert.equal(known.status, 403);
  assert.equal(known.json.errno, 121);
  const admin = await call(face, "POST", "/v1/guarded", { as: "admin", body: "{" });
  assert.equal(admin.status, 400);
  assert.equal((await call(face, "GET", "/v1/guarded/x", { as: "bob" })).status, 403);
  assert.equal((await call(face, "GET", "/v1/guarded/x", { as: "admin" })).status, 404);
});

test("nested, per-user and singleton resources are served where their declaration says", async () => {
  const people = resource("people", {
    schema: Type.Object({ name: Type.String() }),
    access: { create: [authenticated], read: [authenticated], write: [authenticated] },
  });
  const positions = resource("positions", {
    schema: Type.Object({ latitude: Type.Number() }),
    parent: people,
    access: { create: [authenticated], read: [authenticated], write: [authenticated] },
  });
  const profile = resource("profile", {
    schema: Type.Object({ nick: Type.String() }),
    path: "/me/profile",
    perUser: true,
    singleton: true,
  });
  const face = await resourceFace([people, positions, profile]);
  assert.ok(face.paths.some(({ path }) => path === "/v1/people/{people_id}/positions/{id}"));
  await call(face, "PUT", "/v1/people/ann", { as: "bob", body: { data: { name: "Ann" } } });
  const position = await call(face, "POST", "/v1/people/ann/positions", { as: "bob", body: { data: { latitude: 1 } } });
  assert.equal(position.status, 201, position.text);
  assert.equal(position.headers.location, `/v1/people/ann/positions/${position.json.data.id}`);
  const orphan = await call(face, "POST", "/v1/people/nobody/positions", {
    as: "bob",
    body: { data: { latitude: 1 } },
  });
  assert.equal(orphan.status, 404);
  assert.equal(orphan.json.errno, 111);
  const put = await call(face, "PUT", "/v1/me/profile", { as: "bob", body: { data: { nick: "B" } } });
  assert.equal(put.status, 201, put.text);
  assert.equal((await call(face, "GET", "/v1/me/profile", { as: "bob" })).json.data.nick, "B");
  assert.equal((await call(face, "GET", "/v1/me/profile", { as: "ann" })).status, 404);
  assert.equal((await call(face, "POST", "/v1/me/profile", { as: "ann", body: {} })).status, 405);
});

test("§1.21 read-only: writes are 405 with Allow, reads are answered", async () => {
  const face = await kittenFace({ settings: { readonly: true } });
  const list = await call(face, "GET", "/v1/kittens");
  assert.equal(list.status, 200);
  for (const [method, url] of [
    ["POST", "/v1/kittens"],
    ["DELETE", "/v1/kittens"],
    ["PUT", "/v1/kittens/a"],
    ["PATCH", "/v1/kittens/a"],
    ["DELETE", "/v1/kittens/a"],
  ] as const) {
    const { status, json, headers } = await call(face, method, url, { as: "bob", body: { data: { name: "x" } } });
    assert.equal(status, 405, `${method} ${url}`);
    assert.equal(json.errno, 115);
    assert.equal(headers.allow, url === "/v1/kittens" ? "GET, HEAD, OPTIONS, QUERY" : "GET, HEAD, OPTIONS");
  }
});

test("§1.21 disabled endpoints and methods answer 405", async () => {
  const face = await resourceFace([resource("cats", { schema: Type.Object({}), disabled: ["deleteList"] })], {
    settings: { disabled_endpoints: ["object_cats_put", "plural_cats_get"] },
  });
  assert.equal((await call(face, "PUT", "/v1/cats/a", { as: "bob", body: {} })).status, 405);
  assert.equal((await call(face, "GET", "/v1/cats", { as: "bob" })).status, 405);
  assert.equal((await call(face, "HEAD", "/v1/cats", { as: "bob" })).status, 405);
  const refused = await call(face, "DELETE", "/v1/cats", { as: "bob" });
  assert.equal(refused.status, 405);
  assert.equal(refused.headers.allow, "OPTIONS, POST");
});

test("a method that a resource does not offer leaves its place to a route", async () => {
  const shown = resource("shown", {
    schema: Type.Object({}),
    access: { read: [everyone] },
    disabled: ["create", "get"],
  });
  const face = await resourceFace([shown], {
    routes: [
      route("POST", "/shown", { access: [everyone], handler: () => "made by a route" }),
      route("GET", "/shown/{name}", { access: [everyone], handler: ({ params }) => params }),
    ],
  });
  assert.equal((await call(face, "POST", "/v1/shown", { body: {} })).json, "made by a route");
  assert.deepEqual((await call(face, "GET", "/v1/shown/x")).json, { name: "x" });
  assert.equal((await call(face, "GET", "/v1/shown")).status, 200);
});

test("two declarations of the same endpoint stop the start, naming both", async () => {
  await assert.rejects(
    resourceFace([kittens, resource("cats", { schema: Type.Object({}), path: "/kittens" })]),
    /GET \/v1\/kittens.*resource kittens.*resource cats/,
  );
});

test("a list with field access: a field closed to the caller can't be filtered on", async () => {
  const face = await resourceFace([
    resource("files", {
      schema: Type.Object({ title: Type.String(), note: Type.Optional(Type.String()) }),
      access: { create: [authenticated], read: [everyone], write: [authenticated] },
      fieldAccess: { note: { read: [role("admin")] } },
    }),
  ]);
  await call(face, "POST", "/v1/files", { as: "bob", body: { data: { title: "t", note: "n" } } });
  assert.equal((await call(face, "GET", "/v1/files?note=n")).status, 400);
  assert.equal((await call(face, "GET", "/v1/files?note=n", { as: "admin" })).json.data.length, 1);
});

test("P6 a body with hundreds of thousands of wrong keys gives a short 400", async () => {
  const face = await kittenFace({ settings: { body_limit: 10_000_000 } });
  const keys = Object.fromEntries(Array.from({ length: 200_000 }, (_, index) => [`k${index.toString(36)}`, 0]));
  for (const body of [keys, { data: keys }]) {
    const { status, json } = await call(face, "POST", "/v1/kittens", { as: "bob", body });
    assert.equal(status, 400);
    assert.equal(json.details[0].code, "unknown-field");
    assert.ok(json.details.length <= 100);
  }
});

test("§1.12 what anonymous callers read may be cached where the resource says so; what others read may not", async () => {
  const clock = manualClock(Date.UTC(2026, 0, 1));
  const news = resource("news", {
    schema: Type.Object({}),
    access: { create: [authenticated], read: [everyone] },
    cacheSeconds: 60,
  });
  const face = await resourceFace([news], { clock });
  await call(face, "PUT", "/v1/news/a", { as: "bob", body: { data: {} } });
  for (const url of ["/v1/news", "/v1/news/a"]) {
    const open = await call(face, "GET", url);
    assert.equal(open.headers["cache-control"], "max-age=60");
    assert.equal(open.headers.expires, "Thu, 01 Jan 2026 00:01:00 GMT");
    assert.equal(open.headers.vary, "Authorization, Cookie");
    assert.equal((await call(face, "GET", url, { as: "bob" })).headers["cache-control"], "no-cache, no-store");
    const same = await call(face, "GET", url, { headers: { "if-none-match": String(open.headers.etag) } });
    assert.equal(same.status, 304);
    assert.equal(same.headers["cache-control"], "max-age=60");
  }
});
