import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, test } from "node:test";
import { Ajv } from "ajv";
import { Type } from "typebox";
import type { AuthenticationPolicy } from "../../auth/policy.ts";
import { resource } from "../../resource.ts";
import { asyncapiDocument, type Publication } from "./document.ts";

const people = resource("people", {
  schema: Type.Object({ name: Type.String(), secret: Type.String({ writeOnly: true }) }),
});
const positions = resource("positions", { schema: Type.Object({ lat: Type.Number() }), parent: people });
const profile = resource("profile", { schema: Type.Object({}), path: "/me/profile", perUser: true, singleton: true });
const drops = resource("drops", { schema: Type.Object({}), disabled: ["list"] });

const policies: readonly AuthenticationPolicy[] = [
  { name: "bearer", securityScheme: { type: "http", scheme: "bearer" }, authenticate: () => undefined },
  { name: "cookie", securityScheme: { type: "apiKey", in: "cookie", name: "session" }, authenticate: () => undefined },
];
const base: Publication = {
  name: "test",
  version: "1.0.0",
  summary: "For the tests.",
  docsUrl: "https://docs.example/",
  origin: "https://api.example",
  prefix: "/v1",
  resources: [people, positions, profile, drops],
  policies,
};

describe("the AsyncAPI document", () => {
  for (const [name, publication] of Object.entries({
    "of a full service": base,
    "without an origin": { ...base, origin: undefined, docsUrl: "" },
    "without anything": { ...base, resources: [], policies: [], summary: undefined },
  }))
    test(`${name} is valid AsyncAPI 3.0`, () => {
      const specs: unknown = createRequire(import.meta.url)("@asyncapi/specs/schemas/3.0.0-without-$id.json");
      const validate = new Ajv({ strict: false, validateFormats: false }).compile(specs as object);
      assert.ok(validate(asyncapiDocument(publication)), JSON.stringify(validate.errors, null, 1));
    });

  test("describes the stream of every list that is offered, and of nothing else", () => {
    const { channels } = asyncapiDocument(base) as {
      channels: Record<string, { address: string; parameters?: object }>;
    };
    assert.deepEqual(
      Object.values(channels).map(({ address }) => address),
      ["/v1/people", "/v1/people/{people_id}/positions"],
    );
    assert.deepEqual(Object.keys(channels.positions?.parameters ?? {}), ["people_id"]);
  });

  test("shows no field that never leaves the service", () => {
    assert.doesNotMatch(JSON.stringify(asyncapiDocument(base)), /secret/);
  });
});
