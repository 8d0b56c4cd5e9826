/** Checks how a resource is shared when it is declared. */
import type { TObject } from "typebox";
import type { Resource, ResourceOptions, Sharing } from "../../resource-declaration.ts";
import { ancestorsOf } from "../paths.ts";
import { creationOf, sharedChildren, sharingOptions } from "./family.ts";

const known: ReadonlySet<string> = new Set(["explicit", "writer", "granted", "settable", "members"]);

/** Everything that is wrong with `sharing`, each a short sentence. */
export function* sharingProblems({ sharing, perUser, parent }: ResourceOptions<TObject>): Iterable<string> {
  if (sharing === undefined) return;
  if (sharing !== true && (typeof sharing !== "object" || sharing === null)) {
    yield "sharing must be true or an object";
    return;
  }
  const isBelowUser = parent !== undefined && [parent, ...ancestorsOf(parent)].some((one) => one.options.perUser);
  if (perUser === true || isBelowUser)
    yield "sharing cannot be combined with perUser: nobody else reaches the list that the object is in";
  if (sharing === true) return;
  const { explicit, writer, granted = {}, settable, members } = sharing;
  for (const option of Object.keys(sharing)) if (!known.has(option)) yield `sharing.${option} is not known`;
  for (const [option, value] of Object.entries({ explicit, settable }))
    if (value !== undefined && typeof value !== "boolean") yield `sharing.${option} must be true or false`;
  for (const [option, value] of Object.entries({ writer, members }))
    if (value !== undefined && typeof value !== "function") yield `sharing.${option} must be a function`;
  if (settable === false && explicit === true)
    yield "sharing.explicit adds entries, which settable false leaves to hooks";
  if (writer !== undefined && (explicit === false || settable === false))
    yield "sharing.writer names who is added, but nobody is";
  yield* grantedProblems(granted);
}

function* grantedProblems(granted: NonNullable<Sharing["granted"]>): Iterable<string> {
  for (const [permission, principals] of Object.entries(granted)) {
    if (!/^(read|write|create|.+:create)$/.test(permission))
      yield `sharing.granted.${permission} is not known (create, read, write, {child}:create)`;
    if (!Array.isArray(principals) || principals.some((one) => typeof one !== "string" || one === ""))
      yield `sharing.granted.${permission} must be a list of principals`;
  }
}

/** What can only be seen when all resources are known: grants of creating something that is not there. @throws Error */
export function assertGrantsMeanSomething(resources: readonly Resource[]): void {
  for (const resource of resources) {
    const names = sharedChildren(resource, resources).map(({ name }) => creationOf(name));
    for (const permission of Object.keys(sharingOptions(resource)?.granted ?? {}))
      if (permission.includes(":") && !names.includes(permission))
        throw new Error(
          `resource "${resource.name}": sharing.granted.${permission} names nothing that is shared and nested below it (${names.join(", ") || "nothing is"})`,
        );
  }
}
