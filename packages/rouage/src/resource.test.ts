import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { authenticated, everyone, owner, predicate } from "./operations/access.ts";
import { type Resource, type ResourceOptions, resource } from "./resource.ts";

const schema = Type.Object({ name: Type.String(), secret: Type.Optional(Type.String({ writeOnly: true })) });
type Options = ResourceOptions<typeof schema>;

test("a resource is served at its name, one object below it", () => {
  const { listPath, objectPath } = resource("kittens", { schema });
  assert.deepEqual([listPath, objectPath], ["/kittens", "/kittens/{id}"]);
});

test("a nested resource is served below its parent's object, each ancestor with a parameter of its own", () => {
  const people = resource("people", { schema });
  const positions = resource("positions", { schema, parent: people });
  const notes = resource("side-notes", { schema, parent: positions, path: "/notes" });
  assert.equal(positions.objectPath, "/people/{people_id}/positions/{id}");
  assert.equal(notes.objectPath, "/people/{people_id}/positions/{positions_id}/notes/{id}");
});

test("a singleton has one path for its object", () => {
  const profile = resource("profile", { schema, perUser: true, singleton: true, path: "/me/profile" });
  assert.deepEqual([profile.listPath, profile.objectPath], ["/me/profile", "/me/profile"]);
});

const parent = resource("people", { schema });
const singleton = resource("profile", { schema, perUser: true, singleton: true });
const isTom = predicate<{ name: string }>({ name: "is tom", object: ({ object }) => object.name === "Tom" });

const mistakes: readonly (readonly [string, string, Partial<Record<keyof Options, unknown>>, RegExp])[] = [
  ["a bad name", "Kittens!", {}, /"Kittens!": the name must be lower-case/],
  [
    "something that is not an object schema",
    "kittens",
    { schema: Type.String() },
    /schema must be made with Type.Object/,
  ],
  ["an unknown hook", "kittens", { hooks: { befor() {} } }, /hooks.befor is not known \(before, stored, after\)/],
  ["a rule that is no list", "kittens", { access: { read: everyone } }, /: access.read must be a list of rules$/],
  [
    "a rule that is none",
    "kittens",
    { access: { read: [undefined] } },
    /: access.read has something that is not a rule$/,
  ],
  ["an index without fields", "kittens", { indexes: [[]] }, /indexes has an entry without a field/],
  ["a field every object has", "kittens", { schema: Type.Object({ id: Type.String() }) }, /field id is reserved/],
  [
    "a field named like what objects inherit",
    "kittens",
    { schema: Type.Object({ toString: Type.String() }) },
    /toString/,
  ],
  [
    "a pattern that is no pattern",
    "kittens",
    { schema: Type.Object({ a: Type.String({ pattern: "(" }) }) },
    /compiled/,
  ],
  ["an unknown format", "kittens", { schema: Type.Object({ a: Type.String({ format: "phone" }) }) }, /format phone/],
  [
    "a default that does not fit",
    "kittens",
    { schema: Type.Object({ a: Type.Number({ default: "x" }) }) },
    /default of a/,
  ],
  [
    "an annotation where it would have no effect",
    "kittens",
    { schema: Type.Object({ a: Type.Array(Type.Object({ b: Type.String({ writeOnly: true }) })) }) },
    /writeOnly at a\.items\.b has no effect/,
  ],
  ["a path with parameters", "kittens", { path: "/kittens/{name}" }, /without parameters/],
  ["a parent that is a singleton", "kittens", { parent: singleton }, /nested below the singleton profile/],
  ["a parent of the same name", "people", { parent }, /same name/],
  ["perUser below a parent", "kittens", { parent, perUser: true }, /perUser cannot be combined with parent/],
  ["a singleton that is not per user", "kittens", { singleton: true }, /singleton needs perUser/],
  [
    "a page size for a singleton",
    "kittens",
    { singleton: true, perUser: true, pageSize: 3 },
    /pageSize has no meaning/,
  ],
  ["a computed field that is not in the schema", "kittens", { computed: { nope: () => 1 } }, /computed field nope/],
  ["field rules for a field that is not there", "kittens", { fieldAccess: { nope: {} } }, /fieldAccess names nope/],
  [
    "a required field that nobody may write",
    "kittens",
    { fieldAccess: { name: { write: [] } } },
    /name is required but/,
  ],
  ["unique on a field that is not there", "kittens", { unique: ["nope"] }, /unique names nope/],
  ["unique on a write-only field", "kittens", { unique: ["secret"] }, /unique on the writeOnly field secret/],
  ["an index on a field that is not there", "kittens", { indexes: [["name", "nope.x"]] }, /index names nope\.x/],
  ["an index on a write-only field", "kittens", { indexes: ["secret"] }, /index on the writeOnly field/],
  ["an action that does not exist", "kittens", { access: { reed: [everyone] } }, /access\.reed is not known/],
  ["a rule that is no rule", "kittens", { access: { read: ["everyone"] } }, /access\.read has something/],
  ["the owner as creator", "kittens", { access: { create: [owner] } }, /nobody owns an object before it exists/],
  ["an object rule without a filter on a list", "kittens", { access: { list: [isTom] } }, /is tom guards list/],
  ["an object rule without a filter on deletions", "kittens", { access: { delete: [isTom] } }, /is tom guards delete/],
  ["an id pattern with state", "kittens", { id: { pattern: /a/g } }, /flags g or y/],
  ["a page size of nothing", "kittens", { pageSize: 0 }, /pageSize must be/],
  ["a method that does not exist", "kittens", { disabled: ["destroy"] }, /disabled destroy/],
  [
    "a contradiction on unknown fields",
    "kittens",
    {
      schema: Type.Object({ a: Type.String() }, { additionalProperties: Type.Number() }),
      unknownFields: "reject",
    },
    /contradicts additionalProperties/,
  ],
  ["an option that does not exist", "kittens", { perUsers: true } as never, /option perUsers is not known/],
];

for (const [what, name, options, message] of mistakes)
  test(`${what} stops the declaration, which names the resource and the mistake`, () => {
    assert.throws(
      () => resource(name, { schema, ...options } as Options),
      (error: Error) => {
        assert.match(error.message, message);
        assert.ok(error.message.startsWith(`resource "${name}": `));
        return true;
      },
    );
  });

test("all mistakes of a declaration are named at once", () => {
  const options = { schema, unique: ["nope"], pageSize: -1, singleton: true } as unknown as Options;
  assert.throws(() => resource("kittens", options), /singleton needs perUser.*unique names nope.*pageSize/);
});

test("an object rule without a filter may guard a list that is not offered", () => {
  const declared: Resource = resource("kittens", {
    schema,
    access: { create: [authenticated], write: [isTom] },
    disabled: ["list", "deleteList"],
  });
  assert.equal(declared.name, "kittens");
});
