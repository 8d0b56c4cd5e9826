/** PROTOCOL §0.6: QUERY (RFC 10008) on lists, by `fetch` on whole services, on each embedded storage. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import fc from "fast-check";
import { Type } from "typebox";
import { authenticated, everyone } from "../../operations/access.ts";
import { resource } from "../../resource.ts";
import { listen } from "../../runtime/node.ts";
import { service } from "../../service.ts";
import type { Service } from "../../service-declaration.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { namedCaller } from "./fixture.ts";

const things = resource("things", {
  schema: Type.Object({ secret: Type.Optional(Type.String({ writeOnly: true })) }),
  unknownFields: "keep",
  access: { create: [authenticated], read: [everyone], write: [authenticated] },
});
const closed = resource("closed", {
  schema: Type.Object({ name: Type.String() }),
  access: { read: [authenticated], write: [authenticated] },
});

const folder = mkdtempSync(join(tmpdir(), "rouage-query-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let stores = 0;
const urls = { memory: () => "memory:", sqlite: () => `sqlite:${join(folder, `${stores++}.db`)}` };

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers whose shape they assert
type Answered = { status: number; headers: Headers; json: any };

for (const [kind, storageUrl] of Object.entries(urls))
  suite(`QUERY on ${kind}`, () => {
    async function started(objects: readonly object[] = [], settings: object = {}): Promise<Service> {
      const running = await service({
        name: "things",
        version: "1.0.0",
        resources: [things, closed],
        authentication: [namedCaller],
      }).start({ log: silentLogger, settings: { storage: storageUrl(), ...settings } });
      after(() => running.stop());
      for (let from = 0; from < objects.length; from += 25)
        await ask(running, "POST", "/v1/batch", {
          defaults: { method: "POST", path: "/things" },
          requests: objects.slice(from, from + 25).map((data) => ({ body: { data } })),
        });
      return running;
    }

    const cats = [
      { id: "a", name: "Tom", age: 3, tags: ["red", "big"] },
      { id: "b", name: "Ada", age: 7, tags: ["big"] },
      { id: "c", name: "Max", age: 1 },
      { id: "d", name: "tim", home: { city: "Lyon" } },
    ];

    test("a filter with or, and, not finds what a URL cannot say", async () => {
      const running = await started(cats);
      const found = async (filter: object) => (await query(running, { filter, sort: ["id"] })).ids;
      assert.deepEqual(
        await found({
          or: [
            { field: "name", eq: "Tom" },
            { field: "age", lt: 2 },
          ],
        }),
        ["a", "c"],
      );
      assert.deepEqual(await found({ not: { field: "tags", contains: ["big"] } }), ["c", "d"]);
      assert.deepEqual(await found({ and: [{ field: "age", min: 1, max: 3 }, { not: { field: "id", eq: "c" } }] }), [
        "a",
      ]);
      assert.deepEqual(await found({ field: "home.city", like: "ly" }), ["d"]);
      assert.deepEqual(await found({ field: "id", in: ["a", "d", "z"] }), ["a", "d"]);
      assert.deepEqual(await found({ field: "age", exclude: [3, 7] }), ["c", "d"]);
      assert.deepEqual(await found({ field: "tags", contains_any: ["red", "blue"] }), ["a"]);
      assert.deepEqual(await found({ field: "age", has: false }), ["d"]);
      assert.deepEqual(await found({ field: "name", not: "Tom" }), ["b", "c", "d"]);
    });

    test("without a body, or an empty one, it is the whole list with the headers of GET", async () => {
      const running = await started(cats);
      const read = await ask(running, "GET", "/v1/things");
      for (const body of [undefined, {}]) {
        const asked = await ask(running, "QUERY", "/v1/things", body);
        assert.deepEqual(asked.json, read.json);
        for (const name of ["etag", "last-modified", "cache-control", "accept-query", "content-type"])
          assert.equal(asked.headers.get(name), read.headers.get(name), name);
        assert.equal(asked.headers.get("accept-query"), "application/json");
      }
    });

    test("pages are followed by their Next-Page with the same body, or by its token in the body", async () => {
      const objects = Array.from({ length: 25 }, (_, n) => ({ id: `t${String(n).padStart(2, "0")}`, n }));
      const running = await started(objects);
      const body = { filter: { field: "n", min: 5 }, sort: ["-n"], limit: 6, fields: ["n"] };
      const expected = objects
        .slice(5)
        .map(({ id }) => id)
        .reverse();

      const byUrl: string[] = [];
      for (let url: string | null = "http://test/v1/things"; url !== null; ) {
        const page: Answered = await ask(running, "QUERY", url.slice("http://test".length), body);
        byUrl.push(...idsOf(page));
        url = page.headers.get("next-page");
      }
      assert.deepEqual(byUrl, expected);

      const byToken: string[] = [];
      for (let token: string | undefined = ""; token !== undefined; ) {
        const page: Answered = await ask(running, "QUERY", "/v1/things", token === "" ? body : { ...body, token });
        byToken.push(...idsOf(page));
        const next = page.headers.get("next-page");
        token = next === null ? undefined : (new URL(next).searchParams.get("_token") ?? undefined);
      }
      assert.deepEqual(byToken, expected);
    });

    test("since and any condition on last_modified show tombstones; null is no bound", async () => {
      const running = await started(cats);
      const before = (await ask(running, "GET", "/v1/things")).headers.get("etag") ?? "";
      await ask(running, "DELETE", "/v1/things/a");
      assert.deepEqual((await query(running, { since: before })).ids, ["a"]);
      assert.deepEqual((await query(running, { since: Number(before.slice(1, -1)) })).ids, ["a"]);
      assert.equal((await query(running, { since: null })).ids.length, 4);
      assert.equal((await query(running, { filter: { field: "last_modified", min: 0 } })).ids.length, 4);
      assert.deepEqual((await query(running, { filter: { or: [{ field: "deleted", eq: true }] }, since: 0 })).ids, [
        "a",
      ]);
      assert.equal((await query(running, {})).ids.length, 3);
    });

    test("preconditions are those of GET: 304 before a mistake in the filter, 412", async () => {
      const running = await started(cats);
      const etag = (await ask(running, "GET", "/v1/things")).headers.get("etag") ?? "";
      const wrong = { filter: { nonsense: 1 } };
      assert.equal((await ask(running, "QUERY", "/v1/things", wrong, { "if-none-match": etag })).status, 304);
      assert.equal((await ask(running, "QUERY", "/v1/things", wrong)).status, 400);
      assert.equal((await ask(running, "QUERY", "/v1/things", {}, { "if-match": '"1"' })).status, 412);
    });

    test("filters of the URL hold as well; Next-Page keeps them", async () => {
      const running = await started(cats);
      const page = await ask(running, "QUERY", "/v1/things?min_age=2&_limit=1", { sort: ["age"], limit: 3 });
      assert.deepEqual(idsOf(page), ["a"]);
      assert.match(page.headers.get("next-page") ?? "", /\?min_age=2&_limit=1&_token=/);
    });

    test("the same filters in a URL and in a body give the same list", async () => {
      const objects = fc.sample(thing, { numRuns: 60, seed: 7 }).map((value, n) => ({ ...value, id: `t${n}` }));
      const running = await started(objects);
      await fc.assert(
        fc.asyncProperty(fc.array(leaf, { minLength: 1, maxLength: 4 }), sorting, async (leaves, sort) => {
          const parameters = leaves.map(({ field, operator, value }) => parameterOf(field, operator, value));
          const url = `/v1/things?${[...parameters, `_sort=${sort.join(",")}`].join("&")}`;
          const body = {
            filter: { and: leaves.map(({ field, operator, value }) => ({ field, [operator]: value })) },
            sort,
          };
          const [read, asked] = [await ask(running, "GET", url), await ask(running, "QUERY", "/v1/things", body)];
          assert.equal(read.status, 200, url);
          assert.deepEqual(idsOf(asked), idsOf(read), url);
        }),
        { numRuns: 150 },
      );
    });

    test("and, or and not over anything agree with a naive oracle", async () => {
      const objects = fc.sample(thing, { numRuns: 60, seed: 11 }).map((value, n) => ({ ...value, id: `t${n}` }));
      const running = await started(objects);
      await fc.assert(
        fc.asyncProperty(tree, async (filter) => {
          const asked = await ask(running, "QUERY", "/v1/things", { filter, sort: ["id"] });
          assert.equal(asked.status, 200, JSON.stringify(asked.json));
          const expected = objects
            .filter((object) => holds(filter, object))
            .map(({ id }) => id)
            .sort();
          assert.deepEqual(idsOf(asked), expected, JSON.stringify(filter));
        }),
        { numRuns: 200 },
      );
    });
  });

suite("QUERY, whatever the storage", () => {
  async function started(settings: object = {}): Promise<Service> {
    const running = await service({
      name: "things",
      version: "1.0.0",
      resources: [things, closed],
      authentication: [namedCaller],
    }).start({ log: silentLogger, settings: { storage: "memory:", ...settings } });
    after(() => running.stop());
    return running;
  }

  const refused: readonly [string, unknown, string][] = [
    ["a list", [], "type"],
    ["an unknown key", { filters: {} }, "unknown-field"],
    ["a filter that is none", { filter: 1 }, "type"],
    ["an empty filter", { filter: {} }, "type"],
    ["and beside or", { filter: { and: [{ field: "a", eq: 1 }], or: [{ field: "a", eq: 1 }] } }, "type"],
    ["an empty or", { filter: { or: [] } }, "type"],
    ["no operator", { filter: { field: "a" } }, "required"],
    ["an unknown operator", { filter: { field: "a", equals: 1 } }, "unknown-field"],
    ["a field never sent", { filter: { field: "secret", eq: "x" } }, "unknown-field"],
    ["in without a list", { filter: { field: "a", in: 1 } }, "invalid-value"],
    ["an id that is no text", { filter: { field: "id", eq: 1 } }, "invalid-value"],
    ["like of a number", { filter: { field: "a", like: 1 } }, "invalid-value"],
    ["has of a text", { filter: { field: "a", has: "yes" } }, "invalid-value"],
    ["contains on id", { filter: { field: "id", contains: ["a"] } }, "not-an-array"],
    ["a null character", { filter: { field: "a", eq: "\0" } }, "null-byte"],
    ["a number beyond all", JSON.parse('{"filter":{"field":"a","eq":"NUMBER"}}'), "invalid-value"],
    ["a revision far ahead", { since: 9e15 }, "invalid-value"],
    ["sort as a text", { sort: "a" }, "type"],
    ["a negative limit", { limit: -1 }, "invalid-value"],
    ["a token of something else", { token: "abc" }, "invalid-token"],
    [
      "too many conditions",
      { filter: { or: Array.from({ length: 65 }, (_, n) => ({ field: "a", eq: n })) } },
      "too-many",
    ],
    ["too many values", { filter: { field: "a", in: Array.from({ length: 501 }, (_, n) => n) } }, "too-many"],
    ["nesting too deep", { filter: nested(17) }, "too-deep"],
  ];
  for (const [name, body, code] of refused)
    test(`refused with 400 ${code}: ${name}`, async () => {
      const running = await started();
      const text = JSON.stringify(body).replace('"NUMBER"', "1e999");
      const answer = await ask(running, "QUERY", "/v1/things", text);
      assert.equal(answer.status, 400, JSON.stringify(answer.json));
      assert.equal(answer.json.details[0].code, code, JSON.stringify(answer.json));
      assert.equal(answer.json.details[0].location, "body");
    });

  test("everything wrong is named together", async () => {
    const { json } = await ask(await started(), "QUERY", "/v1/things?_limit=x", {
      filter: { or: [1, { field: "a" }] },
      limit: "x",
    });
    assert.deepEqual(
      json.details.map(({ name }: { name: string }) => name),
      ["_limit", "filter.or.0", "filter.or.1", "limit"],
    );
  });

  test("RFC 10008 §2: content of no or another type is a 415", async () => {
    const running = await started();
    assert.equal((await ask(running, "QUERY", "/v1/things", "{}", { "content-type": "text/plain" })).status, 415);
    const untyped = new Request("http://test/v1/things", { method: "QUERY", body: new TextEncoder().encode("{}") });
    assert.equal((await running.fetch(untyped)).status, 415);
  });

  test("it is offered: Allow, CORS preflight, and 401 or 403 as for GET", async () => {
    const running = await started();
    assert.match((await ask(running, "PUT", "/v1/things", {})).headers.get("allow") ?? "", /\bQUERY\b/);
    const preflight = await ask(running, "OPTIONS", "/v1/things", undefined, {
      origin: "https://a.example",
      "access-control-request-method": "QUERY",
    });
    assert.match(preflight.headers.get("access-control-allow-methods") ?? "", /\bQUERY\b/);
    assert.equal((await ask(running, "QUERY", "/v1/closed", {}, { authorization: "" })).status, 401);
    assert.equal((await ask(running, "QUERY", "/v1/things/a", {})).status, 405);
  });

  test("a read-only service answers it; where reading the list is switched off it is 405", async () => {
    assert.equal((await ask(await started({ readonly: true }), "QUERY", "/v1/things", {})).status, 200);
    const running = await started({ disabled_endpoints: ["plural_things_get"] });
    assert.equal((await ask(running, "QUERY", "/v1/things", {})).status, 405);
  });

  test("it works over a socket, and inside a batch", async () => {
    const running = await started();
    await ask(running, "PUT", "/v1/things/a", { data: { n: 1 } });
    const batched = await ask(running, "POST", "/v1/batch", {
      requests: [{ method: "QUERY", path: "/things", body: { filter: { field: "n", eq: 1 } } }],
    });
    assert.equal(batched.json.responses[0].body.data[0].id, "a");
    const server = await listen(running);
    after(() => server.stop(0));
    const sent = httpRequest(`${server.origin}/v1/things`, {
      method: "QUERY",
      headers: { "content-type": "application/json" },
    });
    sent.end(JSON.stringify({ filter: { field: "n", eq: 2 } }));
    const [answer] = await once(sent, "response");
    assert.equal(answer.statusCode, 200);
    assert.deepEqual(await new Response(answer).json(), { data: [] });
  });

  test("no body gives a 5xx", async () => {
    const running = await started();
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.json({ maxDepth: 6 }),
          hostile.map((value) => JSON.stringify(value)),
        ),
        async (body) => {
          const { status } = await ask(running, "QUERY", "/v1/things", body);
          assert.ok(status === 200 || status === 400, `${status} ${body}`);
        },
      ),
      { numRuns: 300 },
    );
  });
});

const scalar = fc.oneof(
  fc.integer({ min: -2, max: 3 }),
  fc.constantFrom("", "a", "b", "ab", "2"),
  fc.boolean(),
  fc.constant(null),
);
const thing = fc.record({ a: scalar, b: scalar, c: fc.array(scalar, { maxLength: 3 }) }, { requiredKeys: [] });
const field = fc.constantFrom("a", "b", "c");
const leaf = fc.oneof(
  fc.record({ field, operator: fc.constantFrom("eq", "not", "min", "max", "gt", "lt"), value: scalar }),
  fc.record({
    field,
    operator: fc.constantFrom("in", "exclude"),
    value: fc.array(scalar, { minLength: 1, maxLength: 3 }),
  }),
  fc.record({
    field,
    operator: fc.constantFrom("contains", "contains_any"),
    value: fc.array(scalar, { maxLength: 2 }),
  }),
  fc.record({ field, operator: fc.constant("has"), value: fc.boolean() }),
  fc.record({ field, operator: fc.constant("like"), value: fc.constantFrom("a", "*b", "a*", "", "A") }),
);
const sorting = fc.constantFrom(["id"], ["-a", "id"], ["c", "-b", "id"]);

type Tree = { and: Tree[] } | { or: Tree[] } | { not: Tree } | Record<string, unknown>;
const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    leaf
      .filter(({ operator }) => oracles.has(operator))
      .map(({ field, operator, value }) => ({ field, [operator]: value })),
    fc.record({ and: fc.array(tie("tree"), { minLength: 1, maxLength: 3 }) }),
    fc.record({ or: fc.array(tie("tree"), { minLength: 1, maxLength: 3 }) }),
    fc.record({ not: tie("tree") }),
  ),
}));
const hostile = fc.record(
  {
    filter: fc.oneof(tree, fc.anything()),
    sort: fc.array(fc.string()),
    limit: fc.double(),
    fields: fc.array(fc.string()),
    since: fc.anything(),
    token: fc.string(),
  },
  { requiredKeys: [] },
);

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

/** What each operator means, in the fewest words; those with an order of types are left to the storage's own oracle. */
const oracles = new Map<string, (value: unknown, operand: never) => boolean>([
  ["eq", (value, operand) => value !== undefined && same(value, operand)],
  ["not", (value, operand) => value === undefined || !same(value, operand)],
  ["in", (value, operand: unknown[]) => value !== undefined && operand.some((each) => same(value, each))],
  ["exclude", (value, operand: unknown[]) => value === undefined || !operand.some((each) => same(value, each))],
  ["has", (value, operand) => (value !== undefined) === operand],
  [
    "contains",
    (value, operand: unknown[]) =>
      Array.isArray(value) && operand.every((each) => value.some((own) => same(own, each))),
  ],
  [
    "contains_any",
    (value, operand: unknown[]) => Array.isArray(value) && operand.some((each) => value.some((own) => same(own, each))),
  ],
]);

function holds(filter: Tree, object: Record<string, unknown>): boolean {
  if ("and" in filter) return (filter.and as Tree[]).every((part) => holds(part, object));
  if ("or" in filter) return (filter.or as Tree[]).some((part) => holds(part, object));
  if ("not" in filter && !("field" in filter)) return !holds(filter.not as Tree, object);
  const { field, ...operators } = filter as Record<string, unknown>;
  return Object.entries(operators).every(([operator, operand]) =>
    oracles.get(operator)?.(object[String(field)], operand as never),
  );
}

function parameterOf(field: string, operator: string, value: unknown): string {
  const name = operator === "eq" ? field : `${operator}_${field}`;
  const isList = operator === "in" || operator === "exclude";
  const text = isList ? (value as unknown[]).map((each) => JSON.stringify(each)).join(",") : JSON.stringify(value);
  return `${name}=${encodeURIComponent(text)}`;
}

function nested(depth: number): object {
  return depth === 0 ? { field: "a", eq: 1 } : { not: nested(depth - 1) };
}

function idsOf({ json, status }: Answered): string[] {
  assert.equal(status, 200, JSON.stringify(json));
  return json.data.map(({ id }: { id: string }) => id);
}

async function query(running: Service, body: object): Promise<{ ids: string[] }> {
  return { ids: idsOf(await ask(running, "QUERY", "/v1/things", body)) };
}

async function ask(
  { fetch }: Service,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answered> {
  const response = await fetch(
    new Request(`http://test${path}`, {
      method,
      headers: {
        authorization: "Test bob",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    }),
  );
  return { status: response.status, headers: response.headers, json: JSON.parse((await response.text()) || "null") };
}
