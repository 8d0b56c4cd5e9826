/** What every adapter refuses before it looks at the store: changes that no storage could keep faithfully. */
import { ServiceError } from "../errors.ts";
import type { Change } from "./storage.ts";

/** @throws ServiceError `invalid-parameters` when an id or a parent is not well-formed Unicode */
export function checkChanges(changes: readonly Change[]): void {
  for (const { key } of changes) {
    if (!key.id.isWellFormed() || !key.parent.isWellFormed()) {
      throw new ServiceError("invalid-parameters", { message: "Invalid object id" });
    }
  }
}
