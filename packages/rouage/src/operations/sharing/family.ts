/** What a shared resource has above and below it, which permissions its objects know, and what its declaration grants: decided once. */
import type { Resource, Sharing } from "../../resource-declaration.ts";
import type { Permissions } from "../../storage/permissions.ts";
import { ancestorsOf } from "../paths.ts";
import { writerName } from "./caller.ts";

/** Permissions that settings grant on every object; what is granted above counts below. */
export interface Granted {
  readonly write: readonly string[];
  readonly read: readonly string[];
  /** Creation of something below an object of the resource. */
  readonly below: readonly string[];
  /** Creation of objects of the resource, in any list. */
  readonly create: readonly string[];
}

export interface Family {
  /** Names of the permissions that objects know, in the order shown to clients. */
  readonly names: readonly string[];
  /** Those of `names` that allow to create something below an object. */
  readonly creations: readonly string[];
  /** The permission on the object above that allows to create objects of this resource. */
  readonly creation: string;
  readonly granted: Granted;
  /** Clients may send entries, and writers are added to them. */
  readonly settable: boolean;
  /** The writer's principal is added at each write. */
  readonly explicit: boolean;
  /** The principal that is then added. */
  readonly writer: NonNullable<Sharing["writer"]>;
  /** True for resources above this one whose entries count. */
  readonly inheritsFrom: (name: string) => boolean;
}

/** Undefined for resources that are not shared. */
export function familyOf(resource: Resource, resources: readonly Resource[]): Family | undefined {
  const sharing = sharingOptions(resource);
  if (sharing === undefined) return undefined;
  const creations = sharedChildren(resource, resources).map(({ name }) => creationOf(name));
  const own = grantsOf(resource, resources);
  const above = ancestorsOf(resource).filter((one) => sharingOptions(one) !== undefined);
  const grantedAbove = (permission: string) => above.flatMap((one) => sharingOptions(one)?.granted?.[permission] ?? []);
  const parent = resource.options.parent;
  const creation = creationOf(resource.name);
  const writersAbove = grantedAbove("write");
  const settable = sharing.settable !== false;
  const namesAbove = new Set(above.map(({ name }) => name));
  return {
    names: ["read", "write", ...creations],
    creations,
    creation,
    granted: {
      write: unique([...(own.write ?? []), ...writersAbove]),
      read: unique([...(own.read ?? []), ...grantedAbove("read")]),
      below: unique(creations.flatMap((permission) => own[permission] ?? [])),
      create: unique([
        ...(own.create ?? []),
        ...((parent && sharingOptions(parent)?.granted?.[creation]) ?? []),
        ...writersAbove,
      ]),
    },
    settable,
    explicit: settable && sharing.explicit !== false,
    writer: sharing.writer ?? (({ principal }) => writerName(principal)),
    inheritsFrom: (name) => namesAbove.has(name),
  };
}

/** What the declarations grant on every object of the resource; to create something in any list is to create it below each object. */
export function grantsOf(resource: Resource, resources: readonly Resource[]): Permissions {
  const granted: Record<string, readonly string[]> = { ...sharingOptions(resource)?.granted };
  for (const child of sharedChildren(resource, resources)) {
    const creation = creationOf(child.name);
    const creators = sharingOptions(child)?.granted?.create ?? [];
    granted[creation] = unique([...(granted[creation] ?? []), ...creators]);
  }
  return granted;
}

/** What is nested directly below a resource and shared, and can be created by clients. */
export function sharedChildren({ name }: Resource, resources: readonly Resource[]): readonly Resource[] {
  return resources.filter((one) => {
    const { parent, disabled = [] } = one.options;
    const isCreated = !disabled.includes("create") || !disabled.includes("replace");
    return parent?.name === name && sharingOptions(one) !== undefined && isCreated;
  });
}

/** The options of a shared resource with `true` written out; undefined where it is not shared. */
export function sharingOptions({ options }: Pick<Resource, "options">): Sharing | undefined {
  return options.sharing === true ? {} : options.sharing;
}

/** Name of the permission to create objects of a resource below another. */
export function creationOf(name: string): string {
  return `${name}:create`;
}

function unique(names: readonly string[]): readonly string[] {
  return [...new Set(names)];
}
