import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { resource } from "../resource.ts";
import type { Storage } from "../storage/storage.ts";
import { authenticated, everyone, owner, role } from "./access.ts";
import { largestTransaction } from "./cascade.ts";
import { ann, bench, bob, caller, failure } from "./testing.ts";

const schema = Type.Object({ name: Type.Optional(Type.String()) });
const people = resource("people", { schema, access: { create: [authenticated], read: [owner, role("vet")] } });
const positions = resource("positions", { schema, parent: people, access: { write: [authenticated] } });
const notes = resource("notes", { schema, parent: positions, access: { write: [everyone] } });
const all = [people, positions, notes];

const list = { params: {} };
const below = (people_id: string) => ({ params: { people_id } });
const belowBoth = (people_id: string, positions_id: string) => ({ params: { people_id, positions_id } });

test("a nested list needs its parent: missing is a 404 that names the parent, unreadable is refused", async () => {
  const { operations, as } = await bench(all);
  const vet = caller("account:vet", "vet");
  await operations(people).create(as(ann), list, { data: { id: "p" } });
  const missing = await failure(() => operations(positions).list(as(vet), below("nope"), {}), "route-not-found");
  assert.deepEqual(missing.details, { id: "nope", resource_name: "people" });
  for (const id of ["p", "nope", "bad id", ""]) {
    await failure(() => operations(positions).list(as(bob), below(id), {}), "forbidden");
    await failure(() => operations(positions).create(as(bob), below(id), { data: {} }), "forbidden");
  }
  assert.equal((await operations(positions).create(as(ann), below("p"), { data: {} })).kind, "created");
});

test("every level is checked, and the key holds the whole way", async () => {
  const { operations, as, storage } = await bench(all);
  await operations(people).create(as(ann), list, { data: { id: "p" } });
  await operations(positions).create(as(ann), below("p"), { data: { id: "q" } });
  await operations(notes).create(as(ann), belowBoth("p", "q"), { data: { id: "n" } });
  assert.ok(await storage.get({ resource: "notes", parent: "people/p/positions/q", id: "n" }));
  const missing = await failure(() => operations(notes).get(as(ann), { ...belowBoth("p", "x"), id: "n" }, {}));
  assert.deepEqual([missing.code, missing.details], ["route-not-found", { id: "x", resource_name: "positions" }]);
  await failure(() => operations(notes).get(as(bob), { ...belowBoth("p", "q"), id: "n" }, {}), "forbidden");
});

test("what is nested below goes with its parent, in the same commit and without tombstones", async () => {
  const { operations, as, storage } = await bench(all);
  for (const id of ["p", "other"]) {
    await operations(people).create(as(ann), list, { data: { id } });
    await operations(positions).create(as(ann), below(id), { data: { id: "q" } });
    await operations(notes).create(as(ann), belowBoth(id, "q"), { data: { id: "n" } });
  }
  await operations(people).delete(as(ann), { ...list, id: "p" }, {});
  const left: string[] = [];
  for (const { name } of all)
    for await (const entry of storage.scan(name, { tombstones: true }))
      left.push(`${name} ${entry.parent} ${entry.id} ${entry.kind}`);
  assert.deepEqual(left, [
    "people  other object",
    "people  p tombstone",
    "positions people/other q object",
    "notes people/other/positions/q n object",
  ]);
  await operations(people).create(as(ann), list, { data: { id: "p" } });
  const page = await operations(positions).list(as(ann), below("p"), {});
  assert.deepEqual(page.kind === "page" && page.items, []);
});

test("a deletion of a list takes what is nested below each object along", async () => {
  const { operations, as, storage } = await bench(all);
  for (const id of ["p", "q"]) {
    await operations(people).create(as(ann), list, { data: { id } });
    await operations(positions).create(as(ann), below(id), { data: {} });
  }
  assert.equal((await operations(people).deleteList(as(ann), list, {})).items.length, 2);
  assert.deepEqual(await Array.fromAsync(storage.scan("positions", { tombstones: true })), []);
});

test("more objects than fit one commit go too", async () => {
  const { operations, as, storage } = await bench(all);
  await operations(people).create(as(ann), list, { data: { id: "p" } });
  const changes = Array.from({ length: largestTransaction + 200 }, (_, index) => ({
    kind: "put" as const,
    key: { resource: "positions", parent: "people/p", id: `q${index}` },
    body: "{}",
    expect: { kind: "any" as const },
  }));
  await storage.commit(changes);
  await operations(people).delete(as(ann), { ...list, id: "p" }, {});
  assert.deepEqual(await Array.fromAsync(storage.scan("positions", { tombstones: true })), []);
});

test("an object created while its parent is deleted does not survive it, whatever comes first", async () => {
  for (const moment of ["before", "after"] as const) {
    let deleteParent: (() => Promise<unknown>) | undefined;
    const { operations, as, storage } = await bench(
      all,
      {},
      (inner): Storage => ({
        ...inner,
        async commit(changes, context) {
          const isCreation = changes[0]?.kind === "put" && changes[0].key.resource === "positions";
          const run = isCreation ? deleteParent : undefined;
          if (run !== undefined) deleteParent = undefined;
          if (moment === "before") await run?.();
          const results = await inner.commit(changes, context);
          if (moment === "after") await run?.();
          return results;
        },
      }),
    );
    await operations(people).create(as(caller("account:vet", "vet")), list, { data: { id: "p" } });
    deleteParent = () => operations(people).delete(as(caller("account:vet", "vet")), { ...list, id: "p" }, {});
    const creation = () => operations(positions).create(as(caller("account:vet", "vet")), below("p"), { data: {} });
    if (moment === "before") await failure(creation, "route-not-found");
    else assert.equal((await creation()).kind, "created");
    const left = await Array.fromAsync(storage.scan("positions"));
    assert.deepEqual(left, []);
  }
});
