import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { Type } from "typebox";
import type { AuthenticationPolicy } from "../../auth/policy.ts";
import { authenticated, everyone, owner, role } from "../../operations/access.ts";
import { resource } from "../../resource.ts";
import { route } from "../../route.ts";
import { openapiDocument } from "./document.ts";
import { mergeDocuments } from "./merge-documents.ts";
import { singular } from "./names.ts";
import type { Description, Operation, Paths } from "./types.ts";

const bearer: AuthenticationPolicy = {
  name: "bearer",
  securityScheme: { type: "http", scheme: "bearer" },
  authenticate: () => undefined,
};

const people = resource("people", {
  schema: Type.Object({
    name: Type.String({ minLength: 1 }),
    born: Type.Optional(Type.String({ format: "date" })),
    password: Type.String({ writeOnly: true }),
    number: Type.Optional(Type.String({ readOnly: true })),
    size: Type.Number({ default: 1 }),
    initial: Type.Optional(Type.String()),
  }),
  computed: { initial: ({ name }) => name[0] },
  access: { create: [authenticated], read: [everyone], write: [owner] },
  unknownFields: "keep",
});
const positions = resource("positions", {
  schema: Type.Object({ at: Type.Object({ lat: Type.Number(), lon: Type.Number() }), tags: Type.Array(Type.String()) }),
  parent: people,
  disabled: ["deleteList", "patch"],
});
const profile = resource("profile", { schema: Type.Object({}), path: "/me/profile", perUser: true, singleton: true });
const search = route("POST", "/search/{scope}", {
  access: [role("responder")],
  body: Type.Object({ query: Type.String() }),
  query: Type.Object({ limit: Type.Optional(Type.Integer({ description: "At most" })), from: Type.String() }),
  params: Type.Object({ scope: Type.String({ pattern: "^[a-z]+$" }) }),
  response: Type.Object({ data: Type.Array(Type.Any()) }),
  accepts: ["text/plain"],
  safe: true,
  handler: () => ({ data: [] }),
});
const page = route("GET", "/about", {
  access: [everyone],
  unversioned: true,
  documented: false,
  handler: () => "",
});
const card = route("GET", "/e/{token}", { access: [everyone], unversioned: true, handler: () => "" });

const base: Description = {
  name: "test",
  version: "1.0.0",
  summary: "For the tests.",
  docsUrl: "https://docs.example",
  origin: undefined,
  prefix: "/v1",
  resources: [people, positions, profile],
  routes: [search, page, card],
  policies: [bearer],
  readonly: false,
  disabledEndpoints: [],
};

const pathsOf = (document: Readonly<Record<string, unknown>>) => document.paths as Paths;
const operationsOf = (document: Readonly<Record<string, unknown>>): readonly Operation[] =>
  Object.values(pathsOf(document)).flatMap((operations) => Object.values(operations));

async function assertValid(document: Readonly<Record<string, unknown>>): Promise<void> {
  const { valid, errors } = await new Validator().validate(structuredClone(document) as Record<string, unknown>);
  assert.ok(valid, JSON.stringify(errors, null, 2));
  assertReferences(document);
}

/** The validator checks the form of references, not that they lead somewhere. */
function assertReferences(document: Readonly<Record<string, unknown>>): void {
  for (const [, path] of JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
    const found = path
      ?.split("/")
      .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], document);
    assert.ok(found !== undefined, `#/${path} leads nowhere`);
  }
}

describe("the document", () => {
  const variants: Readonly<Record<string, Partial<Description>>> = {
    "with resources and routes": {},
    "of a service without anything": { resources: [], routes: [], policies: [], summary: undefined, docsUrl: "" },
    "of a read-only service": { readonly: true },
    "with a public origin": { origin: "https://kittens.example" },
    "with endpoints switched off": { disabledEndpoints: ["plural_people_get", "object_profile_get"] },
  };
  for (const [name, change] of Object.entries(variants))
    test(`${name} is valid OpenAPI 3.1 and its references lead somewhere`, async () => {
      await assertValid(openapiDocument({ ...base, ...change }));
    });

  test("has every path with the methods that are offered", () => {
    const paths = pathsOf(openapiDocument(base));
    const offered = Object.entries(paths).map(([path, operations]) => `${path} ${Object.keys(operations).join(" ")}`);
    assert.deepEqual(offered.slice(6), [
      "/v1/people get x-query post delete",
      "/v1/people/{id} get put patch delete",
      "/v1/people/{people_id}/positions get x-query post",
      "/v1/people/{people_id}/positions/{id} get put delete",
      "/v1/me/profile get put patch delete",
      "/v1/search/{scope} post",
      "/e/{token} get",
    ]);
  });

  test("a read-only service offers no writes, but safe routes", () => {
    const operations = Object.entries(pathsOf(openapiDocument({ ...base, readonly: true })));
    const writes = operations.flatMap(([path, methods]) =>
      Object.keys(methods)
        .filter((method) => method !== "get" && method !== "x-query")
        .map((method) => `${method} ${path}`),
    );
    // A batch may read.
    assert.deepEqual(writes, ["post /v1/batch", "post /v1/search/{scope}"]);
  });

  test("shared objects have permissions beside their data, with the names that there are", async () => {
    const albums = resource("albums", { schema: Type.Object({}), sharing: true });
    const photos = resource("photos", { schema: Type.Object({}), parent: albums, sharing: true });
    const document = openapiDocument({ ...base, resources: [albums, photos] });
    await assertValid(document);
    const { get, put } = pathsOf(document)["/v1/albums/{id}"] ?? {};
    const text = JSON.stringify(get?.responses[200]);
    for (const name of ["permissions", "read", "write", "photos:create"]) assert.ok(text.includes(`"${name}"`), name);
    assert.match(JSON.stringify(put?.requestBody), /"permissions"/);
    assert.match(JSON.stringify(get?.parameters), /explain/);
  });

  test("operation ids are those of the protocol, and unique", () => {
    const ids = operationsOf(openapiDocument(base)).map(({ operationId }) => operationId);
    assert.equal(new Set(ids).size, ids.length);
    for (const id of [
      "server_info",
      "get_positions",
      "create_position",
      "get_position",
      "update_position",
      "delete_position",
      "patch_profile",
    ])
      assert.ok(ids.includes(id), id);
  });

  test("objects are shown as they are answered, and as they may be posted", () => {
    const { schemas } = openapiDocument(base).components as { schemas: Record<string, Record<string, unknown>> };
    assert.deepEqual(schemas.people?.required, ["id", "last_modified", "name", "size"]);
    assert.deepEqual(Object.keys(schemas.people?.properties ?? {}), [
      "id",
      "last_modified",
      "name",
      "born",
      "number",
      "size",
      "initial",
    ]);
    assert.deepEqual(schemas["people-input"]?.required, ["name", "password"]);
    assert.equal(schemas["people-input"]?.additionalProperties, true);
    assert.equal(schemas.positions?.additionalProperties, false);
  });

  test("the query grammar and the preconditions are documented", () => {
    const parameters = JSON.stringify(pathsOf(openapiDocument(base))["/v1/people"]?.get?.parameters);
    for (const name of ["_since", "_sort", "_limit", "_token", "_fields", "If-Match", "If-None-Match"])
      assert.match(parameters, new RegExp(`/${name}"`));
    assert.match(parameters, /"name":"name"/);
    assert.doesNotMatch(parameters, /"name":"password"/, "what is never sent is no filter");
  });

  test("security follows the access rules", () => {
    const paths = pathsOf(openapiDocument(base));
    assert.deepEqual(paths["/v1/people"]?.get?.security, [{}, { bearer: [] }]);
    assert.deepEqual(paths["/v1/people"]?.post?.security, [{ bearer: [] }]);
    assert.deepEqual(paths["/e/{token}"]?.get?.security, [{}, { bearer: [] }]);
  });

  test("a route's body, parameters and answer are described", () => {
    const operation = pathsOf(openapiDocument(base))["/v1/search/{scope}"]?.post;
    assert.deepEqual(
      operation?.parameters?.map(({ name, in: place, required }) => [name, place, required]),
      [
        ["scope", "path", true],
        ["limit", "query", false],
        ["from", "query", true],
      ],
    );
    const content = operation?.requestBody?.content as object;
    assert.deepEqual(Object.keys(content), ["application/json", "text/plain"]);
    assert.deepEqual(Object.keys(operation?.responses ?? {}), [
      "200",
      "400",
      "401",
      "403",
      "404",
      "413",
      "415",
      "429",
      "500",
      "503",
    ]);
  });
});

test("documents are merged: valid, ids unique, schemas of the same name kept apart", async () => {
  const other = resource("people", { schema: Type.Object({ nick: Type.String() }), path: "/nicknames" });
  const merged = mergeDocuments({ name: "door", version: "2.0.0" }, [
    { source: "one", document: openapiDocument({ ...base, name: "one" }) },
    { source: "two", document: openapiDocument({ ...base, name: "two", resources: [other], routes: [] }) },
  ]);
  await assertValid(merged);
  const ids = operationsOf(merged).map(({ operationId }) => operationId);
  assert.equal(new Set(ids).size, ids.length);
  const { schemas } = merged.components as { schemas: Record<string, { properties: object }> };
  assert.ok("nick" in (schemas["two.people"]?.properties ?? {}));
  assert.ok("name" in (schemas.people?.properties ?? {}));
  assert.match(JSON.stringify(pathsOf(merged)["/v1/nicknames/{id}"]), /schemas\/two\.people"/);
});

test("the name of one object is the singular of the list's", () => {
  const names = {
    kittens: "kitten",
    categories: "category",
    addresses: "address",
    boxes: "box",
    status: "status",
    people: "people",
    classes: "class",
    houses: "house",
  };
  assert.deepEqual(Object.fromEntries(Object.keys(names).map((name) => [name, singular(name)])), names);
});
