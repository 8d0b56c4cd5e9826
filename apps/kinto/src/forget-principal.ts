/** Takes a principal out of everything: who gets its name after it must not get what others gave it. */
import type { CommitContext, Storage } from "rouage/storage";

/** Strikes it out of every permission and group; objects that it owns stay. */
export async function forgetPrincipal(storage: Storage, principal: string, cause: CommitContext = {}): Promise<void> {
  for (const group of await storage.permissions.groupsOf(principal)) await leaveGroup(storage, group, principal);
  await storage.commit([{ kind: "forget", principal }], cause);
}

/** Beside the operations, which would add whoever does it to those who may write the group. */
async function leaveGroup(storage: Storage, group: string, principal: string): Promise<void> {
  const [, bucket, id] = /^\/buckets\/([^/]+)\/groups\/([^/]+)$/.exec(group) ?? [];
  if (bucket === undefined || id === undefined) return;
  const key = { resource: "group", parent: `bucket/${bucket}`, id };
  await storage.transaction(async () => {
    const stored = await storage.get(key);
    if (stored?.kind !== "object") return;
    const body = JSON.parse(stored.body);
    const members: readonly string[] = body.members.filter((member: unknown) => member !== principal);
    await storage.commit([
      { kind: "put", key, body: JSON.stringify({ ...body, members }), expect: { kind: "any" } },
      { kind: "members", group, members },
    ]);
  });
}
