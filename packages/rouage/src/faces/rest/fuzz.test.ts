/** P6: no method, path, query, header or body gives a 5xx, a rejection or a hang. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Type } from "typebox";
import { authenticated, everyone, owner, role } from "../../operations/access.ts";
import { resource } from "../../resource.ts";
import { route } from "../../route.ts";
import { recordingLogger, resourceFace, testRequest } from "./fixture.ts";

const people = resource("people", {
  schema: Type.Object({
    name: Type.String({ minLength: 1 }),
    age: Type.Optional(Type.Integer({ minimum: 0 })),
    tags: Type.Optional(Type.Array(Type.String(), { uniqueItems: true })),
    home: Type.Optional(
      Type.Object({ city: Type.Optional(Type.String()), pin: Type.Optional(Type.String({ writeOnly: true })) }),
    ),
    kind: Type.Optional(Type.Union([Type.Literal("cat"), Type.Literal("dog"), Type.Null()])),
    since: Type.Optional(Type.String({ readOnly: true })),
  }),
  access: { create: [authenticated], read: [everyone], write: [authenticated] },
  fieldAccess: { age: { read: [role("admin"), owner] } },
  unique: ["name"],
  indexes: ["age"],
});
const notes = resource("notes", { schema: Type.Object({}), unknownFields: "keep", perUser: true });
const positions = resource("positions", {
  schema: Type.Object({ latitude: Type.Number(), longitude: Type.Number() }),
  parent: people,
  access: { create: [authenticated], read: [everyone], write: [owner] },
});
const profile = resource("profile", {
  schema: Type.Object({ nick: Type.Optional(Type.String()) }),
  path: "/me/profile",
  perUser: true,
  singleton: true,
});
const search = route("POST", "/search", {
  access: [everyone],
  body: Type.Object({ query: Type.String({ pattern: "\\S" }) }),
  query: Type.Object({ page: Type.Optional(Type.Integer()), tags: Type.Optional(Type.Array(Type.Number())) }),
  handler: ({ body, query }) => ({ body, query }),
});
const item = route("GET", "/item/{id}", {
  access: [everyone],
  params: Type.Object({ id: Type.String({ pattern: "^[a-z]+$" }) }),
  handler: ({ params, query }) => ({ params, query }),
});

const ids = fc.oneof(
  fc.constantFrom("a", "b", "tom", "%2F", "..", "%00", "%FF", "__proto__", "constructor", "a%20b", "-"),
  fc.string({ maxLength: 8 }).map((text) => encodeURIComponent(text.toWellFormed())),
);
const path = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom("/v1/people", "/v1/notes", "/v1/me/profile", "/v1/search", "/v1/people/a/positions"),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.constantFrom("/v1/people", "/v1/notes", "/v1/people/a/positions", "/v1/item"), ids)
      .map(([list, id]) => `${list}/${id}`),
  },
  { weight: 2, arbitrary: fc.tuple(ids, ids).map(([person, id]) => `/v1/people/${person}/positions/${id}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      "/",
      "/v1",
      "/v1/",
      "/v2/x",
      "/v1/__heartbeat__",
      "*",
      "",
      "//",
      "/v1/people/",
      "http://x/v1/people",
    ),
  },
  { weight: 1, arbitrary: fc.string() },
);
const value = fc.oneof(
  fc.constantFrom(
    "1",
    "-1",
    "null",
    "true",
    "a*",
    "*",
    "[1,2]",
    "{}",
    '"1"',
    "1e999",
    "[[[[",
    "9007199254740993",
    "1767225600000",
  ),
  fc.json({ maxDepth: 2 }),
  fc.string(),
);
const parameter = fc.tuple(
  fc.constantFrom(
    ...["_since", "_before", "_to", "_sort", "_limit", "_token", "_fields", "_x", "id", "last_modified", "name", "age"],
    ...["home", "home.city", "home.pin", "tags", "deleted", "zz", "", "page", "__proto__"],
    ...[
      "min_age",
      "in_id",
      "in_last_modified",
      "exclude_name",
      "like_name",
      "has_tags",
      "contains_tags",
      "contains_any_tags",
      "not_home",
      "gt_kind",
      "min_tags",
    ],
  ),
  fc.oneof(value, fc.constantFrom("name", "-age,name", "home.city", "last_modified", "tags,-kind")),
);
const query = fc.oneof(
  { weight: 3, arbitrary: fc.constant("") },
  {
    weight: 5,
    arbitrary: fc
      .array(parameter, { maxLength: 4 })
      .map(
        (pairs) => `?${pairs.map(([name, text]) => `${name}=${encodeURIComponent(text.toWellFormed())}`).join("&")}`,
      ),
  },
  { weight: 1, arbitrary: fc.string().map((text) => `?${text}`) },
);
const header = fc.tuple(
  fc.constantFrom(
    ...[
      "if-match",
      "if-none-match",
      "content-type",
      "accept",
      "origin",
      "response-behavior",
      "x-request-id",
      "traceparent",
    ],
    ...[
      "authorization",
      "access-control-request-method",
      "access-control-request-headers",
      "content-length",
      "transfer-encoding",
    ],
  ),
  fc.oneof(
    fc.constantFrom(
      ...[
        '"1"',
        "*",
        '"1767225600000"',
        "application/json",
        "application/merge-patch+json",
        "application/json-patch+json",
      ],
      ...[
        "application/problem+json",
        "text/html",
        "light",
        "diff",
        "Test bob",
        "Test !",
        "Test admin",
        "null",
        "GET",
        "0",
        "chunked",
      ],
    ),
    fc.string(),
  ),
);
const data = fc.oneof(
  fc.record(
    {
      id: fc.constantFrom<unknown>("a", "tom", 1, null, "a/b", ""),
      last_modified: fc.constantFrom<unknown>(1, 1767225600000, 1e20, -1, "x", 1.5),
      name: fc.oneof(fc.string(), fc.jsonValue()),
      age: fc.jsonValue({ maxDepth: 1 }),
      tags: fc.array(fc.string()),
      home: fc.jsonValue({ maxDepth: 2 }),
      latitude: fc.double(),
      longitude: fc.double(),
      since: fc.string(),
      query: fc.string(),
      ["__proto__"]: fc.jsonValue(),
      nick: fc.string(),
    },
    { requiredKeys: [] },
  ),
  fc.jsonValue(),
);
const operation = fc.record(
  {
    op: fc.constantFrom("add", "remove", "replace", "move", "copy", "test", "x"),
    path: fc.oneof(
      fc.constantFrom(
        "/data/name",
        "/data",
        "/data/tags/-",
        "/data/tags/0",
        "",
        "/data/__proto__/x",
        "/permissions/read/x",
        "/data/id",
      ),
      fc.string(),
    ),
    from: fc.constantFrom("/data/name", "/data", "/data/home"),
    value: fc.jsonValue(),
  },
  { requiredKeys: [] },
);
const body = fc.oneof(
  { weight: 2, arbitrary: fc.constant(undefined) },
  { weight: 5, arbitrary: data.map((content) => JSON.stringify({ data: content })) },
  { weight: 2, arbitrary: fc.array(operation, { maxLength: 4 }).map((operations) => JSON.stringify(operations)) },
  { weight: 1, arbitrary: fc.jsonValue().map((content) => JSON.stringify(content)) },
  { weight: 1, arbitrary: fc.string() },
  { weight: 1, arbitrary: fc.uint8Array() },
);
const wild = fc.record({
  method: fc.oneof(
    { weight: 20, arbitrary: fc.constantFrom("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") },
    { weight: 1, arbitrary: fc.string() },
  ),
  path,
  query,
  headers: fc.array(header, { maxLength: 3 }),
  body,
  as: fc.option(fc.constantFrom("bob", "ann", "admin"), { nil: undefined }),
});

/** Requests that mostly succeed, so that the wild ones meet data, revisions and tombstones. */
const person = fc.record(
  {
    name: fc.string({ minLength: 1, maxLength: 4 }),
    age: fc.nat(),
    tags: fc.uniqueArray(fc.string(), { maxLength: 3 }),
    home: fc.record({ city: fc.string(), pin: fc.string() }, { requiredKeys: [] }),
    kind: fc.constantFrom("cat", "dog", null),
  },
  { requiredKeys: ["name"] },
);
const position = fc.record({ latitude: fc.integer(), longitude: fc.integer() });
const enveloped = (content: fc.Arbitrary<object>) => content.map((value) => JSON.stringify({ data: value }));
const json = fc.constant([["content-type", "application/json"]] as [string, string][]);
const plain = fc.constant([] as [string, string][]);
const jsonPatch = fc.constant([["content-type", "application/json-patch+json"]] as [string, string][]);
const id = fc.constantFrom("a", "b", "tom");
const as = fc.constantFrom("bob", "ann");
const goodQuery = fc.constantFrom(
  "",
  "?_since=0",
  "?_sort=name&_limit=1",
  "?min_age=1&_fields=name,home.city",
  "?like_name=a",
  "?has_tags=true",
);
const plausible = fc.oneof(
  fc.record({
    method: fc.constant("POST"),
    path: fc.constant("/v1/people"),
    query: fc.constant(""),
    headers: json,
    body: enveloped(person),
    as,
  }),
  fc.record({
    method: fc.constant("PUT"),
    path: id.map((one) => `/v1/people/${one}`),
    query: fc.constant(""),
    headers: json,
    body: enveloped(person),
    as,
  }),
  fc.record({
    method: fc.constant("POST"),
    path: fc.constant("/v1/people/a/positions"),
    query: fc.constant(""),
    headers: json,
    body: enveloped(position),
    as,
  }),
  fc.record({
    method: fc.constant("PUT"),
    path: fc.constant("/v1/me/profile"),
    query: fc.constant(""),
    headers: json,
    body: enveloped(fc.record({ nick: fc.string() })),
    as,
  }),
  fc.record({
    method: fc.constant("PUT"),
    path: id.map((one) => `/v1/notes/${one}`),
    query: fc.constant(""),
    headers: json,
    body: enveloped(fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 4 })),
    as,
  }),
  fc.record({
    method: fc.constant("PATCH"),
    path: fc.constantFrom("/v1/people/a", "/v1/me/profile", "/v1/notes/a"),
    query: fc.constant(""),
    headers: json,
    body: enveloped(fc.oneof(fc.record({ age: fc.nat() }), fc.record({ nick: fc.string() }))),
    as,
  }),
  fc.record({
    method: fc.constant("PATCH"),
    path: fc.constant("/v1/people/a"),
    query: fc.constant(""),
    headers: jsonPatch,
    body: fc.array(operation, { minLength: 1, maxLength: 2 }).map((operations) => JSON.stringify(operations)),
    as,
  }),
  fc.record({
    method: fc.constantFrom("GET", "HEAD", "DELETE"),
    path: fc.constantFrom("/v1/people", "/v1/notes", "/v1/people/a/positions"),
    query: goodQuery,
    headers: plain,
    body: fc.constant(undefined),
    as,
  }),
  fc.record({
    method: fc.constantFrom("GET", "DELETE"),
    path: fc.oneof(
      id.map((one) => `/v1/people/${one}`),
      fc.constant("/v1/me/profile"),
    ),
    query: fc.constantFrom("", "?_fields=name"),
    headers: plain,
    body: fc.constant(undefined),
    as,
  }),
);
const request = fc.oneof(wild, plausible);

test("no sequence of requests whatever gives a 5xx, a malformed answer or a hang", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 6 }), async (requests) => {
      const log = recordingLogger();
      const face = await resourceFace([people, notes, positions, profile], {
        log,
        routes: [search, item],
        settings: { body_limit: 2000, body_depth: 8, paginate_by: 3 },
      });
      await face.handle(
        testRequest("PUT", "/v1/people/a", { as: "bob", body: { data: { name: "A", age: 3, home: { pin: "1" } } } }),
      );
      for (const { method, path, query, headers, body, as } of requests) {
        const options = {
          headers: Object.fromEntries(headers),
          ...(body === undefined ? {} : { body }),
          ...(as === undefined ? {} : { as }),
        };
        const response = await face.handle(testRequest(method, path + query, options));
        const what = `${method} ${path}${query} ${JSON.stringify(options)} → ${response.status} ${JSON.stringify(log.lines.filter(({ level }) => level === "error"))}`;
        assert.ok(response.status >= 200 && response.status < 500, what);
        assert.ok(response.headers["x-request-id"], what);
        for (const each of Object.values(response.headers).flat()) assert.match(each, /^[\t\x20-\x7e]*$/, what);
        if (typeof response.body === "string" && String(response.headers["content-type"]).endsWith("json"))
          JSON.parse(response.body);
      }
      assert.equal(face.running(), 0);
    }),
    { numRuns: Number(process.env.FUZZ_RUNS ?? 400), endOnFailure: true },
  );
});
