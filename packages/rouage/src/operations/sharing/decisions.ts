/**
 * What settings and permission entries allow a caller on shared objects and lists, inheritance included. Answers at once where
 * the storage does: getting a record asks for the entries of the object and of each object above it, and copies nothing.
 */
import type { Resource } from "../../resource-declaration.ts";
import type { ListKey, ObjectKey } from "../../storage/keys.ts";
import type { PermissionReader, Permissions } from "../../storage/permissions.ts";
import { chain, type Maybe } from "../maybe.ts";
import type { Caller } from "./caller.ts";
import { type Family, familyOf } from "./family.ts";
import { keyAbove } from "./object-path.ts";

/** How far a caller's permissions on an object go; each includes those before it. */
export const level = { none: 0, below: 1, read: 2, write: 3 } as const;
export type Level = (typeof level)[keyof typeof level];

export interface Weight {
  /** `below`: only the object itself may be read, because something may be created below it. */
  readonly level: Level;
  /** The object's own entries. */
  readonly own: Permissions;
}

export interface Decisions {
  readonly family: Family;
  /** On one object, which need not exist. */
  weigh(caller: Caller, key: ObjectKey): Maybe<Weight>;
  /** Creation of an object in the list. */
  mayCreate(caller: Caller, list: ListKey): Maybe<boolean>;
  /** On every object of the list, whatever their own entries say. */
  mayAll(caller: Caller, list: ListKey, permission: "read" | "write"): Maybe<boolean>;
}

/** Undefined for resources that are not shared. */
export function decisionsOf(
  resource: Resource,
  resources: readonly Resource[],
  reader: PermissionReader,
): Decisions | undefined {
  const family = familyOf(resource, resources);
  if (family === undefined) return undefined;
  const { granted, creations, creation, inheritsFrom } = family;

  function levelOf(caller: Caller, entries: Permissions): Maybe<Level> {
    return chain(caller.isAny(entries.write), (writes) =>
      writes ? level.write : chain(caller.isAny(entries.read), (reads) => (reads ? level.read : level.none)),
    );
  }

  function isCreator(caller: Caller, entries: Permissions): Maybe<boolean> {
    let found: Maybe<boolean> = false;
    for (const permission of creations) {
      const names = entries[permission];
      if (names !== undefined) found = chain(found, (before) => before || caller.isAny(names));
    }
    return found;
  }

  /** The best that the entries of the objects above a list grant on what is in it. */
  function levelAbove(caller: Caller, list: ListKey, best: Level): Maybe<Level> {
    const above = nearestShared(list);
    if (above === undefined) return best;
    return chain(reader.of(above), (entries) =>
      chain(levelOf(caller, entries), (found) =>
        found === level.write ? found : levelAbove(caller, above, higher(found, best)),
      ),
    );
  }

  function nearestShared(list: ListKey): ObjectKey | undefined {
    let above = keyAbove(list);
    while (above !== undefined && !inheritsFrom(above.resource)) above = keyAbove(above);
    return above;
  }

  function weighEntries(caller: Caller, key: ObjectKey, own: Permissions): Maybe<Weight> {
    return chain(levelOf(caller, own), (mine) => {
      if (mine === level.write) return { level: mine, own };
      return chain(levelAbove(caller, key, mine), (best) => {
        if (best >= level.read) return { level: best, own };
        return chain(caller.isAny(granted.read), (reads) => {
          if (reads) return { level: level.read, own };
          return chain(
            chain(isCreator(caller, own), (creates) => creates || caller.isAny(granted.below)),
            (creates) => ({
              level: creates ? level.below : level.none,
              own,
            }),
          );
        });
      });
    });
  }

  return {
    family,

    weigh: (caller, key) =>
      chain(reader.of(key), (own) =>
        chain(caller.isAny(granted.write), (writes) =>
          writes ? { level: level.write, own } : weighEntries(caller, key, own),
        ),
      ),

    mayCreate: (caller, list) =>
      chain(caller.isAny(granted.create), (isGranted) => {
        if (isGranted) return true;
        const above = keyAbove(list);
        if (above === undefined) return false;
        const isShared = inheritsFrom(above.resource);
        const byParent = isShared ? chain(reader.of(above), (entries) => caller.isAny(entries[creation])) : false;
        return chain(
          byParent,
          (allowed) => allowed || chain(levelAbove(caller, list, level.none), (best) => best === level.write),
        );
      }),

    mayAll: (caller, list, permission) =>
      chain(caller.isAny(granted.write), (writes) => {
        if (writes) return true;
        return chain(levelAbove(caller, list, level.none), (best) => {
          if (best >= level[permission]) return true;
          return permission === "read" ? caller.isAny(granted.read) : false;
        });
      }),
  };
}

function higher(a: Level, b: Level): Level {
  return a > b ? a : b;
}
