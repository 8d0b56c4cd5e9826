/** What every adapter refuses before it looks at the store: changes that no storage could keep faithfully. */
import { ServiceError } from "../errors.ts";
import type { Change, Permissions } from "./storage.ts";

/** Longest name of a permission and of a principal: both are keys of indexes. */
const longest = { permission: 256, principal: 2_048 };

/** @throws ServiceError `invalid-parameters` where a key, a permission or a principal is no text that every storage keeps as it is */
export function checkChanges(changes: readonly Change[]): void {
  for (const change of changes) {
    switch (change.kind) {
      case "put":
      case "delete":
      case "require":
      case "event":
      case "tombstone":
        if (!change.key.id.isWellFormed() || !change.key.parent.isWellFormed()) throw refused("Invalid object id");
        if (change.kind === "put" && change.permissions !== undefined) checkPermissions(change.permissions);
        break;
      case "members":
        checkPrincipal(change.group);
        for (const member of change.members) checkPrincipal(member);
        break;
      case "forget":
        checkPrincipal(change.principal);
    }
  }
}

function checkPermissions(permissions: Permissions): void {
  for (const [name, principals] of Object.entries(permissions)) {
    if (!isName(name, longest.permission)) throw refused("Invalid permission");
    for (const principal of principals) checkPrincipal(principal);
  }
}

function checkPrincipal(principal: string): void {
  if (!isName(principal, longest.principal)) throw refused("Invalid principal");
}

function isName(text: unknown, most: number): boolean {
  return typeof text === "string" && text !== "" && text.length <= most && text.isWellFormed() && !text.includes("\0");
}

function refused(message: string): ServiceError {
  return new ServiceError("invalid-parameters", { message });
}
