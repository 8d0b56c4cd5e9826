import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { manualClock } from "../../clock.ts";
import { openStorage } from "../open.ts";
import { startTestStores, type TestStores, withoutPostgres } from "../postgres/test-stores.ts";
import type { Change, ListDefinition, Permissions, Storage } from "../storage.ts";
import { type Verified, type VerifyOptions, verifyStorage } from "./verify.ts";

const definitions: readonly ListDefinition[] = [
  { resource: "things", indexes: [["n"]], unique: [] },
  { resource: "people", indexes: [], unique: [["email"], ["first", "last"]] },
  { resource: "names", indexes: [], unique: [["name"]], uniqueAcrossParents: true },
];
const things = { resource: "things", parent: "" };
const people = { resource: "people", parent: "" };

interface Subject {
  readonly storage: Storage;
  /** The same store, opened as it is. */
  asFound(): Promise<Storage>;
  /** Runs SQL behind the storage's back. */
  sql(...statements: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

const verify = (storage: Storage, options: VerifyOptions = {}) => verifyStorage(storage, { definitions, ...options });

function assertClean(verified: Verified): void {
  assert.deepEqual(verified.violations, []);
  assert.equal(verified.complete, true);
}

function put(key: { resource: string; parent: string }, id: string, body: object = {}, more: object = {}): Change {
  return { kind: "put", key: { ...key, id }, body: JSON.stringify(body), expect: { kind: "any" }, ...more };
}

/** Some of everything. */
async function fill(storage: Storage): Promise<void> {
  const context = { principal: "account:ann", requestId: "r1" };
  await storage.commit(
    ["a", "b", "c", "d"].map((id, n) => put(things, id, { n }, { permissions: { read: ["account:ann", "group:g"] } })),
    context,
  );
  await storage.commit([put(things, "a", { n: 7 })], context);
  await storage.commit([put({ ...things, parent: "p" }, "a", { n: 1 }, { logBody: false })], context);
  await storage.commit([
    put(people, "x", { email: "x@example.org", first: "X", last: "Y" }),
    put(people, "y", { email: "y@example.org" }),
  ]);
  await storage.commit([
    put({ resource: "names", parent: "1" }, "n", { name: "one" }),
    put({ resource: "names", parent: "2" }, "m", { name: "two" }),
  ]);
  await storage.commit([{ kind: "delete", key: { ...things, id: "b" }, expect: { kind: "any" } }], context);
  await storage.commit([{ kind: "delete", key: { ...things, id: "c" }, expect: { kind: "any" } }], context);
  await storage.commit([
    { kind: "members", group: "group:g", members: ["account:ann", "account:bob"] },
    { kind: "event", key: { ...things, id: "a" }, type: "seen", data: {} },
  ]);
}

function suite(
  name: string,
  open: () => Promise<Subject>,
  { durable, amcheck }: { durable: boolean; amcheck: boolean },
): void {
  const with_ = async (run: (subject: Subject) => Promise<void>) => {
    const subject = await open();
    try {
      await subject.storage.define(definitions);
      await run(subject);
    } finally {
      await subject.close();
    }
  };

  test(`${name}: a store with some of everything verifies, and is counted`, () =>
    with_(async ({ storage }) => {
      await fill(storage);
      const verified = await verify(storage);
      assertClean(verified);
      const { objects, tombstones, lists, groups, logEntries, position, erased } = verified;
      assert.deepEqual(
        { objects, tombstones, lists, groups, logEntries, erased },
        { objects: 7, tombstones: 2, lists: 5, groups: 1, logEntries: 13, erased: 0 },
      );
      assert.equal(position, await storage.position());
    }));

  test(`${name}: what was purged, erased, emptied out or filled from a copy verifies`, () =>
    with_(async ({ storage }) => {
      await fill(storage);
      await storage.purgeTombstones(things, await storage.timestamp(things));
      assertClean(await verify(storage));
      await storage.erase([{ resource: "things", parent: "", id: "a" }, { resource: "people" }]);
      const verified = await verify(storage);
      assertClean(verified);
      assert.ok(verified.erased >= 3);
      await storage.commit([put(things, "a", { n: 9 })]);
      await storage.flush();
      assertClean(await verify(storage));
      await fill(storage);
      await storage.commit([
        { kind: "tombstone", key: { ...things, id: "copied" }, revision: 77 },
        { kind: "list", key: { ...things, parent: "copied" }, revision: 88, purged: 5 },
      ]);
      assertClean(await verify(storage));
    }));

  test(`${name}: whatever is done with a store, it verifies, in one pass or in many`, async () => {
    const runs = Number(process.env.VERIFY_RUNS ?? (durable ? 12 : 100));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) =>
        with_(async ({ storage }) => {
          for (const each of steps) await take(storage, each);
          assertClean(await verify(storage));
          assertClean(await verify(storage, { keysAtOnce: 3 }));
        }),
      ),
      { numRuns: runs },
    );
  });

  test(`${name}: a store that others write verifies`, () =>
    with_(async ({ storage }) => {
      let busy = true;
      const writing = Array.from({ length: 4 }, async (_, lane) => {
        for (let n = 0; busy; n++) {
          const id = `${lane}-${n % 20}`;
          if (n % 7 === 6)
            await storage.commit([{ kind: "delete", key: { ...things, id }, expect: { kind: "any" } }]).catch(() => {});
          else await storage.commit([put(things, id, { n }), put(people, id, { email: `${id}@example.org` })]);
          // Writes in memory end before anybody else has a turn.
          await new Promise(setImmediate);
          if (n % 40 === 39) await storage.purgeTombstones(things, (await storage.timestamp(things)) - 20);
        }
      });
      for (let round = 0; round < 5; round++) assertClean(await verify(storage));
      busy = false;
      await Promise.all(writing);
      assertClean(await verify(storage));
    }));

  if (!durable) return;

  test(`${name}: each kind of damage is found and named`, async () => {
    for (const { what, statements, rule, message, id } of damages(name)) {
      await with_(async ({ storage, sql, asFound }) => {
        await fill(storage);
        await storage.close();
        await sql(...statements);
        await using found = await asFound();
        const { violations, complete } = await verify(found);
        assert.ok(violations.length >= 1, `${what}: nothing was found`);
        const named = violations.find((each) => each.rule === rule && message.test(each.message));
        assert.ok(named !== undefined, `${what}: ${JSON.stringify(violations)}`);
        assert.equal(named.id, id, what);
        assert.ok(complete);
      });
    }
  });

  test(`${name}: it ends when it has found enough`, () =>
    with_(async ({ storage, sql, asFound }) => {
      await storage.commit(Array.from({ length: 50 }, (_, n) => put(things, `t${n}`, { n })));
      await storage.close();
      await sql("UPDATE objects_1 SET revision = revision + 1000");
      await using found = await asFound();
      const { violations, complete } = await verify(found, { most: 10 });
      assert.equal(violations.length, 10);
      assert.equal(complete, false);
    }));

  test(`${name}: as it is found, a store is not changed, and one that is not there is not made`, () =>
    with_(async ({ storage, asFound }) => {
      await fill(storage);
      await storage.close();
      await using found = await asFound();
      await found.define([{ resource: "things", indexes: [], unique: [["n"]] }]);
      assert.equal(
        (
          await found.list(things, {
            filter: { kind: "compare", field: "n", operator: "eq", value: 7 },
            sort: [],
            limit: 5,
          })
        ).length,
        1,
      );
      assertClean(await verifyStorage(found));
    }));

  test(
    `${name}: an index that disagrees with its table is found`,
    { skip: !amcheck && name === "postgres" ? "the server has no amcheck" : false },
    () =>
      with_(async ({ storage, sql, asFound }) => {
        await fill(storage);
        await storage.close();
        if (name === "sqlite") {
          await sql(
            "UPDATE sqlite_schema SET sql = replace(sql, '(parent, revision)', '(parent, revision DESC)') WHERE name = 'objects_1_revision'",
          );
        } else {
          await sql(
            "CREATE EXTENSION IF NOT EXISTS amcheck",
            "UPDATE pg_index SET indisready = false WHERE indexrelid = 'objects_1_revision'::regclass",
            "INSERT INTO objects_1 (parent, id, revision, body) VALUES ('', 'hidden', 12345, '{}')",
            "UPDATE pg_index SET indisready = true WHERE indexrelid = 'objects_1_revision'::regclass",
          );
        }
        await using found = await asFound();
        const { violations } = await verify(found);
        assert.ok(
          violations.some(({ rule, message }) => rule === "backend" && /index/.test(message)),
          JSON.stringify(violations),
        );
      }),
  );
}

interface Damage {
  readonly what: string;
  readonly statements: readonly string[];
  readonly rule: string;
  readonly message: RegExp;
  readonly id?: string;
}

function damages(name: string): readonly Damage[] {
  const isSqlite = name === "sqlite";
  const grouping = isSqlite ? "grouping" : "grouping_name";
  const tombstones = isSqlite ? "tombstones" : "objects_1";
  const dead = isSqlite ? "" : " AND body IS NULL";
  return [
    {
      what: "an object is lost",
      statements: ["DELETE FROM objects_1 WHERE parent = '' AND id = 'd'", "DELETE FROM aces WHERE id = 'd'"],
      ...{ rule: "state", message: /is gone, though entry 4 of the log has it/, id: "d" },
    },
    {
      what: "a body is another",
      statements: [`UPDATE objects_1 SET body = '{"n":8}' WHERE parent = '' AND id = 'a'`],
      ...{ rule: "state", message: /has another body than in entry 5/, id: "a" },
    },
    {
      what: "a revision is another",
      statements: ["UPDATE objects_1 SET revision = 7 WHERE parent = '' AND id = 'a'"],
      ...{ rule: "state", message: /has revision 7, in entry 5 of the log/, id: "a" },
    },
    {
      what: "an object that the log does not know",
      statements: ["INSERT INTO objects_1 (parent, id, revision, body) VALUES ('', 'ghost', 5, '{}')"],
      ...{ rule: "state", message: /the log knows nothing of it/, id: "ghost" },
    },
    {
      what: "a deletion that was not made",
      statements: [
        isSqlite
          ? "INSERT INTO objects_1 (parent, id, revision, body) VALUES ('', 'c', 5, '{}')"
          : "UPDATE objects_1 SET body = '{}', revision = 5 WHERE parent = '' AND id = 'c'",
        ...(isSqlite ? ["DELETE FROM tombstones WHERE id = 'c'"] : []),
      ],
      ...{ rule: "state", message: /is there, though entry 12 of the log deletes it|is there, though/, id: "c" },
    },
    {
      what: "a tombstone is lost",
      statements: [`DELETE FROM ${tombstones} WHERE id = 'c'${dead}`],
      ...{ rule: "state", message: /has no tombstone, though/, id: "c" },
    },
    {
      what: "a tombstone of another revision",
      statements: [`UPDATE ${tombstones} SET revision = 9 WHERE id = 'c'${dead}`],
      ...{ rule: "state", message: /has a tombstone of revision 9/, id: "c" },
    },
    {
      what: "an entry of the log is lost at its end",
      statements: ["DELETE FROM log WHERE id IN ('n', 'm')"],
      ...{ rule: "state", message: /the log knows nothing of it/, id: "n" },
    },
    {
      what: "an entry of the log is lost in between",
      statements: ["DELETE FROM log WHERE position = 1"],
      ...{ rule: "state", message: /updates what is not there/, id: "a" },
    },
    {
      what: "the log creates twice",
      statements: ["UPDATE log SET action = 'create' WHERE action = 'update'"],
      ...{ rule: "state", message: /creates what is there/, id: "a" },
    },
    {
      what: "the log is of what the store does not know",
      statements: ["UPDATE log SET resource = 'stranger' WHERE position = 4"],
      ...{ rule: "log", message: /entry 4 of the log is of a resource/ },
    },
    {
      what: "two entries share a revision",
      statements: [
        "UPDATE objects_1 SET revision = (SELECT revision FROM objects_1 WHERE parent = '' AND id = 'a') WHERE parent = '' AND id = 'd'",
      ],
      ...{ rule: "revision", message: /shares revision/, id: "d" },
    },
    {
      what: "a list is behind its entries",
      statements: ["UPDATE lists SET revision = 3 WHERE resource = 'things' AND parent = 'p'"],
      ...{ rule: "revision", message: /the list has revision 3/ },
    },
    {
      what: "a value is not unique",
      statements: [`UPDATE objects_2 SET body = '{"email":"x@example.org"}' WHERE id = 'y'`],
      ...{ rule: "unique", message: /shares its value of email/, id: "y" },
    },
    {
      what: "a value is not unique over all parents",
      statements: [`UPDATE objects_3 SET body = '{"name":"one"}' WHERE id = 'm'`],
      ...{ rule: "unique", message: /shares its value of name/, id: "m" },
    },
    {
      what: "permission entries of what is gone",
      statements: [
        "INSERT INTO aces (principal, resource, parent, id, permission) VALUES ('account:eve', 'things', '', 'nobody', 'write')",
      ],
      ...{ rule: "permissions", message: /has permission entries, and is not there/, id: "nobody" },
    },
    {
      what: "permission entries of what was deleted",
      statements: [
        "INSERT INTO aces (principal, resource, parent, id, permission) VALUES ('account:eve', 'things', '', 'c', 'write')",
      ],
      ...{ rule: "permissions", message: /is deleted, and has permission entries/, id: "c" },
    },
    {
      what: "a member without a name",
      statements: [`INSERT INTO members (member, ${grouping}) VALUES ('', 'group:g')`],
      ...{ rule: "groups", message: /group:g has an empty member/ },
    },
    ...(isSqlite
      ? [
          {
            what: "a body that is no JSON",
            // What SQLite takes for JSON is more than that.
            statements: ["UPDATE objects_1 SET body = '{n:1}' WHERE parent = 'p'"],
            ...{ rule: "body", message: /no JSON object/, id: "a" },
          },
          {
            what: "an object beside its tombstone",
            statements: ["INSERT INTO tombstones VALUES ('things', '', 'd', 99)"],
            ...{ rule: "backend", message: /is there twice/, id: "d" },
          },
        ]
      : [
          {
            what: "a member twice",
            statements: [`INSERT INTO members (member, ${grouping}) VALUES ('account:ann', 'group:g')`],
            ...{ rule: "groups", message: /twice/ },
          },
          {
            what: "an index that was never finished",
            statements: ["UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'objects_1_revision'::regclass"],
            ...{ rule: "backend", message: /the index objects_1_revision is not usable/ },
          },
        ]),
  ];
}

// Random operations.

const step = fc.record({
  kind: fc.constantFrom(
    ...([
      "put",
      "put",
      "put",
      "wish",
      "delete",
      "delete",
      "batch",
      "taken back",
      "members",
      "forget",
      "event",
    ] as const),
    ...(["purge", "erase", "erase list", "flush", "tombstone", "unlogged", "back in time"] as const),
  ),
  resource: fc.constantFrom("things", "people", "names"),
  parent: fc.constantFrom("", "p/1"),
  id: fc.constantFrom("a", "b", "c", "d\0", "é"),
  value: fc.nat(6),
  principal: fc.constantFrom("ann", "bob"),
});

const clock = manualClock();

async function take(storage: Storage, each: typeof step extends fc.Arbitrary<infer S> ? S : never): Promise<void> {
  const { kind, resource, parent, id, value, principal } = each;
  const list = { resource, parent };
  const body = { n: value, email: `${value}`, name: `${value}` };
  const permissions: Permissions = value % 2 === 0 ? { read: [principal] } : {};
  const context = value % 3 === 0 ? {} : { principal };
  const now = await storage.timestamp(list);
  const commit = (...changes: readonly Change[]) => storage.commit(changes, context);
  try {
    if (kind === "put") await commit(put(list, id, body, { permissions }));
    else if (kind === "unlogged") await commit(put(list, id, body, { logBody: false }));
    else if (kind === "wish") await commit(put(list, id, body, { revision: now + value * 100 - 300 }));
    else if (kind === "delete") await commit({ kind: "delete", key: { ...list, id }, expect: { kind: "any" } });
    else if (kind === "batch") {
      await storage.transaction(async () => {
        await commit(put(list, id, body), put(list, "e", { n: 1 }));
        await commit({ kind: "delete", key: { ...list, id }, expect: { kind: "any" } });
      });
    } else if (kind === "taken back") {
      await storage.transaction(async () => {
        await commit(put(list, id, body));
        throw new Error("no");
      });
    } else if (kind === "members")
      await commit({ kind: "members", group: `g${value}`, members: value === 0 ? [] : ["ann", principal] });
    else if (kind === "forget") await commit({ kind: "forget", principal });
    else if (kind === "event") await commit({ kind: "event", key: { ...list, id }, type: "seen", data: {} });
    else if (kind === "purge") await storage.purgeTombstones(list, now - value);
    else if (kind === "erase") await storage.erase([{ ...list, id }]);
    else if (kind === "erase list") await storage.erase([list]);
    else if (kind === "flush") await storage.flush();
    else if (kind === "tombstone") {
      // A copy goes into an empty store.
      await storage.flush();
      await commit({ kind: "tombstone", key: { ...list, id }, revision: 1000 + value });
    } else clock.advance(-10_000);
  } catch {
    // Conflicts and what is not there; nothing was done.
  }
}

suite(
  "memory",
  async () => {
    const storage = await openStorage("memory:", { clock });
    const none = async () => assert.fail("not in memory");
    return { storage, asFound: none, sql: none, close: () => storage.close() };
  },
  { durable: false, amcheck: false },
);

suite(
  "sqlite",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "rouage-verify-"));
    const path = join(folder, "store.db");
    const storage = await openStorage(`sqlite:${path}`, { clock });
    return {
      storage,
      asFound: () => openStorage(`sqlite:${path}`, { clock, asFound: true }),
      async sql(...statements) {
        // Each through a connection of its own, which reads what the one before made of the schema.
        for (const statement of statements) {
          const database = new DatabaseSync(path);
          database.enableDefensive(false);
          database.exec("PRAGMA writable_schema = ON");
          database.exec(statement);
          database.close();
        }
      },
      async close() {
        await storage.close();
        await rm(folder, { recursive: true });
      },
    };
  },
  { durable: true, amcheck: true },
);

describe("on a server", { skip: withoutPostgres() }, () => {
  let stores: TestStores;
  before(async () => {
    stores = await startTestStores();
  });
  after(() => stores?.[Symbol.asyncDispose]());
  suite(
    "postgres",
    async () => {
      const { url, schema, drop } = stores.fresh();
      const storage = await openStorage(url, { clock });
      return {
        storage,
        asFound: () => openStorage(url, { clock, asFound: true }),
        async sql(...statements) {
          await stores.run(`SET search_path TO ${schema}; ${statements.join("; ")}`);
        },
        async close() {
          await storage.close();
          await drop();
        },
      };
    },
    { durable: true, amcheck: true },
  );
});

test("a store that is not there is said so, and not made", async () => {
  const folder = await mkdtemp(join(tmpdir(), "rouage-verify-"));
  try {
    const path = join(folder, "none.db");
    await assert.rejects(openStorage(`sqlite:${path}`, { clock, asFound: true }), /there is no storage file/);
    await assert.rejects(openStorage("memory:", { clock, asFound: true }), /keeps nothing/);
    new DatabaseSync(path).exec("CREATE TABLE t (a)");
    await assert.rejects(openStorage(`sqlite:${path}`, { clock, asFound: true }), /something else/);
  } finally {
    await rm(folder, { recursive: true });
  }
});
