import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Type } from "typebox";
import type { Principal } from "../principal.ts";
import { type Access, type Resource, resource } from "../resource.ts";
import { authenticated, everyone, nobody, owner, predicate, role } from "./access.ts";
import { ann, bench, bob, caller, failure, nobodyKnown } from "./testing.ts";

const schema = Type.Object({ name: Type.String() });
const vet = caller("account:vet", "vet");
const list = { params: {} };
const at = (id: string, params = {}) => ({ params, id });
const data = { name: "Tim" };

/** Who is asked about, and what they are to the object: its creator is ann. */
const principals: readonly (readonly [string, Principal])[] = [
  ["anonymous", nobodyKnown],
  ["owner", ann],
  ["other", bob],
  ["vet", vet],
];

const actions = ["create", "list", "get", "missing", "replace", "patch", "delete", "absent"] as const;

/**
 * Status of each action in the order of `actions`; `missing` is a get and `absent` a delete of what is not there. A list shows the
 * object (200), does not show it (0), or is refused.
 */
const table: readonly (readonly [string, Access<{ name: string }> | undefined, Readonly<Record<string, string>>])[] = [
  [
    "the defaults",
    undefined,
    {
      anonymous: "401 401 401 401 401 401 401 401",
      owner: "201 200 200 403 200 200 200 403",
      other: "201 0 403 403 403 403 403 403",
      vet: "201 0 403 403 403 403 403 403",
    },
  ],
  [
    "create: authenticated, read: everyone",
    { create: [authenticated], read: [everyone] },
    {
      anonymous: "401 200 200 404 401 401 401 401",
      owner: "201 200 200 404 200 200 200 404",
      other: "201 200 200 404 403 403 403 404",
      vet: "201 200 200 404 403 403 403 404",
    },
  ],
  [
    "write: a role",
    { write: [role("vet")] },
    {
      anonymous: "401 401 401 401 401 401 401 401",
      owner: "403 403 403 403 403 403 403 403",
      other: "403 403 403 403 403 403 403 403",
      vet: "201 200 200 404 200 200 200 404",
    },
  ],
  [
    "read: owner or a role, write: owner, delete: nobody",
    { read: [owner, role("vet")], write: [owner], delete: [nobody] },
    {
      anonymous: "401 401 401 401 401 401 401 401",
      owner: "201 200 200 403 200 200 403 403",
      other: "201 0 403 403 403 403 403 403",
      vet: "201 200 200 404 403 403 403 403",
    },
  ],
  [
    "everything: everyone, except list",
    { write: [everyone], list: [] },
    {
      anonymous: "201 401 200 404 200 200 200 404",
      owner: "201 403 200 404 200 200 200 404",
      other: "201 403 200 404 200 200 200 404",
      vet: "201 403 200 404 200 200 200 404",
    },
  ],
];

for (const [what, access, expected] of table)
  describe(`access with ${what}`, () => {
    for (const [who, principal] of principals)
      test(`${who}: ${expected[who]}`, async () => {
        const kittens = resource("kittens", { schema, ...(access === undefined ? {} : { access }) });
        const statuses: string[] = [];
        for (const action of actions) statuses.push(String(await statusOf(kittens, action, principal)));
        assert.deepEqual(
          Object.fromEntries(actions.map((action, index) => [action, statuses[index]])),
          Object.fromEntries(actions.map((action, index) => [action, expected[who]?.split(" ")[index]])),
        );
      });
  });

async function statusOf(kittens: Resource, action: (typeof actions)[number], principal: Principal): Promise<number> {
  const { operations, as, storage } = await bench([kittens]);
  const key = { resource: "kittens", parent: "", id: "tom" };
  await storage.commit([{ kind: "put", key, body: '{"name":"Tom"}', expect: { kind: "any" }, owner: "account:ann" }]);
  const [one, context] = [operations(kittens), as(principal)];
  const attempts: Record<typeof action, () => unknown> = {
    create: () => one.create(context, list, { data }),
    list: async () => {
      const page = await one.list(context, list, {});
      return page.kind === "page" && page.items.length;
    },
    get: () => one.get(context, at("tom"), {}),
    missing: () => one.get(context, at("nope"), {}),
    replace: () => one.replace(context, at("tom"), { data }),
    patch: () => one.patch(context, at("tom"), { patch: { kind: "merge", data } }),
    delete: () => one.delete(context, at("tom"), {}),
    absent: () => one.delete(context, at("nope"), {}),
  };
  try {
    const result = await attempts[action]();
    if (action === "list") return result === 0 ? 0 : 200;
    return action === "create" ? 201 : 200;
  } catch {
    return (await failure(attempts[action])).kind.status;
  }
}

describe("what a caller may not see is not told", () => {
  const diaries = resource("diaries", {
    schema: Type.Object({ name: Type.String(), key: Type.Optional(Type.String()) }),
    access: { create: [authenticated], write: [owner] },
    unique: ["key"],
  });

  test("by an error: forbidden is the same whether the object is there or not", async () => {
    const { operations, as } = await bench([diaries]);
    const one = operations(diaries);
    await one.create(as(ann), list, { data: { id: "there", name: "x" } });
    for (const id of ["there", "nope"]) {
      for (const ifMatch of [undefined, 1]) {
        const request = ifMatch === undefined ? {} : { ifMatch };
        await failure(() => one.get(as(bob), at(id), request), "forbidden");
        await failure(() => one.delete(as(bob), at(id), request), "forbidden");
        await failure(() => one.patch(as(bob), at(id), { ...request, patch: { kind: "merge", data } }), "forbidden");
      }
    }
  });

  test("by a conflict or a failed precondition: the object in the way stays out of it", async () => {
    const { operations, as } = await bench([diaries]);
    const one = operations(diaries);
    await one.create(as(ann), list, { data: { id: "there", name: "x", key: "k" } });
    const conflict = await failure(() => one.create(as(bob), list, { data: { name: "y", key: "k" } }), "conflict");
    assert.deepEqual(conflict.details, { field: "key" });
    const failed = await failure(
      () => one.replace(as(bob), at("there"), { data, ifNoneMatch: "*" }),
      "precondition-failed",
    );
    assert.deepEqual([failed.details, failed.headers], [undefined, {}]);
    await failure(() => one.create(as(bob), list, { data: { id: "there", name: "y" } }), "forbidden");
  });

  test("by a filter of one's own: it only narrows what is open", async () => {
    const { operations, as } = await bench([diaries]);
    const one = operations(diaries);
    await one.create(as(ann), list, { data: { name: "x" } });
    const filter = {
      kind: "or",
      filters: [
        { kind: "owner", owner: "account:ann" },
        { kind: "has", field: "name", present: true },
      ],
    } as const;
    const page = await one.list(as(bob), list, { query: () => ({ filter, total: true }) });
    assert.deepEqual(page.kind === "page" && [page.items, page.total], [[], 0]);
  });
});

test("rules on objects see a new object only when it is valid, so that they may rely on its type", async () => {
  const short = predicate<{ name: string }>({ name: "short", object: ({ object }) => object.name.length < 5 });
  const named = resource("named", {
    schema: Type.Object({ name: Type.String(), note: Type.Optional(Type.String()) }),
    access: { create: [short], write: [everyone] },
    fieldAccess: { note: { write: [short] } },
  });
  const { operations, as } = await bench([named]);
  const one = operations(named);
  for (const wrong of [{}, { name: 3 }, { note: "x" }]) {
    await failure(() => one.create(as(ann), list, { data: wrong }), "invalid-parameters");
    await failure(() => one.replace(as(ann), at("x"), { data: wrong }), "invalid-parameters");
  }
  await failure(() => one.create(as(ann), list, { data: { name: "Thomas" } }), "forbidden");
  const { id } = await one.create(as(ann), list, { data: { name: "Tom", note: "x" } });
  await one.patch(as(ann), at(id), { patch: { kind: "merge", data: { name: "Thomas" } } });
  const patch = { kind: "merge", data: { note: "y" } } as const;
  await failure(() => one.patch(as(ann), at(id), { patch }), "invalid-parameters");
});

describe("lists of one's own", () => {
  const articles = resource("articles", { schema, perUser: true });
  const profile = resource("profile", { schema, perUser: true, singleton: true, path: "/me/profile" });
  const comments = resource("comments", { schema, parent: articles, access: { write: [authenticated] } });

  test("are apart: the same id is another object for another caller", async () => {
    const { operations, as } = await bench([articles]);
    const one = operations(articles);
    for (const who of [ann, bob]) await one.create(as(who), list, { data: { id: "a", name: String(who.id) } });
    for (const who of [ann, bob]) {
      const page = await one.list(as(who), list, {});
      assert.deepEqual(page.kind === "page" && page.items.map((item) => JSON.parse(item).name), [who.id]);
    }
    await failure(() => one.list(as(nobodyKnown), list, {}), "missing-credentials");
    await failure(() => one.get(as(nobodyKnown), at("a"), {}), "missing-credentials");
    await failure(() => one.create(as(nobodyKnown), list, { data }), "missing-credentials");
  });

  test("may be one object: created by replace, patched, deleted, without an id in the path", async () => {
    const { operations, as } = await bench([profile]);
    const one = operations(profile);
    await failure(() => one.get(as(ann), list, {}), "object-not-found");
    const created = await one.replace(as(ann), list, { data: { name: "Ann" } });
    assert.deepEqual([created.kind, created.id], ["created", "profile"]);
    await one.patch(as(ann), list, { patch: { kind: "merge", data: { name: "Anna" } } });
    const got = await one.get(as(ann), list, {});
    assert.equal(got.kind === "object" && JSON.parse(got.json).name, "Anna");
    await failure(() => one.get(as(bob), list, {}), "object-not-found");
    await failure(() => one.list(as(ann), list, {}), "method-not-allowed");
    await one.delete(as(ann), list, {});
    await failure(() => one.get(as(ann), list, {}), "object-not-found");
  });

  test("keep what is nested below them apart as well", async () => {
    const { operations, as } = await bench([articles, comments]);
    for (const who of [ann, bob]) await operations(articles).create(as(who), list, { data: { id: "a", name: "x" } });
    const below = { params: { articles_id: "a" } };
    await operations(comments).create(as(ann), below, { data: { id: "c", name: "mine" } });
    const page = await operations(comments).list(as(bob), below, {});
    assert.deepEqual(page.kind === "page" && page.items, []);
    await failure(() => operations(comments).list(as(nobodyKnown), below, {}), "missing-credentials");
  });
});
