/** Who may do what, at the application's door: every permission that any object of the tree can give, to every kind of principal, against every request. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { testStorages } from "../../../scripts/test-stores.ts";
import { type Answer, type Ask, type AskOptions, withKinto } from "./support/running.ts";

/** What gives a permission in a case: `bucket:collection:create` is the permission `collection:create` on the bucket. */
const grants = [
  "nothing",
  "bucket/read",
  "bucket/write",
  "bucket/collection:create",
  "bucket/group:create",
  "collection/read",
  "collection/write",
  "collection/record:create",
  "group/read",
  "group/write",
  "record/read",
  "record/write",
] as const;
type Grant = (typeof grants)[number];

/** How the caller is named by the entry. */
const principals = ["user", "group", "authenticated", "everyone", "anonymous"] as const;
type PrincipalKind = (typeof principals)[number];

const paths = {
  bucket: "/buckets/b",
  collection: "/buckets/b/collections/c",
  group: "/buckets/b/groups/g",
  record: "/buckets/b/collections/c/records/r",
} as const;

const bucketReaders: readonly Grant[] = ["bucket/read", "bucket/write"];
const collectionReaders: readonly Grant[] = [...bucketReaders, "collection/read", "collection/write"];
const collectionWriters: readonly Grant[] = ["bucket/write", "collection/write"];

/** Each request with the grants that allow it, written down from the table of the protocol. */
const requests: readonly {
  readonly name: string;
  readonly send: (ask: Ask, as: string | undefined) => Promise<Answer>;
  readonly allowed: readonly Grant[];
}[] = [
  {
    name: "bucket read",
    send: get(paths.bucket),
    allowed: [...bucketReaders, "bucket/collection:create", "bucket/group:create"],
  },
  { name: "bucket write (PUT)", send: put(paths.bucket, {}), allowed: ["bucket/write"] },
  { name: "bucket write (PATCH)", send: patch(paths.bucket), allowed: ["bucket/write"] },
  { name: "bucket write (DELETE)", send: remove(paths.bucket), allowed: ["bucket/write"] },
  {
    name: "collection:create (PUT)",
    send: put(`${paths.bucket}/collections/new`, {}),
    allowed: ["bucket/write", "bucket/collection:create"],
  },
  {
    name: "collection:create (POST)",
    send: post(`${paths.bucket}/collections`),
    allowed: ["bucket/write", "bucket/collection:create"],
  },
  {
    name: "group:create (PUT)",
    send: put(`${paths.bucket}/groups/new`, { members: [] }),
    allowed: ["bucket/write", "bucket/group:create"],
  },
  {
    name: "group:create (POST)",
    send: post(`${paths.bucket}/groups`),
    allowed: ["bucket/write", "bucket/group:create"],
  },
  { name: "collection read", send: get(paths.collection), allowed: [...collectionReaders, "collection/record:create"] },
  { name: "collection write (PUT)", send: put(paths.collection, {}), allowed: collectionWriters },
  { name: "collection write (PATCH)", send: patch(paths.collection), allowed: collectionWriters },
  { name: "collection write (DELETE)", send: remove(paths.collection), allowed: collectionWriters },
  { name: "group read", send: get(paths.group), allowed: [...bucketReaders, "group/read", "group/write"] },
  { name: "group write (PUT)", send: put(paths.group, { members: [] }), allowed: ["bucket/write", "group/write"] },
  { name: "group write (DELETE)", send: remove(paths.group), allowed: ["bucket/write", "group/write"] },
  {
    name: "record:create (POST)",
    send: post(`${paths.collection}/records`),
    allowed: [...collectionWriters, "collection/record:create"],
  },
  {
    name: "record:create (PUT)",
    send: put(`${paths.collection}/records/new`, {}),
    allowed: [...collectionWriters, "collection/record:create"],
  },
  { name: "record read", send: get(paths.record), allowed: [...collectionReaders, "record/read", "record/write"] },
  { name: "record write (PUT)", send: put(paths.record, {}), allowed: [...collectionWriters, "record/write"] },
  { name: "record write (PATCH)", send: patch(paths.record), allowed: [...collectionWriters, "record/write"] },
  { name: "record write (DELETE)", send: remove(paths.record), allowed: [...collectionWriters, "record/write"] },
];

/** An object that may be read by itself, because something may be created below it, is also in the list: the reference leaves it out there. */
const bucketGuests: readonly Grant[] = ["bucket/collection:create", "bucket/group:create"];

/** Lists: who sees all, who sees what is shared with them, who gets an empty one because they may create there, and who is refused. */
const lists: readonly {
  readonly path: string;
  readonly all: readonly Grant[];
  readonly own: readonly Grant[];
  readonly none: readonly Grant[];
}[] = [
  {
    path: "/buckets",
    all: [],
    own: [...bucketReaders, ...bucketGuests],
    none: [],
  },
  {
    path: `${paths.bucket}/collections`,
    all: bucketReaders,
    own: ["collection/read", "collection/write", "collection/record:create"],
    none: ["bucket/collection:create"],
  },
  {
    path: `${paths.bucket}/groups`,
    all: bucketReaders,
    own: ["group/read", "group/write"],
    none: ["bucket/group:create"],
  },
  {
    path: `${paths.collection}/records`,
    all: collectionReaders,
    own: ["record/read", "record/write"],
    none: ["collection/record:create"],
  },
];

for (const storage of testStorages)
  describe(`permissions on ${storage}`, () => {
    for (const grant of grants)
      for (const principal of storage === "memory" ? principals : (["user"] as const))
        test(`${grant} for ${principal}`, () =>
          withKinto(storage, {}, async ({ ask }) => {
            for (const { name, send, allowed } of requests) {
              await arrange(ask, grant, principal);
              const answer = await send(ask, principal === "anonymous" ? undefined : "bob");
              const isAllowed = grant !== "nothing" && principalHolds(principal) && allowed.includes(grant);
              const expected = isAllowed ? [200, 201] : [principal === "anonymous" ? 401 : 403];
              assert.ok(
                expected.includes(answer.status),
                `${name}: ${answer.status}, expected ${expected.join(" or ")}`,
              );
            }
            await arrange(ask, grant, principal);
            for (const { path, all, own, none } of lists) {
              const { status, body } = await ask("GET", path, { as: principal === "anonymous" ? undefined : "bob" });
              const holds = principalHolds(principal);
              const seen =
                status === 200 ? (body.data as readonly { id: string }[]).map(({ id }) => id).sort() : status;
              if (path === "/buckets" && principal === "anonymous") assert.equal(seen, 401, path);
              else if (holds && all.includes(grant)) assert.deepEqual(seen, both(path), path);
              else if (holds && own.includes(grant)) assert.deepEqual(seen, [both(path)[0]], path);
              else if ((holds && none.includes(grant)) || path === "/buckets") assert.deepEqual(seen, [], path);
              else assert.equal(seen, principal === "anonymous" ? 401 : 403, path);
            }
          }));
  });

/** Entries for signed-in callers and for a user say nothing to somebody anonymous: that case has an entry for `account:nobody`. */
function principalHolds(principal: PrincipalKind): boolean {
  return principal !== "anonymous";
}

/** Two of everything; the entry is on the first. */
async function arrange(ask: Ask, grant: Grant, principal: PrincipalKind): Promise<void> {
  const owner: AskOptions = { as: "alice" };
  await ask("DELETE", "/buckets", owner);
  await ask("DELETE", "/buckets", { as: "bob" });
  const bob = (await ask("GET", "/", { as: "bob" })).body.user.id as string;
  const named = {
    user: bob,
    group: "/buckets/others/groups/friends",
    authenticated: "system.Authenticated",
    everyone: "system.Everyone",
    anonymous: "account:nobody",
  }[principal];
  const made = async (path: string, options: object = {}) => {
    const { status, body } = await ask("PUT", path, { ...owner, body: options });
    assert.ok(status === 201 || status === 200, `${path} ${status} ${JSON.stringify(body)}`);
  };
  await made("/buckets/others");
  await made("/buckets/others/groups/friends", { data: { members: [bob] } });
  await made("/buckets/b2");
  const slash = grant.indexOf("/");
  const [on, permission] = [grant.slice(0, slash), grant.slice(slash + 1)];
  for (const [kind, path] of Object.entries(paths)) {
    await made(path, kind === on ? { permissions: { [permission]: [named] } } : {});
    if (kind !== "bucket") await made(`${path}2`);
  }
}

function both(path: string): readonly string[] {
  const id = { collections: "c", groups: "g", records: "r" }[path.slice(path.lastIndexOf("/") + 1)] ?? "b";
  return [id, `${id}2`];
}

function get(path: string) {
  return (ask: Ask, as: string | undefined) => ask("GET", path, { as });
}

function put(path: string, data: object) {
  return (ask: Ask, as: string | undefined) => ask("PUT", path, { as, body: { data } });
}

function patch(path: string) {
  return (ask: Ask, as: string | undefined) => ask("PATCH", path, { as, body: { data: { changed: true } } });
}

function post(path: string) {
  return (ask: Ask, as: string | undefined) => ask("POST", path, { as, body: { data: {} } });
}

function remove(path: string) {
  return (ask: Ask, as: string | undefined) => ask("DELETE", path, { as });
}
