/** The table of who may do what, cell by cell: each resource × each permission on each object × each way to name a caller. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Principal } from "../../principal.ts";
import type { Permissions } from "../../storage/storage.ts";
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

const permissions: Readonly<Record<Name, readonly string[]>> = {
  bucket: ["read", "write", "collection:create", "group:create"],
  collection: ["read", "write", "record:create"],
  group: ["read", "write"],
  record: ["read", "write"],
};

type Wanted = "create" | "write" | "get" | "list";

/** Who grants what, as the protocol has it: `object permission`. */
const granting: Readonly<Record<Name, Readonly<Record<Wanted, readonly string[]>>>> = {
  bucket: {
    create: [],
    write: ["bucket write"],
    get: ["bucket write", "bucket read", "bucket collection:create", "bucket group:create"],
    list: ["bucket write", "bucket read", "bucket collection:create", "bucket group:create"],
  },
  collection: {
    create: ["bucket write", "bucket collection:create"],
    write: ["bucket write", "collection write"],
    get: ["bucket write", "bucket read", "collection write", "collection read", "collection record:create"],
    list: [
      ...["bucket write", "bucket read", "bucket collection:create"],
      ...["collection write", "collection read", "collection record:create"],
    ],
  },
  group: {
    create: ["bucket write", "bucket group:create"],
    write: ["bucket write", "group write"],
    get: ["bucket write", "bucket read", "group write", "group read"],
    list: ["bucket write", "bucket read", "bucket group:create", "group write", "group read"],
  },
  record: {
    create: ["bucket write", "collection write", "collection record:create"],
    write: ["bucket write", "collection write", "record write"],
    get: ["bucket write", "bucket read", "collection write", "collection read", "record write", "record read"],
    list: [
      ...["bucket write", "bucket read", "collection write", "collection read", "collection record:create"],
      ...["record write", "record read"],
    ],
  },
};

const teamPath = "/buckets/b/groups/team";
const callers: readonly { readonly principal: Principal; readonly names: readonly string[] }[] = [
  { principal: nobodyKnown, names: ["system.Everyone"] },
  { principal: person("account:stranger"), names: ["system.Everyone", "system.Authenticated", "account:stranger"] },
  {
    principal: person("account:member", "service:gate"),
    names: ["system.Everyone", "system.Authenticated", "account:member", "service:gate", teamPath, "/teams/night"],
  },
];
const named = [...new Set(callers.flatMap((caller) => caller.names)), "account:somebody-else"];

/** Whether the caller may; preconditions that fail keep what is allowed from happening. */
async function tried({ operations, as }: Bench, name: Name, wanted: Wanted, principal: Principal): Promise<string> {
  const one = operations(tree[name]);
  const key = keys[name];
  const context = as(principal);
  const passes = (code: string) => (code === "precondition-failed" ? "allowed" : code);
  if (wanted === "get") return outcome(() => one.get(context, targetOf(key), {}));
  if (wanted === "list") return outcome(() => one.list(context, listOf(key), {}));
  if (wanted === "create") {
    const put = passes(await outcome(() => one.replace(context, targetOf(key, "new"), { data: {}, ifMatch: 1 })));
    const posted = passes(await outcome(() => one.create(context, listOf(key), { data: { id: "new" }, ifMatch: 1 })));
    const generated = passes(await outcome(() => one.create(context, listOf(key), { data: {}, ifMatch: 1 })));
    assert.deepEqual([posted, generated], [put, put]);
    return put;
  }
  const put = passes(await outcome(() => one.replace(context, targetOf(key), { data: {}, ifMatch: 1 })));
  const patch = { kind: "merge", data: { n: 1 } } as const;
  const patched = passes(await outcome(() => one.patch(context, targetOf(key), { patch, ifMatch: 1 })));
  const deleted = passes(await outcome(() => one.delete(context, targetOf(key), { ifMatch: 1 })));
  assert.deepEqual([patched, deleted], [put, put]);
  return put;
}

for (const kind of storages)
  describe(`permissions of objects (${kind})`, () => {
    for (const granted of names)
      for (const permission of permissions[granted])
        test(`${permission} on a ${granted} allows what the table says, and nothing else`, async (context) => {
          const made = await benchOn(kind, context, tree.all);
          await made.storage.commit([
            { kind: "members", group: teamPath, members: ["account:member"] },
            { kind: "members", group: "/teams/night", members: ["service:gate"] },
          ]);
          for (const to of named) {
            const entries = (name: Name): Permissions => (name === granted ? { [permission]: [to] } : {});
            await seed(
              made.storage,
              names.map((name) => [keys[name], entries(name)] as const),
            );
            for (const caller of callers) {
              const isNamed = caller.names.includes(to);
              const refused = caller.principal.id === undefined ? "missing-credentials" : "forbidden";
              for (const name of names)
                for (const wanted of ["create", "write", "get", "list"] as const) {
                  const isGranted = isNamed && granting[name][wanted].includes(`${granted} ${permission}`);
                  const isFree = name === "bucket" && wanted === "create" && caller.principal.id !== undefined;
                  const isBucketList = name === "bucket" && wanted === "list" && caller.principal.id !== undefined;
                  const expected = isGranted || isFree || isBucketList ? "allowed" : refused;
                  const cell = `${wanted} ${name} by ${caller.principal.id ?? "anybody"}, granted to ${to}`;
                  assert.equal(await tried(made, name, wanted, caller.principal), expected, cell);
                }
            }
          }
        });
  });
