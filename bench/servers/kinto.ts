/**
 * The Kinto application on SQLite in a file, with history and quotas off as Kinto's own default has them: a thousand records of one user, and
 * another user who was given 20 000 records and is a member of 5 000 groups. Tells its port, how to sign in, and ids.
 * `node bench/servers/kinto.ts FOLDER`
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { startKinto } from "../../apps/kinto/src/app.ts";
import { serve } from "../../packages/rouage/src/runtime/run.ts";
import type { Service } from "../../packages/rouage/src/service.ts";
import type { Change } from "../../packages/rouage/src/storage/storage.ts";

const [folder = ""] = process.argv.slice(2);
const records = 1_000;
const sharedRecords = 20_000;
const sharedGroups = 5_000;

const kinto = await startKinto({
  overrides: {
    "multiauth.policies": "basicauth",
    userid_hmac_secret: "bench",
    experimental_permissions_endpoint: "true",
    storage_url: `sqlite:${join(folder, "kinto.db")}`,
    port: "0",
  },
});
const owner = authorizationOf("owner");
const member = authorizationOf("member");
const ids = await fill(kinto);
const server = await serve(kinto);
process.on("disconnect", () => void server.stop());
process.send?.({ port: Number(new URL(server.origin).port), owner, member, ids, sharedRecords, sharedGroups });

function authorizationOf(name: string): string {
  return `Basic ${Buffer.from(`${name}:secret`).toString("base64")}`;
}

async function idOf(service: Service, authorization: string): Promise<string> {
  const answer = await service.fetch(new Request("http://kinto/v1/", { headers: { authorization } }));
  const { user } = (await answer.json()) as { readonly user: { readonly id: string } };
  return user.id;
}

/** Through the storage, in large commits; ids of the owner's records. */
async function fill(service: Service): Promise<readonly string[]> {
  const principal = await idOf(service, owner);
  const reader = await idOf(service, member);
  const parent = "bucket/bench/collection/kittens";
  const put = (
    resource: string,
    list: string,
    id: string,
    body: object,
    permissions: Record<string, string[]>,
  ): Change => ({
    kind: "put",
    key: { resource, parent: list, id },
    body: JSON.stringify(body),
    expect: { kind: "any" },
    permissions,
  });
  const made = Array.from({ length: records }, () => randomUUID());
  const changes: Change[] = [
    put("bucket", "", "bench", {}, { write: [principal] }),
    put("collection", "bucket/bench", "kittens", {}, { write: [principal] }),
    put("collection", "bucket/bench", "shared", {}, { write: [principal] }),
    ...made.map((id, n) => put("record", parent, id, kitten(n), { write: [principal] })),
  ];
  for (let n = 0; n < sharedRecords; n++)
    changes.push(
      put("record", "bucket/bench/collection/shared", randomUUID(), kitten(n), { write: [principal], read: [reader] }),
    );
  for (let n = 0; n < sharedGroups; n++) {
    changes.push(put("group", "bucket/bench", `g${n}`, { members: [reader] }, { write: [principal] }));
    changes.push({ kind: "members", group: `/buckets/bench/groups/g${n}`, members: [reader] });
  }
  for (let at = 0; at < changes.length; at += 1_000) await service.storage.commit(changes.slice(at, at + 1_000));
  return made;
}

function kitten(n: number): object {
  return { name: `Kitten ${n}`, group: n % 50, weight: 4.2, notes: "x".repeat(400) };
}
