/** JSON schemas of buckets and collections, draft 7 and 2020-12, and what hostile ones may do. */
import assert from "node:assert/strict";
import { anyStorage } from "../../../scripts/test-stores.ts";
import { type Ask, kintoTest } from "./support/running.ts";

const settings = { includes: "", experimental_collection_schema_validation: true };
const records = "/buckets/b/collections/c/records";
const as = "ann";

async function withSchema(ask: Ask, schema: object, field = "schema") {
  const first = await ask("PUT", "/buckets/b", { as, body: { data: field === "schema" ? {} : { [field]: schema } } });
  if (field !== "schema" && first.status >= 400) return first;
  return ask("PUT", "/buckets/b/collections/c", { as, body: { data: field === "schema" ? { schema } : {} } });
}

const article = {
  type: "object",
  required: ["title"],
  properties: {
    title: { type: "string", minLength: 1 },
    size: { type: "integer" },
    site: { type: "string", format: "uri" },
  },
};

kintoTest(
  "records must meet the schema of their collection, and say which version they met",
  settings,
  async ({ ask }) => {
    const { body: collection } = await withSchema(ask, article);
    const good = await ask("PUT", `${records}/a`, { as, body: { data: { title: "t", more: [1] } } });
    assert.equal(good.status, 201);
    assert.equal(good.body.data.schema, collection.data.last_modified);
    const bad = await ask("POST", records, { as, body: { data: { size: "1", site: "no uri" } } });
    assert.equal(bad.status, 400);
    assert.deepEqual(
      bad.body.details.map(({ name, location }: Record<string, string>) => `${location} ${name}`),
      ["body site", "body size", "body title"],
    );
    assert.equal((await ask("PATCH", `${records}/a`, { as, body: { data: { title: "" } } })).status, 400);
    assert.equal((await ask("PUT", `${records}/a`, { as, body: { data: {} } })).status, 400);
    assert.equal((await ask("GET", `${records}/a`, { as })).body.data.title, "t");
    const { body: changed } = await ask("PATCH", "/buckets/b/collections/c", {
      as,
      body: { data: { schema: { ...article, required: ["size"] } } },
    });
    assert.equal((await ask("GET", `${records}/a`, { as })).body.data.schema, collection.data.last_modified);
    const again = await ask("PATCH", `${records}/a`, { as, body: { data: { size: 3, schema: 7 } } });
    assert.equal(again.body.data.schema, changed.data.last_modified);
    assert.equal((await ask("DELETE", `${records}/a`, { as })).status, 200);
  },
);

kintoTest(
  "ids, revisions and the schema's version are no concern of a schema that does not name them",
  settings,
  async ({ ask }) => {
    await withSchema(ask, {
      type: "object",
      additionalProperties: false,
      required: ["last_modified", "schema", "n"],
      properties: { n: { type: "number" } },
    });
    assert.equal((await ask("PUT", `${records}/a`, { as, body: { data: { n: 1 } } })).status, 201);
    await ask("PATCH", "/buckets/b/collections/c", {
      as,
      body: { data: { schema: { type: "object", properties: { id: { pattern: "^x" } } } } },
    });
    assert.equal((await ask("PUT", `${records}/a`, { as, body: { data: {} } })).status, 400);
    assert.equal((await ask("PUT", `${records}/x1`, { as, body: { data: {} } })).status, 201);
  },
);

kintoTest("a schema is checked when it is written", settings, async ({ ask }) => {
  for (const schema of [{ type: "strange" }, { properties: { a: { minLength: "1" } } }, { pattern: "(" }]) {
    const { status, body } = await withSchema(ask, schema);
    assert.deepEqual([status, body.details[0].name], [400, "data.schema"], JSON.stringify(schema));
  }
  const bucket = await withSchema(ask, { type: 7 }, "record:schema");
  assert.deepEqual([bucket.status, bucket.body.details[0].name], [400, "data.record:schema"]);
});

kintoTest("a reference that leads nowhere shows when a record is written", settings, async ({ ask }) => {
  assert.equal((await withSchema(ask, { properties: { a: { $ref: "#/definitions/none" } } })).status, 201);
  const { status, body } = await ask("PUT", `${records}/a`, { as, body: { data: { a: 1 } } });
  assert.deepEqual([status, body.details[0].name], [400, "schema"]);
});

kintoTest("schemas of 2020-12 mean what they say, and others are draft 7", settings, async ({ ask }) => {
  const tuple = { properties: { pair: { type: "array", prefixItems: [{ type: "string" }], items: false } } };
  await withSchema(ask, { $schema: "https://json-schema.org/draft/2020-12/schema", ...tuple });
  assert.equal((await ask("PUT", `${records}/a`, { as, body: { data: { pair: [1] } } })).status, 400);
  assert.equal((await ask("PUT", `${records}/a`, { as, body: { data: { pair: ["a"] } } })).status, 201);
  const older = {
    $schema: "http://json-schema.org/draft-04/schema#",
    definitions: { n: { type: "number" } },
    properties: { n: { $ref: "#/definitions/n" } },
  };
  await ask("PATCH", "/buckets/b/collections/c", { as, body: { data: { schema: older } } });
  assert.equal((await ask("PUT", `${records}/b`, { as, body: { data: { n: "1" } } })).status, 400);
});

kintoTest("a bucket's schemas hold for everything in it", settings, async ({ ask }) => {
  const named = { type: "object", required: ["name"] };
  await ask("PUT", "/buckets/b", {
    as,
    body: { data: { "collection:schema": named, "group:schema": named, "record:schema": named } },
  });
  assert.equal((await ask("PUT", "/buckets/b/collections/c", { as })).status, 400);
  assert.equal((await ask("PUT", "/buckets/b/collections/c", { as, body: { data: { name: "c" } } })).status, 201);
  assert.equal((await ask("PUT", "/buckets/b/groups/g", { as, body: { data: { members: [] } } })).status, 400);
  assert.equal((await ask("PUT", `${records}/a`, { as, body: { data: {} } })).status, 400);
  const { body } = await ask("PUT", `${records}/a`, { as, body: { data: { name: "a" } } });
  assert.equal("schema" in body.data, false);
});

kintoTest(
  "a schema that never ends is refused, and nobody else waits for it",
  settings,
  async ({ ask }) => {
    const definitions: Record<string, object> = { n0: { type: "object" } };
    for (let level = 1; level <= 40; level++) {
      const below = { $ref: `#/definitions/n${level - 1}` };
      definitions[`n${level}`] = { allOf: [below, { allOf: [below] }] };
    }
    await withSchema(ask, { definitions, properties: { a: { $ref: "#/definitions/n40" } } });
    const started = performance.now();
    const slow = ask("PUT", `${records}/a`, { as, body: { data: { a: {} } } });
    assert.equal((await ask("GET", "/buckets/b/collections/c", { as })).status, 200);
    assert.ok(performance.now() - started < 400, "others are answered meanwhile");
    const { status, body } = await slow;
    assert.deepEqual([status, body.details[0].name], [400, "schema"]);
    const evil = { properties: { a: { pattern: "^(a+)+$" } } };
    await ask("PATCH", "/buckets/b/collections/c", { as, body: { data: { schema: evil } } });
    assert.equal((await ask("PUT", `${records}/b`, { as, body: { data: { a: `${"a".repeat(40)}!` } } })).status, 400);
    await ask("PATCH", "/buckets/b/collections/c", { as, body: { data: { schema: article } } });
    assert.equal((await ask("PUT", `${records}/c`, { as, body: { data: { title: "t" } } })).status, 201);
  },
  [anyStorage],
);

kintoTest(
  "without the setting nothing is validated",
  { includes: "" },
  async ({ ask, kinto }) => {
    await withSchema(ask, article);
    assert.equal((await ask("PUT", `${records}/a`, { as, body: { data: {} } })).status, 201);
    assert.equal(kinto.capabilities.schema, undefined);
  },
  [anyStorage],
);
