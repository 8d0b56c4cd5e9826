/** Everything that permission entries may name to mean a caller: identities, everybody, groups. */
import type { Principal } from "../../principal.ts";
import type { PermissionReader } from "../../storage/permissions.ts";
import { chain, type Maybe } from "../maybe.ts";

/** Every caller, signed in or not. */
const everyonePrincipal = "system.Everyone";
/** Every caller that is signed in. */
const authenticatedPrincipal = "system.Authenticated";

/** One caller during one operation; groups are looked up when an entry names one, and at most once. */
export interface Caller {
  /** True when one of the names means the caller. */
  isAny(names: readonly string[] | undefined): Maybe<boolean>;
  /** Every name that means the caller. */
  all(): Maybe<readonly string[]>;
}

export function callerOf(principal: Principal, reader: PermissionReader): Caller {
  const direct = directNames(principal);
  let groups: Maybe<readonly ReadonlySet<string>[]> | undefined;

  function groupsOfCaller(): Maybe<readonly ReadonlySet<string>[]> {
    if (groups !== undefined) return groups;
    const found = direct.map((name) => reader.groupsOf(name));
    groups = found.some((set) => set instanceof Promise)
      ? Promise.all(found)
      : (found as readonly ReadonlySet<string>[]);
    return groups;
  }

  return {
    isAny(names) {
      if (names === undefined || names.length === 0) return false;
      let isGroupNamed = false;
      for (const name of names) {
        if (direct.includes(name)) return true;
        isGroupNamed ||= isGroup(name);
      }
      if (!isGroupNamed) return false;
      return chain(groupsOfCaller(), (sets) =>
        names.some((name) => isGroup(name) && sets.some((set) => set.has(name))),
      );
    },
    all: () =>
      chain(groupsOfCaller(), (sets) => (sets.every((set) => set.size === 0) ? direct : [...unionOf(direct, sets)])),
  };
}

/** Every name that means this caller: `system.Everyone`, `system.Authenticated`, identities, groups. */
export function principalsOf(reader: PermissionReader, principal: Principal): Maybe<readonly string[]> {
  return callerOf(principal, reader).all();
}

/** The principal that a write without credentials is made by. */
export function writerName({ id }: Principal): string {
  return id ?? everyonePrincipal;
}

/** A caller known by name only, as entries see it. */
export function principalNamed(name: string): Principal {
  const id = name === everyonePrincipal ? undefined : name;
  return { id, roles: new Set(), claims: {}, policy: undefined };
}

const anonymousNames: readonly string[] = [everyonePrincipal];

function directNames({ id, principals = [] }: Principal): readonly string[] {
  return id === undefined ? anonymousNames : [everyonePrincipal, authenticatedPrincipal, id, ...principals];
}

/** Groups are named by their paths. */
function isGroup(name: string): boolean {
  return name.charCodeAt(0) === 47;
}

function unionOf(direct: readonly string[], sets: readonly ReadonlySet<string>[]): ReadonlySet<string> {
  const union = new Set(direct);
  for (const set of sets) for (const name of set) union.add(name);
  return union;
}
