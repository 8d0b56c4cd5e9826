/** Groups: objects whose members the storage knows, under the object's path. */
import type { JsonObject } from "../../json.ts";
import type { Resource } from "../../resource-declaration.ts";
import type { Change, ObjectKey } from "../../storage/storage.ts";
import { sharingOptions } from "./family.ts";
import { objectPathOf } from "./object-path.ts";

/** The change that goes with a write of an object, or (`undefined`) with its deletion; none where the resource has no groups. */
export type MembersOf = (key: ObjectKey, object: JsonObject | undefined) => readonly Change[];

export function membersOf(resource: Resource): MembersOf {
  const members = sharingOptions(resource)?.members;
  if (members === undefined) return () => none;
  const pathOf = objectPathOf(resource);
  return (key, object) => [
    { kind: "members", group: pathOf(key), members: object === undefined ? [] : [...new Set(members(object))] },
  ];
}

const none: readonly Change[] = [];
