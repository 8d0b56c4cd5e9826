/** Conformance: permission entries of objects, groups and their members, and what a principal can reach. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { ServiceError } from "../../errors.ts";
import type { Filter } from "../filter.ts";
import type { Permissions, ReachableQuery } from "../permissions.ts";
import type { Change, ListKey, Storage } from "../storage.ts";
import { type ConformanceSubject, conflict, drop, people, put, remove, save, storageTest, things } from "./harness.ts";

const a = { ...things, id: "a" };
const members = (group: string, ...who: string[]): Change => ({ kind: "members", group, members: who });
const forget = (principal: string): Change => ({ kind: "forget", principal });

export function permissionTests(open: ConformanceSubject): void {
  storageTest(open, "an object has the entries it was put with, and none without", async ({ storage }) => {
    await storage.commit([put(things, "a", {}, { permissions: { read: ["ann"], write: ["bob"] } }), put(things, "b")]);
    assert.deepEqual(await storage.permissions.of(a), { read: ["ann"], write: ["bob"] });
    assert.deepEqual(await storage.permissions.of({ ...a, id: "b" }), {});
    assert.deepEqual(await storage.permissions.of({ ...a, id: "nobody" }), {});
    assert.deepEqual(await storage.permissions.of({ ...a, parent: "/elsewhere" }), {});
  });

  storageTest(open, "entries are kept in one form: sorted, each once, without empty lists", async ({ storage }) => {
    const permissions = { write: ["b", "\u{1f600}", "～", "a", "b"], read: [], "x:create": ["z"] };
    await save(storage, things, "a", {}, { permissions });
    const kept = await storage.permissions.of(a);
    assert.deepEqual(kept, { write: ["a", "b", "\u{1f600}", "～"], "x:create": ["z"] });
    assert.deepEqual(Object.keys(kept), ["write", "x:create"]);
  });

  storageTest(open, "names that objects have of themselves are names like others", async ({ storage }) => {
    const permissions = Object.fromEntries([
      ["toString", ["constructor"]],
      ["__proto__", ["__proto__"]],
    ]);
    await save(storage, things, "a", {}, { permissions });
    assert.deepEqual(await storage.permissions.of(a), permissions);
    await save(storage, things, "b", {}, { permissions: {} });
    const filter: Filter = { kind: "shared", permissions: ["toString", "__proto__"], principals: ["__proto__"] };
    assert.deepEqual(await found(storage, things, filter), ["a"]);
  });

  storageTest(open, "a put replaces all entries, or leaves them when it names none", async ({ storage }) => {
    await save(storage, things, "a", {}, { permissions: { read: ["ann", "bob"], write: ["ann"] } });
    await save(storage, things, "a", { n: 1 });
    assert.deepEqual(await storage.permissions.of(a), { read: ["ann", "bob"], write: ["ann"] });
    await save(storage, things, "a", {}, { permissions: { read: ["bob", "cy"] } });
    assert.deepEqual(await storage.permissions.of(a), { read: ["bob", "cy"] });
    await save(storage, things, "a", {}, { permissions: {} });
    assert.deepEqual(await storage.permissions.of(a), {});
  });

  storageTest(open, "entries belong to one object of one list", async ({ storage }) => {
    const other = { ...things, parent: "/p" };
    await storage.commit([
      put(things, "a", {}, { permissions: { read: ["ann"] } }),
      put(other, "a", {}, { permissions: { read: ["bob"] } }),
      put(people, "a", {}, { permissions: { read: ["cy"] } }),
    ]);
    await drop(storage, other, "a");
    assert.deepEqual(await storage.permissions.of(a), { read: ["ann"] });
    assert.deepEqual(await storage.permissions.of({ ...other, id: "a" }), {});
    assert.deepEqual(await storage.permissions.of({ ...people, id: "a" }), { read: ["cy"] });
  });

  storageTest(open, "entries go with the object; made again it has none", async ({ storage }) => {
    await save(storage, things, "a", {}, { permissions: { read: ["ann"] } });
    await drop(storage, things, "a");
    assert.deepEqual(await storage.permissions.of(a), {});
    assert.deepEqual(await reach(storage, { principals: ["ann"] }), []);
    await save(storage, things, "a");
    assert.deepEqual(await storage.permissions.of(a), {});
  });

  storageTest(open, "entries are erased with what is erased", async ({ storage }) => {
    const other = { ...things, parent: "/p" };
    const shared = { permissions: { read: ["ann"], write: ["ann", "bob"] } };
    await storage.commit([put(things, "a", {}, shared), put(things, "b", {}, shared), put(other, "c", {}, shared)]);
    await storage.erase([a]);
    assert.deepEqual(await reach(storage, { principals: ["ann"] }), [
      "things  b: read write",
      "things /p c: read write",
    ]);
    await storage.erase([{ resource: "things", parent: "/p" }]);
    assert.deepEqual(await reach(storage, { principals: ["ann", "bob"] }), ["things  b: read write"]);
    await storage.erase([{ resource: "things" }]);
    assert.deepEqual(await reach(storage, { principals: ["ann", "bob"] }), []);
    await save(storage, things, "a");
    assert.deepEqual(await storage.permissions.of(a), {});
  });

  storageTest(open, "a commit that fails changes no entry and no group", async ({ storage }) => {
    await storage.commit([put(things, "a", {}, { permissions: { read: ["ann"] } }), members("g", "ann")]);
    const failed = await conflict(
      storage.commit([
        put(things, "a", {}, { permissions: { write: ["bob"] } }),
        put(things, "b", {}, { permissions: { write: ["bob"] } }),
        members("g", "bob"),
        members("h", "ann"),
        forget("ann"),
        remove(things, "nothing"),
      ]),
    );
    assert.equal(failed.change, 5);
    assert.deepEqual(await storage.permissions.of(a), { read: ["ann"] });
    assert.deepEqual(await storage.permissions.of({ ...a, id: "b" }), {});
    assert.deepEqual(await groups(storage, "ann"), ["g"]);
    assert.deepEqual(await groups(storage, "bob"), []);
  });

  storageTest(open, "members are replaced; a group without any is forgotten", async ({ storage }) => {
    const results = await storage.commit([members("/g/1", "ann", "bob", "ann"), members("/g/2", "ann")]);
    assert.deepEqual(results, [{ kind: "members" }, { kind: "members" }]);
    assert.deepEqual(await groups(storage, "ann"), ["/g/1", "/g/2"]);
    await storage.commit([members("/g/1", "bob", "cy")]);
    assert.deepEqual(await groups(storage, "ann"), ["/g/2"]);
    assert.deepEqual(await groups(storage, "cy"), ["/g/1"]);
    await storage.commit([members("/g/1")]);
    for (const who of ["bob", "cy"]) assert.deepEqual(await groups(storage, who), []);
    assert.deepEqual(await groups(storage, "ann"), ["/g/2"]);
  });

  storageTest(open, "a member of hundreds of groups is told of each change of one", async ({ storage }) => {
    await storage.commit(Array.from({ length: 300 }, (_, n) => members(`g${n}`, "ann", "bob")));
    for (let n = 0; n < 5; n++) {
      assert.equal((await groups(storage, "ann")).length, 300 - n);
      assert.equal((await groups(storage, "ann")).length, 300 - n);
      const leave = () => storage.commit([members(`g${n}`, "bob")]);
      await (n % 2 === 0 ? leave() : storage.transaction(leave));
    }
    await storage.transaction(async () => {
      await storage.commit([members("g9", "bob"), forget("bob")]);
      assert.equal((await groups(storage, "ann")).length, 294);
    });
    assert.equal((await groups(storage, "ann")).length, 294);
    assert.deepEqual(await groups(storage, "bob"), []);
  });

  storageTest(open, "membership is direct: the members of a member are none of the group", async ({ storage }) => {
    await storage.commit([members("outer", "inner"), members("inner", "ann")]);
    assert.deepEqual(await groups(storage, "ann"), ["inner"]);
    assert.deepEqual(await groups(storage, "inner"), ["outer"]);
  });

  storageTest(open, "what was asked before a change is not answered after it", async ({ storage }) => {
    for (let round = 0; round < 5; round++) {
      await storage.commit([members("g", ...(round % 2 === 0 ? ["ann"] : ["bob"]))]);
      assert.deepEqual(await groups(storage, "ann"), round % 2 === 0 ? ["g"] : []);
      assert.deepEqual(await groups(storage, "bob"), round % 2 === 0 ? [] : ["g"]);
      await storage.transaction(async () => {
        await storage.commit([members("h", `in ${round}`)]);
        assert.deepEqual(await groups(storage, `in ${round}`), ["h"]);
      });
      assert.deepEqual(await groups(storage, `in ${round}`), ["h"]);
      assert.deepEqual(await groups(storage, `in ${round - 1}`), []);
      await storage
        .transaction(async () => {
          await storage.commit([members("h", "never")]);
          assert.deepEqual(await groups(storage, "never"), ["h"]);
          throw new Error("no");
        })
        .catch(() => {});
      assert.deepEqual(await groups(storage, "never"), []);
      assert.deepEqual(await groups(storage, `in ${round}`), ["h"]);
    }
  });

  storageTest(open, "a forgotten principal is struck out of every entry and every group", async ({ storage }) => {
    await storage.commit([
      put(things, "a", {}, { permissions: { read: ["ann", "bob"], write: ["ann"] } }),
      put(people, "b", {}, { permissions: { read: ["ann"] } }),
      members("g", "ann", "bob"),
      members("h", "ann"),
    ]);
    const before = await storage.timestamp(things);
    assert.deepEqual(await storage.commit([forget("ann")]), [{ kind: "forget" }]);
    assert.deepEqual(await storage.permissions.of(a), { read: ["bob"] });
    assert.deepEqual(await storage.permissions.of({ ...people, id: "b" }), {});
    assert.deepEqual(await groups(storage, "ann"), []);
    assert.deepEqual(await groups(storage, "bob"), ["g"]);
    assert.deepEqual(await reach(storage, { principals: ["ann"] }), []);
    assert.equal(await storage.timestamp(things), before, "the objects are as they were");
  });

  storageTest(open, "entries and groups are no entries of the log", async ({ storage }) => {
    await storage.commit([members("g", "ann"), forget("bob")]);
    assert.equal(await storage.position(), 0);
    await storage.commit([put(things, "a", { n: 1 }, { permissions: { read: ["secret"] } })]);
    const entries = await Array.fromAsync(storage.log());
    assert.equal(entries.length, 1);
    assert.doesNotMatch(JSON.stringify(entries), /secret/);
  });

  const long = "x".repeat(5_000);
  for (const [what, change] of Object.entries<Change>({
    "an empty principal": put(things, "a", {}, { permissions: { read: [""] } }),
    "a principal that is too long": put(things, "a", {}, { permissions: { read: [long] } }),
    "a lone surrogate in a principal": put(things, "a", {}, { permissions: { read: ["\ud800"] } }),
    "a null character in a principal": put(things, "a", {}, { permissions: { read: ["a\0b"] } }),
    "a principal that is no text": put(things, "a", {}, { permissions: { read: [7 as unknown as string] } }),
    "a permission without a name": put(things, "a", {}, { permissions: { "": ["ann"] } }),
    "a permission whose name is too long": put(things, "a", {}, { permissions: { [long]: ["ann"] } }),
    "a member that is no principal": members("g", "a\0"),
    "a group that is none": members(""),
    "forgetting nobody": forget(""),
  })) {
    storageTest(open, `refuses ${what}, and the whole commit with it`, async ({ storage }) => {
      await assert.rejects(
        storage.commit([put(things, "with it"), change]),
        (error) => ServiceError.is(error) && error.code === "invalid-parameters",
      );
      assert.equal(await storage.count(things), 0);
    });
  }

  storageTest(
    open,
    "answers what principals reach, each object once, by resource, parent and id",
    async ({ storage }) => {
      await storage.commit([
        put(things, "b", {}, { permissions: { write: ["ann", "bob"], read: ["ann"] } }),
        put(things, "a", {}, { permissions: { read: ["bob"] } }),
        put({ ...things, parent: "/p" }, "a", {}, { permissions: { read: ["ann"] } }),
        put(people, "z", {}, { permissions: { read: ["ann"] } }),
        put(people, "y", {}, { permissions: { read: ["cy"] } }),
        put({ resource: "names", parent: "" }, "n", {}, { permissions: { "x:create": ["bob"] } }),
      ]);
      assert.deepEqual(await reach(storage, { principals: ["ann", "bob"] }), [
        "names  n: x:create",
        "people  z: read",
        "things  a: read",
        "things  b: read write",
        "things /p a: read",
      ]);
      assert.deepEqual(await reach(storage, { principals: ["bob", "nobody", "bob"] }), [
        "names  n: x:create",
        "things  a: read",
        "things  b: write",
      ]);
      assert.deepEqual(await reach(storage, { principals: [] }), []);
      assert.deepEqual(await reach(storage, { principals: ["ann"], resources: [] }), []);
      assert.deepEqual(await reach(storage, { principals: ["ann", "cy"], resources: ["people", "names"] }), [
        "people  y: read",
        "people  z: read",
      ]);
    },
  );

  storageTest(open, "reaches one list, or every list below a path", async ({ storage }) => {
    for (const parent of ["", "/b", "/b/", "/b/1", "/b/1/c/2", "/b0", "/b\u{10ffff}", "/c/1"]) {
      await save(storage, { ...things, parent }, "x", {}, { permissions: { read: ["ann"] } });
    }
    const parents = async (parent: string) =>
      (await reach(storage, { principals: ["ann"], parent })).map((line) => line.split(" ")[1]);
    assert.deepEqual(await parents(""), [""]);
    assert.deepEqual(await parents("/b"), ["/b"]);
    assert.deepEqual(await parents("/b/"), ["/b/", "/b/1", "/b/1/c/2"]);
    assert.deepEqual(await parents("/b/1/c/"), ["/b/1/c/2"]);
    assert.deepEqual(await parents("/nothing/"), []);
  });

  storageTest(
    open,
    "reaches thousands of objects in pages, in order, none twice and none left out",
    async ({ storage }) => {
      const count = 4_500;
      await storage.commit(
        Array.from({ length: count }, (_, n) =>
          put(
            { ...things, parent: `/${n % 3}` },
            `a${n}`,
            {},
            {
              permissions: { read: ["ann", "bob"], ...(n % 2 === 0 ? { write: ["bob"] } : {}) },
            },
          ),
        ),
      );
      const all = await Array.fromAsync(storage.permissions.reachable({ principals: ["ann", "bob"] }));
      assert.equal(all.length, count);
      const names = all.map(({ key }) => `${key.parent} ${key.id}`);
      assert.deepEqual(names, names.toSorted());
      for (const { key, permissions } of all) {
        assert.deepEqual(permissions, Number(key.id.slice(1)) % 2 === 0 ? ["read", "write"] : ["read"]);
      }
      assert.equal((await Array.fromAsync(storage.permissions.reachable({ principals: ["ann"] }))).length, count);
      for await (const { key } of storage.permissions.reachable({ principals: ["ann"] })) {
        assert.equal(key.id, names[0]?.slice(3));
        break;
      }
    },
  );

  storageTest(open, "reaching inside of a transaction sees its own entries", async ({ storage }) => {
    await save(storage, things, "a", {}, { permissions: { read: ["ann"] } });
    await storage.transaction(async () => {
      await storage.commit([put(things, "b", {}, { permissions: { read: ["ann"] } }), remove(things, "a")]);
      assert.deepEqual(await reach(storage, { principals: ["ann"] }), ["things  b: read"]);
      assert.deepEqual(await found(storage, things, shared(["read"], ["ann"])), ["b"]);
    });
  });

  storageTest(open, "a list is filtered to what is shared", async ({ storage }) => {
    await storage.commit([
      put(things, "a", { n: 1 }, { permissions: { read: ["ann"] }, owner: "o" }),
      put(things, "b", { n: 2 }, { permissions: { write: ["ann"] } }),
      put(things, "c", { n: 3 }, { permissions: { read: ["bob"], write: ["cy"] } }),
      put(things, "d", { n: 4 }, { owner: "o" }),
      put({ ...things, parent: "/p" }, "d", { n: 5 }, { permissions: { read: ["ann"] } }),
      put(people, "d", {}, { permissions: { read: ["ann"] } }),
    ]);
    const find = (filter: Filter) => found(storage, things, filter);
    assert.deepEqual(await find(shared(["read"], ["ann"])), ["a"]);
    assert.deepEqual(await find(shared(["read", "write"], ["ann", "bob"])), ["a", "b", "c"]);
    assert.deepEqual(await find(shared(["write"], ["bob"])), []);
    assert.deepEqual(await find(shared([], ["ann"])), []);
    assert.deepEqual(await find(shared(["read"], [])), []);
    const owner: Filter = { kind: "owner", owner: "o" };
    const large: Filter = { kind: "compare", field: "n", operator: "ge", value: 2 };
    assert.deepEqual(await find({ kind: "or", filters: [shared(["write"], ["cy"]), owner] }), ["a", "c", "d"]);
    assert.deepEqual(await find({ kind: "and", filters: [shared(["read", "write"], ["ann"]), large] }), ["b"]);
    assert.deepEqual(await find({ kind: "not", filter: shared(["read"], ["ann"]) }), ["b", "c", "d"]);
  });

  storageTest(open, "a filter to what is shared matches no tombstone, but its negation does", async ({ storage }) => {
    await storage.commit([put(things, "a", {}, { permissions: { read: ["ann"] } }), put(things, "b")]);
    await drop(storage, things, "a");
    await drop(storage, things, "b");
    await save(storage, things, "c", {}, { permissions: { read: ["ann"] } });
    const list = async (filter: Filter) =>
      (
        await storage.list(things, {
          filter,
          sort: [{ field: "id", direction: "ascending" }],
          limit: 9,
          tombstones: true,
        })
      ).map(({ id }) => id);
    assert.deepEqual(await list(shared(["read"], ["ann"])), ["c"]);
    assert.deepEqual(await list({ kind: "not", filter: shared(["read"], ["ann"]) }), ["a", "b"]);
    assert.deepEqual(
      await list({
        kind: "or",
        filters: [shared(["read"], ["ann"]), { kind: "compare", field: "deleted", operator: "eq", value: true }],
      }),
      ["a", "b", "c"],
    );
  });

  storageTest(open, "what is shared is found over all parents by a scan", async ({ storage }) => {
    await storage.commit([
      put(things, "x", {}, { permissions: { read: ["ann"] } }),
      put({ ...things, parent: "/p" }, "x", {}, {}),
      put({ ...things, parent: "/p" }, "y", {}, { permissions: { read: ["ann"] } }),
    ]);
    const scanned = await Array.fromAsync(storage.scan("things", { filter: shared(["read"], ["ann"]) }));
    assert.deepEqual(
      scanned.map(({ parent, id }) => `${parent} ${id}`),
      [" x", "/p y"],
    );
  });

  storageTest(open, "pages of what is shared show every object once, in any order", async ({ storage }) => {
    await storage.commit(
      Array.from({ length: 60 }, (_, n) =>
        put(things, `a${n}`, { n: n % 7 }, { permissions: n % 3 === 0 ? {} : { read: [n % 2 === 0 ? "ann" : "g"] } }),
      ),
    );
    const filter = shared(["read", "write"], ["ann", "g"]);
    for (const field of ["n", "last_modified"]) {
      for (const direction of ["ascending", "descending"] as const) {
        const sort = [{ field, direction } as const, { field: "id", direction } as const];
        const seen: string[] = [];
        let after: (string | number)[] | undefined;
        for (;;) {
          const page = await storage.list(things, {
            filter,
            sort,
            limit: 7,
            ...(after === undefined ? {} : { after }),
          });
          seen.push(...page.map(({ id }) => id));
          const last = page[page.length - 1];
          if (last?.kind !== "object") break;
          after = [field === "n" ? Number(JSON.parse(last.body).n) : last.revision, last.id];
        }
        assert.equal(seen.length, 40);
        assert.equal(new Set(seen).size, 40);
      }
    }
    assert.equal(await storage.count(things, filter), 40);
  });

  storageTest(open, "thousands of principals are no more than a few", async ({ storage }) => {
    await storage.commit([
      put(things, "a", {}, { permissions: { read: ["group 4999"] } }),
      put(things, "b", {}, { permissions: { read: ["else"] } }),
    ]);
    const principals = Array.from({ length: 5_000 }, (_, n) => `group ${n}`);
    assert.deepEqual(await found(storage, things, shared(["read"], principals)), ["a"]);
    assert.deepEqual(await reach(storage, { principals }), ["things  a: read"]);
  });

  storageTest(open, "random changes leave the entries and groups that a plain model has", async ({ storage }) => {
    let round = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const prefix = `r${round++} `;
        const list = { ...things, parent: prefix };
        const entries = new Map<string, Permissions>();
        const memberships = new Map<string, Set<string>>();
        for (const { kind, id, who, permissions } of steps) {
          const named = who.map((name) => prefix + name);
          const first = named[0] ?? `${prefix}ann`;
          if (kind === "put") {
            const own = Object.fromEntries(
              Object.entries(permissions).map(([name, list]) => [name, list.map((one) => prefix + one)]),
            );
            await save(storage, list, id, {}, { permissions: own });
            entries.set(id, own);
          } else if (kind === "touch" && entries.has(id)) {
            await save(storage, list, id, { n: 1 });
          } else if (kind === "delete" && entries.delete(id)) {
            await drop(storage, list, id);
          } else if (kind === "members") {
            await storage.commit([members(prefix + id, ...named)]);
            memberships.set(prefix + id, new Set(named));
          } else if (kind === "forget") {
            await storage.commit([forget(first)]);
            for (const set of memberships.values()) set.delete(first);
            for (const [key, own] of entries) {
              entries.set(
                key,
                Object.fromEntries(
                  Object.entries(own).map(([name, list]) => [name, list.filter((one) => one !== first)]),
                ),
              );
            }
          }
        }
        for (const id of ids) {
          const expected = Object.entries(entries.get(id) ?? {})
            .filter(([, list]) => list.length > 0)
            .map(([name, list]) => [name, [...new Set(list)].sort()]);
          assert.deepEqual(await storage.permissions.of({ ...list, id }), Object.fromEntries(expected));
        }
        for (const name of names) {
          const who = prefix + name;
          assert.deepEqual(
            await groups(storage, who),
            [...memberships]
              .filter(([, set]) => set.has(who))
              .map(([group]) => group)
              .sort(),
          );
          const reached = [...entries]
            .map(([id, own]) => ({ id, names: Object.keys(own).filter((key) => own[key]?.includes(who)) }))
            .filter((one) => one.names.length > 0)
            .map((one) => `things ${prefix} ${one.id}: ${one.names.sort().join(" ")}`)
            .sort();
          assert.deepEqual(await reach(storage, { principals: [who] }), reached);
          assert.deepEqual(
            await found(storage, list, shared(["read"], [who])),
            [...entries]
              .filter(([, own]) => own.read?.includes(who))
              .map(([id]) => id)
              .sort(),
          );
        }
      }),
      { numRuns: Number(process.env.CONFORMANCE_RUNS ?? 40) },
    );
  });
}

const ids = ["a", "b", "c"];
const names = ["ann", "bob", "cy"];
const step = fc.record({
  kind: fc.constantFrom("put", "put", "touch", "delete", "members", "forget"),
  id: fc.constantFrom(...ids),
  who: fc.subarray(names),
  permissions: fc.dictionary(
    fc.constantFrom("read", "write", "x:create"),
    fc.array(fc.constantFrom(...names), { maxLength: 3 }),
    { maxKeys: 3, noNullPrototype: true },
  ),
});

function shared(permissions: readonly string[], principals: readonly string[]): Filter {
  return { kind: "shared", permissions, principals };
}

async function found(storage: Storage, list: ListKey, filter: Filter): Promise<string[]> {
  const sort = [{ field: "id", direction: "ascending" }] as const;
  const entries = await storage.list(list, { filter, sort, limit: 1_000 });
  assert.equal(await storage.count(list, filter), entries.length);
  return entries.map(({ id }) => id);
}

async function groups(storage: Storage, member: string): Promise<string[]> {
  return [...(await storage.permissions.groupsOf(member))].sort();
}

/** As lines "resource parent id: permissions". */
async function reach(storage: Storage, query: ReachableQuery): Promise<string[]> {
  const lines: string[] = [];
  for await (const { key, permissions } of storage.permissions.reachable(query)) {
    lines.push(`${key.resource} ${key.parent} ${key.id}: ${permissions.join(" ")}`);
  }
  return lines;
}
