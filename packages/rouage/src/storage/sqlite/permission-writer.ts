/** Writes permission entries and the members of groups, inside of a transaction that others have begun. */
import type { Permissions } from "../permissions.ts";
import type { ObjectKey } from "../storage.ts";
import type { Database } from "./database.ts";
import { many } from "./rows.ts";

export interface PermissionWriter {
  /** Replaces all entries of an object; with `existing` false it has none yet. */
  replace(key: ObjectKey, permissions: Permissions, existing: boolean): void;
  remove(key: ObjectKey): void;
  setMembers(group: string, members: readonly string[]): void;
  forget(principal: string): void;
}

export function permissionWriter({ prepare }: Pick<Database, "prepare">): PermissionWriter {
  const select = prepare("SELECT permission, principal FROM aces WHERE resource = ? AND parent = ? AND id = ?");
  const insert = prepare(
    "INSERT INTO aces (principal, resource, parent, id, permission) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
  );
  const removeOne = prepare(
    "DELETE FROM aces WHERE principal = ? AND resource = ? AND parent = ? AND id = ? AND permission = ?",
  );
  const removeAll = prepare("DELETE FROM aces WHERE resource = ? AND parent = ? AND id = ?");
  const selectMembers = prepare("SELECT member FROM members WHERE grouping = ?");
  const insertMember = prepare("INSERT INTO members (member, grouping) VALUES (?, ?) ON CONFLICT DO NOTHING");
  const removeMember = prepare("DELETE FROM members WHERE member = ? AND grouping = ?");
  const forgetEntries = prepare("DELETE FROM aces WHERE principal = ?");
  const forgetMember = prepare("DELETE FROM members WHERE member = ?");

  return {
    replace({ resource, parent, id }, permissions, existing) {
      const kept = new Map<string, Set<string>>();
      if (existing) {
        for (const row of many(select, resource, parent, id)) {
          const [permission, principal] = row as readonly [string, string];
          if (Object.hasOwn(permissions, permission) && permissions[permission]?.includes(principal) === true) {
            const principals = kept.get(permission);
            if (principals === undefined) kept.set(permission, new Set([principal]));
            else principals.add(principal);
          } else removeOne.run(principal, resource, parent, id, permission);
        }
      }
      for (const [permission, principals] of Object.entries(permissions)) {
        const there = kept.get(permission);
        for (const principal of principals) {
          if (there?.has(principal) !== true) insert.run(principal, resource, parent, id, permission);
        }
      }
    },
    remove({ resource, parent, id }) {
      removeAll.run(resource, parent, id);
    },
    setMembers(group, members) {
      const wanted = new Set(members);
      for (const [member] of many(selectMembers, group)) {
        if (!wanted.delete(member as string)) removeMember.run(member as string, group);
      }
      for (const member of wanted) insertMember.run(member, group);
    },
    forget(principal) {
      forgetEntries.run(principal);
      forgetMember.run(principal);
    },
  };
}
