/** The permission entries of one write: what the object has, what was sent, and the writer's own. */
import { invalid, type Violation } from "../../errors.ts";
import type { Principal } from "../../principal.ts";
import type { ObjectKey } from "../../storage/keys.ts";
import type { PermissionReader, Permissions } from "../../storage/permissions.ts";
import type { Maybe } from "../maybe.ts";
import { type Meeting, receiveEntries, withPrincipal } from "./entries.ts";
import type { Family } from "./family.ts";

export interface WrittenEntries {
  readonly previous: Permissions;
  readonly next: Permissions;
  readonly violations: readonly Violation[];
}

export interface EntryWriter {
  /** The object's entries; undefined where the resource is not shared. */
  of(key: ObjectKey, exists: boolean): Maybe<Permissions | undefined>;
  /** @throws ServiceError `invalid-parameters` when entries are sent that cannot be set here */
  meet(
    write: { readonly id: string; readonly principal: Principal },
    previous: Permissions | undefined,
    sent: unknown,
    meeting: Meeting,
  ): WrittenEntries | undefined;
}

export function entryWriterOf(family: Family | undefined, reader: PermissionReader): EntryWriter {
  return {
    of: (key, exists) => (family === undefined ? undefined : exists ? reader.of(key) : {}),

    meet(write, previous, sent, meeting) {
      if (sent !== undefined && family?.settable !== true)
        throw invalid({
          location: "body",
          name: "permissions",
          description: "permissions cannot be set on this resource",
          code: "unknown-field",
        });
      if (family === undefined || previous === undefined) return undefined;
      const { next, violations } = receiveEntries(sent, { previous, names: family.names, meeting });
      return {
        previous,
        next: family.explicit ? withPrincipal(next, "write", family.writer(write)) : next,
        violations,
      };
    },
  };
}
