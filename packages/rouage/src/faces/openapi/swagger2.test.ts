import assert from "node:assert/strict";
import { describe, test } from "node:test";
import SwaggerParser from "@apidevtools/swagger-parser";
import { Type } from "typebox";
import type { AuthenticationPolicy } from "../../auth/policy.ts";
import { authenticated, everyone, role } from "../../operations/access.ts";
import { resource } from "../../resource.ts";
import { route } from "../../route.ts";
import { openapiDocument } from "./document.ts";
import { swagger2Document } from "./swagger2.ts";
import type { Description } from "./types.ts";

const scheme = (name: string, securityScheme: AuthenticationPolicy["securityScheme"]): AuthenticationPolicy => ({
  name,
  securityScheme,
  authenticate: () => undefined,
});

const bucket = resource("bucket", {
  path: "/buckets",
  schema: Type.Object({
    size: Type.Optional(Type.Union([Type.Number({ exclusiveMinimum: 0, maximum: 9 }), Type.Null()])),
    kind: Type.Literal("b"),
    tags: Type.Array(Type.String({ minLength: 1 })),
  }),
  access: { create: [authenticated], read: [everyone] },
  unknownFields: "keep",
});
const record = resource("record", { path: "/records", parent: bucket, schema: Type.Object({}) });
const search = route("POST", "/search/{scope}", {
  access: [role("responder")],
  body: Type.Object({ query: Type.String() }),
  query: Type.Object({ limit: Type.Optional(Type.Integer({ exclusiveMinimum: 0 })), from: Type.String() }),
  accepts: ["text/plain"],
  handler: () => ({ data: [] }),
});
const card = route("GET", "/e/{token}", { access: [everyone], unversioned: true, handler: () => "" });

const description: Description = {
  name: "test",
  version: "1.0.0",
  summary: "For the tests.",
  docsUrl: "https://docs.example/",
  origin: "https://api.example",
  prefix: "/v1",
  resources: [bucket, record],
  routes: [search, card],
  policies: [
    scheme("basicauth", { type: "http", scheme: "basic" }),
    scheme("bearer", { type: "http", scheme: "bearer", description: "A token." }),
    scheme("cookie", { type: "apiKey", in: "cookie", name: "session" }),
    scheme("openid", { type: "openIdConnect", openIdConnectUrl: "https://id.example" }),
  ],
  readonly: false,
  disabledEndpoints: [],
};

type Swagger = {
  readonly host?: string;
  readonly schemes?: readonly string[];
  readonly basePath: string;
  readonly paths: Record<
    string,
    Record<string, { operationId: string; parameters?: { in?: string; name?: string }[] }>
  >;
  readonly definitions: Record<string, Record<string, unknown>>;
  readonly securityDefinitions: unknown;
};
const made = (changes: Partial<Description> = {}): Swagger =>
  swagger2Document(openapiDocument({ ...description, ...changes }), "/v1") as unknown as Swagger;

describe("the Swagger 2.0 document", () => {
  for (const [name, changes] of Object.entries({
    "of a full service": {},
    "without an origin": { origin: undefined, docsUrl: "" },
    "of a read-only service": { readonly: true },
    "without anything": { resources: [], routes: [], policies: [] },
  }))
    test(`${name} is valid`, async () => {
      await SwaggerParser.validate(structuredClone(made(changes)) as never);
    });

  test("names operations as clients of the protocol expect", () => {
    const ids = Object.values(made().paths).flatMap((path) =>
      Object.values(path).map(({ operationId }) => operationId),
    );
    for (const id of [
      "server_info",
      "__heartbeat__",
      "get_openapi_spec",
      "get_buckets",
      "create_bucket",
      "update_record",
    ])
      assert.ok(ids.includes(id), `${id} in ${ids.join(" ")}`);
  });

  test("says where the service is, and leaves out paths that are not below the base path", () => {
    const { host, schemes, basePath, paths } = made();
    assert.deepEqual([host, schemes, basePath], ["api.example", ["https"], "/v1"]);
    assert.ok(Object.keys(paths).every((path) => path.startsWith("/") && !path.startsWith("/v1")));
    assert.equal(paths["/e/{token}"], undefined);
  });

  test("turns bodies into parameters and says what a bound excludes", () => {
    const operation = made().paths["/search/{scope}"]?.post;
    assert.deepEqual(
      operation?.parameters?.map((parameter) => `${parameter.in} ${parameter.name}`),
      ["path scope", "query limit", "query from", "body body"],
    );
    assert.deepEqual(operation?.parameters?.[1], {
      name: "limit",
      in: "query",
      type: "integer",
      minimum: 0,
      exclusiveMinimum: true,
    });
  });

  test("leaves out what it cannot say instead of saying it wrongly", () => {
    const properties = made().definitions.bucket?.properties as Record<string, unknown>;
    assert.deepEqual(properties.size, {});
    assert.deepEqual(properties.kind, { type: "string", enum: ["b"] });
  });

  test("knows basic credentials, and every other kind as a header", () => {
    assert.deepEqual(made().securityDefinitions, {
      basicauth: { type: "basic" },
      bearer: { type: "apiKey", in: "header", name: "Authorization", description: "A token." },
      cookie: { type: "apiKey", in: "header", name: "Cookie" },
      openid: { type: "apiKey", in: "header", name: "Authorization" },
    });
  });
});
