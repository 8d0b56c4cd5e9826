/** Whatever is sent to Kinto's door, the answer is well-formed and never a failure of ours. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isSlow, testStorages } from "../../../scripts/test-stores.ts";
import { authorizationOf, withKinto } from "./support/running.ts";

const settings = {
  includes:
    "kinto.plugins.accounts kinto.plugins.default_bucket kinto.plugins.flush kinto.plugins.history kinto.plugins.quotas",
  "quotas.bucket_max_items": 20,
  "multiauth.policies": "account basicauth",
  account_create_principals: "system.Everyone",
  experimental_permissions_endpoint: true,
  experimental_collection_schema_validation: true,
  "user-data_delete_principals": "system.Authenticated",
};

const segment = fc.oneof(
  { weight: 16, arbitrary: fc.constantFrom("a", "b", "default", "r1") },
  {
    weight: 1,
    arbitrary: fc.constantFrom("__bad__", "%2F", "%00", "%FF", "..", ".", "%E2%82%AC", "a".repeat(300), "a@b", ""),
  },
  { weight: 1, arbitrary: fc.constantFrom("constructor", "toString", "hasOwnProperty", "__proto__", "valueOf") },
  { weight: 1, arbitrary: fc.string({ maxLength: 6 }).map((text) => encodeURIComponent(text.toWellFormed())) },
);
/** Paths below what each run makes first. */
const objectPath = fc.constantFrom(
  ...["", "/collections/b", "/groups/b", "/groups/a"].map((rest) => `/buckets/a${rest}`),
  ...["a", "b", "r1", "constructor"].map((id) => `/buckets/a/collections/b/records/${id}`),
  "/buckets/default/collections/b/records/a",
);
const listPath = fc.constantFrom(
  ...["/collections", "/groups", "/history", "/collections/b/records"].map((rest) => `/buckets/a${rest}`),
  "/buckets/default/collections/b/records",
);
const path = fc.oneof(
  fc.tuple(segment, segment, segment).map(([b, c, r]) => `/buckets/${b}/collections/${c}/records/${r}`),
  fc.tuple(segment, segment).map(([b, c]) => `/buckets/${b}/collections/${c}/records`),
  fc
    .tuple(segment, fc.constantFrom("collections", "groups", "history"), segment)
    .map(([b, kind, id]) => `/buckets/${b}/${kind}/${id}`),
  fc.tuple(segment, fc.constantFrom("collections", "groups", "history")).map(([b, kind]) => `/buckets/${b}/${kind}`),
  segment.map((b) => `/buckets/${b}`),
  segment.map((id) => `/accounts/${id}`),
  segment.map((principal) => `/__user_data__/${principal}`),
  fc.constantFrom(
    "/buckets",
    "/accounts",
    "/permissions",
    "/",
    "/batch",
    "/__flush__",
    "/__counters__",
    "/__heartbeat__",
    "/__api__",
    "/buckets/default/",
  ),
);
const query = fc.oneof(
  fc.constant(""),
  fc
    .array(
      fc.tuple(
        fc.constantFrom(
          "_since",
          "_before",
          "_limit",
          "_token",
          "_sort",
          "_fields",
          "id",
          "in_id",
          "like_title",
          "min_n",
          "has_uri",
          "uri",
          "last_modified",
          "contains_members",
          "not_x.y",
        ),
        fc.oneof(
          fc.constantFrom("1", "null", "true", '"1"', "[1]", "-id,n", "{}", "%00", "%FF"),
          fc.string({ maxLength: 5 }).map((text) => encodeURIComponent(text.toWellFormed())),
        ),
      ),
      { maxLength: 3 },
    )
    .map((pairs) => `?${pairs.map(([key, value]) => `${key}=${value}`).join("&")}`),
);
const data = fc.oneof(
  fc.record(
    { id: fc.constantFrom("a", "b", "default", 1, null), title: fc.string({ maxLength: 5 }) },
    { requiredKeys: [] },
  ),
  fc.constantFrom(
    { members: ["account:a"] },
    { members: "a" },
    { password: "x" },
    { password: 1 },
    { schema: { type: "object" } },
    { schema: 3 },
    { cache_expires: "x" },
    { last_modified: 5 },
  ),
  fc.jsonValue({ maxDepth: 2 }),
);
const permissions = fc.oneof(
  fc.record(
    { read: fc.constantFrom(["system.Everyone"], "x", null, [1]), write: fc.constantFrom(["/buckets/a/groups/b"], []) },
    { requiredKeys: [] },
  ),
  fc.jsonValue({ maxDepth: 1 }),
);
const patchOperations = fc.array(
  fc.record(
    {
      op: fc.constantFrom("add", "remove", "replace", "test", "move", "copy", "zz"),
      path: fc.constantFrom(
        "/data/title",
        "/permissions/read/a",
        "/permissions/zz/a",
        "/",
        "",
        "/data/-",
        "/permissions",
      ),
      value: fc.jsonValue({ maxDepth: 1 }),
    },
    { requiredKeys: [] },
  ),
  { maxLength: 3 },
);
/** What JSON can say and objects cannot hold, or storages cannot keep. */
const hostile = fc.constantFrom(
  '{"data":{"__proto__":{"x":1}}}',
  '{"data":{"constructor":{"prototype":{"x":1}},"toString":1}}',
  '{"data":{"n":1,"n":2},"data":{"n":3}}',
  '{"data":{"n":1e400}}',
  '{"data":{"n":123456789012345678901234567890,"last_modified":99999999999999999999}}',
  '{"data":{"title":"\\ud800"}}',
  '{"data":{"\\udfff":1,"\\u0000":"\\u0000"}}',
  `{"data":{"n":${"[".repeat(3000)}${"]".repeat(3000)}}}`,
  `{"data":{"n":${'{"a":'.repeat(70)}1${"}".repeat(70)}}}`,
  `{"data":{${Array.from({ length: 2000 }, (_, n) => `"k${n}":${n}`).join()}}}`,
  '{"permissions":{"__proto__":["a"],"constructor":["b"]}}',
  '{"permissions":{"read":["\\ud800","\\u0000"]}}',
  '[{"op":"add","path":"/data/__proto__/x","value":1}]',
  '[{"op":"copy","from":"/data","path":"/data/self"},{"op":"move","from":"/data/self","path":"/data/self/self"}]',
);
const body = fc.oneof(
  { weight: 1, arbitrary: hostile },
  {
    weight: 5,
    arbitrary: fc.record({ data, permissions }, { requiredKeys: [] }).map((value) => JSON.stringify(value)),
  },
  {
    weight: 5,
    arbitrary: fc.constantFrom(
      '{"data":{}}',
      '{"data":{"title":"t","n":1},"permissions":{"read":["system.Everyone"]}}',
    ),
  },
  { weight: 1, arbitrary: patchOperations.map((value) => JSON.stringify(value)) },
  {
    weight: 1,
    arbitrary: fc.oneof(
      fc.string({ maxLength: 10 }),
      fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.stringify(value)),
    ),
  },
);
/** Mostly usual ones, so that most requests get further than the first check. */
const headers = fc
  .tuple(
    fc.constantFrom(
      ...Array(6).fill("application/json"),
      "application/json-patch+json",
      "application/merge-patch+json",
      "text/plain",
    ),
    fc.constantFrom(...Array(6).fill(authorizationOf("alice")), authorizationOf("bob"), "Basic ???", "Bearer x"),
    fc.oneof(
      { weight: 5, arbitrary: fc.constant({}) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          { "if-match": "*" },
          { "if-match": '"1"' },
          { "if-none-match": "*" },
          { "if-none-match": "x" },
          { "response-behavior": "light" },
          { "response-behavior": "zz" },
          { accept: "text/html" },
        ),
      },
    ),
  )
  .map(([type, authorization, further]) => ({ "content-type": type, authorization, ...further }));
/** Mostly methods that their paths have. */
const place = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(fc.constantFrom("PUT", "PUT", "PATCH", "PATCH", "GET", "DELETE"), objectPath) },
  { weight: 3, arbitrary: fc.tuple(fc.constantFrom("POST", "GET", "GET", "HEAD", "QUERY", "DELETE"), listPath) },
  { weight: 3, arbitrary: fc.tuple(fc.constantFrom("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"), path) },
);
const request = fc
  .record({ place, query, body, headers })
  .map(({ place: [method, path], ...others }) => ({ method, path, ...others }));

for (const storage of testStorages)
  test(`no request, alone or in a batch, makes Kinto fail (${storage})`, () =>
    withKinto(storage, settings, async ({ kinto }) => {
      const send = async (method: string, url: string, text: string | undefined, sent: Record<string, string>) => {
        const response = await kinto.fetch(
          new Request(`http://kinto.test/v1${url}`, {
            method,
            headers: sent,
            redirect: "manual",
            ...(text !== undefined && method !== "GET" && method !== "HEAD" && { body: text }),
          }),
        );
        return { status: response.status, text: await response.text() };
      };
      await fc.assert(
        fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 6 }), async (requests) => {
          for (const made of ["/buckets/a", "/buckets/a/collections/b"]) await send("PUT", made, "{}", usual);
          for (const one of requests) {
            const { status, text } = await send(one.method, one.path + one.query, one.body, one.headers);
            assert.ok(isFine(status), `${one.method} ${one.path}${one.query} ${one.body}: ${status} ${text}`);
            if (status >= 400 && one.method !== "HEAD") assert.equal(JSON.parse(text).code, status);
          }
          const parts = requests.map(({ method, path, query, body, headers }) => {
            const parsed = parseOr(body);
            return { method, path: path + query, headers, ...(parsed !== undefined && { body: parsed }) };
          });
          const { status, text } = await send("POST", "/batch", JSON.stringify({ requests: parts }), {
            "content-type": "application/json",
            authorization: authorizationOf("alice"),
          });
          assert.ok(status < 500, `batch: ${status} ${text}\n${JSON.stringify(parts)}`);
          if (status === 200)
            for (const [index, { status }] of JSON.parse(text).responses.entries())
              assert.ok(isFine(status), `batch ${JSON.stringify(parts[index])}: ${status}`);
          const records = await send("GET", "/buckets/a/collections/b/records", undefined, usual);
          if (records.status === 200)
            for (const object of JSON.parse(records.text).data) {
              const one = await send("GET", `/buckets/a/collections/b/records/${object.id}`, undefined, usual);
              assert.deepEqual(JSON.parse(one.text).data, object, "what is listed is there");
            }
        }),
        { numRuns: storage === "memory" ? 1000 : isSlow(storage) ? 50 : 400 },
      );
    }));

/** What an ordinary client sends. */
const usual = { "content-type": "application/json", authorization: authorizationOf("alice") };

/** A quota that is used up is no failure. */
function isFine(status: number): boolean {
  return status < 500 || status === 507;
}

function parseOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
