/** Accounts: a name, a password that is stored hashed and never sent, and whatever else their owners keep there. */
import {
  type Hooks,
  invalid,
  type OperationContext,
  type PendingWrite,
  predicate,
  type Resource,
  resource,
} from "rouage";
import type { Passwords } from "rouage/auth";
import { Type } from "typebox";
import { systemRule } from "../system.ts";
import type { AccountSettings } from "./account-settings.ts";

export interface AccountParts {
  readonly settings: AccountSettings;
  readonly passwords: Passwords;
  /** What identities of accounts begin with, colon included. */
  readonly prefix: string;
  readonly isAdmin: (context: OperationContext) => boolean | Promise<boolean>;
  /** Called when a password no longer holds. */
  readonly changed: (account: string) => Promise<void>;
}

interface Account {
  readonly password: string;
}

export function accountResource({ settings, passwords, prefix, isAdmin, changed }: AccountParts): Resource {
  const own = predicate<Account>({
    name: "own account",
    principal: ({ id }) => id?.startsWith(prefix) === true,
    object: ({ principal, id }) => principal.id === prefix + id,
    filter: ({ id = "" }) => ({ kind: "compare", field: "id", operator: "eq", value: id.slice(prefix.length) }),
  });

  async function assertOwn({ action, id }: PendingWrite<Account>, context: OperationContext): Promise<void> {
    const { principal } = context;
    if (action === "delete" || principal.id === undefined || principal.id === prefix + id) return;
    if (systemRule.decide(principal) === true || (await isAdmin(context))) return;
    throw invalid({
      location: "body",
      name: "data.id",
      description: "Username and account ID do not match.",
      code: "account-mismatch",
    });
  }

  const hooks: Hooks<Account> = {
    async before(write, context) {
      if (write.previous === undefined) await assertOwn(write, context);
      const { next, previous } = write;
      if (next === undefined || next.password === previous?.password) return undefined;
      const fault = passwords.fault(next.password);
      if (fault !== undefined)
        throw invalid({
          location: "body",
          name: "data.password",
          description: `password ${fault.description}`,
          code: fault.code,
        });
      return { ...next, password: await passwords.hash(next.password, context.signal) };
    },
    async after({ id, previous, next }) {
      if (previous !== undefined && previous.password !== next?.password) await changed(id);
    },
  };

  const principals = {
    ...(settings.creators.length > 0 && { create: settings.creators }),
    ...(settings.readers.length > 0 && { read: settings.readers }),
    ...(settings.admins.length > 0 && { write: settings.admins }),
  };
  return resource("account", {
    path: "/accounts",
    description: "Who signs in with a name and a password.",
    schema: Type.Object({ password: Type.String({ minLength: 1, writeOnly: true }) }),
    unknownFields: "keep",
    id: { pattern: idPattern, generate: refuseWithoutName },
    access: { create: [systemRule], read: [systemRule, own], write: [systemRule, own] },
    sharing: { granted: principals, writer: ({ id }) => prefix + id },
    hooks,
    // A password's hash is in no log.
    logBodies: false,
  }) as unknown as Resource;
}

/** As Kinto's, but no path segment that clients resolve away. */
const idPattern = /^(?!\.{1,2}$)[a-zA-Z0-9+.@_-]+$/;

function refuseWithoutName(): never {
  throw invalid({ location: "body", name: "data.id", description: "data.id in body: Required", code: "required" });
}
