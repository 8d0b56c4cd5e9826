/** What holds for any permissions on any objects: to give takes nothing away, what is above counts below, lists show what may be got. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Principal } from "../../principal.ts";
import type { ObjectKey, Permissions } from "../../storage/storage.ts";
import { type Bench, nobodyKnown } from "../testing.ts";
import {
  benchOn,
  keys,
  listOf,
  type Name,
  names,
  outcome,
  person,
  seed,
  storages,
  targetOf,
  treeOf,
} from "./testing.ts";

const tree = treeOf();
const groups = ["/buckets/b/groups/g", "/buckets/b/groups/h"] as const;
const people = ["account:ann", "account:bob"] as const;
const callers: readonly Principal[] = [nobodyKnown, person("account:ann"), person("account:bob", "service:gate")];

/** Two objects of each list, so that what is shared can differ from what is not. */
const objects: readonly ObjectKey[] = names.flatMap((name) => [keys[name], { ...keys[name], id: `${keys[name].id}2` }]);
const known: Readonly<Record<Name, readonly string[]>> = {
  bucket: ["read", "write", "collection:create", "group:create"],
  collection: ["read", "write", "record:create"],
  group: ["read", "write"],
  record: ["read", "write"],
};

const principals = fc.constantFrom("system.Everyone", "system.Authenticated", "service:gate", ...people, ...groups);
interface Entry {
  readonly object: number;
  readonly permission: number;
  readonly to: string;
}
const entry = fc.record<Entry>({ object: fc.nat(objects.length - 1), permission: fc.nat(3), to: principals });
const memberships = fc.array(fc.tuple(fc.constantFrom(...groups), fc.constantFrom(...people, "service:gate")), {
  maxLength: 3,
});
type World = { readonly entries: readonly Entry[]; readonly members: readonly (readonly [string, string])[] };
const world = fc.record({ entries: fc.array(entry, { maxLength: 6 }), members: memberships });

function entriesOf(index: number, entries: readonly Entry[]): Permissions {
  const found: Record<string, string[]> = {};
  for (const { object, permission, to } of entries) {
    if (object !== index) continue;
    const options = known[(objects[index]?.resource ?? "bucket") as Name];
    const name = options[permission % options.length] ?? "read";
    found[name] = [...(found[name] ?? []), to];
  }
  return found;
}

async function build({ storage }: Bench, { entries, members }: World): Promise<void> {
  await storage.commit(
    groups.map((group) => ({
      kind: "members" as const,
      group,
      members: members.filter(([of]) => of === group).map(([, member]) => member),
    })),
  );
  await seed(
    storage,
    objects.map((key, index) => [key, entriesOf(index, entries)] as const),
  );
}

/** Everything that the caller may, as texts; nothing is changed by asking. */
async function powers(made: Bench, principal: Principal): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  const { as, operations } = made;
  const add = async (what: string, work: () => unknown): Promise<void> => {
    const code = await outcome(work);
    if (code === "allowed" || code === "precondition-failed") found.add(what);
  };
  for (const key of objects) {
    const one = operations(tree[key.resource as Name]);
    const name = `${key.resource} ${key.id}`;
    const patch = { kind: "merge", data: { n: 1 } } as const;
    await add(`get ${name}`, () => one.get(as(principal), targetOf(key), {}));
    await add(`write ${name}`, () => one.patch(as(principal), targetOf(key), { patch, ifMatch: 1 }));
    await add(`delete ${name}`, () => one.delete(as(principal), targetOf(key), { ifMatch: 1 }));
  }
  for (const name of names)
    await add(`create ${name}`, () =>
      operations(tree[name]).replace(as(principal), targetOf(keys[name], "new"), { data: {}, ifMatch: 1 }),
    );
  return found;
}

async function listed(made: Bench, name: Name, principal: Principal): Promise<readonly string[]> {
  try {
    const page = await made.operations(tree[name]).list(made.as(principal), listOf(keys[name]), {});
    return page.kind === "page" ? page.items.map((item) => `get ${name} ${JSON.parse(item).id}`).sort() : [];
  } catch {
    return [];
  }
}

for (const kind of storages)
  describe(`laws of sharing (${kind})`, () => {
    const runs = { numRuns: kind === "memory" ? 150 : 40 };

    test("to give somebody a permission takes nothing from anybody", async (context) => {
      const made = await benchOn(kind, context, tree.all);
      await fc.assert(
        fc.asyncProperty(world, entry, fc.constantFrom(...callers), async (before, given, principal) => {
          await build(made, before);
          const had = await powers(made, principal);
          await build(made, { ...before, entries: [...before.entries, given] });
          const has = await powers(made, principal);
          assert.deepEqual([...had.difference(has)], []);
        }),
        runs,
      );
    });

    test("a list shows exactly what its caller may get, and counts it", async (context) => {
      const made = await benchOn(kind, context, tree.all);
      await fc.assert(
        fc.asyncProperty(world, fc.constantFrom(...callers), async (before, principal) => {
          await build(made, before);
          const may = await powers(made, principal);
          for (const name of names) {
            const expected = [...may].filter((power) => power.startsWith(`get ${name} `)).sort();
            assert.deepEqual(await listed(made, name, principal), expected);
          }
        }),
        runs,
      );
    });

    test("what may be done above may be done below: write implies everything, read implies read", async (context) => {
      const made = await benchOn(kind, context, tree.all);
      const below: Readonly<Record<string, readonly string[]>> = {
        "bucket b": ["collection c", "collection c2", "group g", "group g2"],
        "collection c": ["record r", "record r2"],
      };
      await fc.assert(
        fc.asyncProperty(world, fc.constantFrom(...callers), async (before, principal) => {
          await build(made, before);
          const may = await powers(made, principal);
          for (const [above, children] of Object.entries(below))
            for (const child of children) {
              if (may.has(`write ${above}`))
                for (const what of ["get", "write", "delete"])
                  assert.ok(may.has(`${what} ${child}`), `${what} ${child}`);
            }
          if (may.has("write bucket b"))
            for (const name of ["collection", "group", "record"]) assert.ok(may.has(`create ${name}`), name);
          if (may.has("write collection c")) assert.ok(may.has("create record"));
          for (const power of may)
            if (power.startsWith("write "))
              assert.ok(may.has(power.replace("write", "get")) && may.has(power.replace("write", "delete")));
        }),
        runs,
      );
    });

    test("explain says of each permission what asking for it says, and names only what grants it", async (context) => {
      const made = await benchOn(kind, context, tree.all);
      const owner = person("account:owner");
      await fc.assert(
        fc.asyncProperty(world, fc.constantFrom("account:ann", "account:bob"), async (before, name) => {
          const bucketOwner: Entry = { object: 0, permission: 1, to: "account:owner" };
          await build(made, { ...before, entries: [bucketOwner, ...before.entries] });
          const may = await powers(made, person(name));
          for (const key of objects) {
            // What lies in the other bucket is not the owner's.
            if (key.resource === "bucket" && key.id === "b2") continue;
            const one = made.operations(tree[key.resource as Name]);
            for (const [permission, power] of [
              ["read", "get"],
              ["write", "write"],
            ] as const) {
              const said = await one.explain(made.as(owner), targetOf(key), { permission, principal: name });
              assert.equal(said.allowed, may.has(`${power} ${key.resource} ${key.id}`), JSON.stringify(said));
              assert.equal(said.allowed, said.because.length > 0);
            }
          }
        }),
        runs,
      );
    });
  });
