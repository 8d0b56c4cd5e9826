/** Accounts in their store: found by id or by keyed hash, changed only from the revision that was read. */
import { ServiceError } from "rouage";
import { type Change, CommitConflict, type CommitContext, type ListDefinition, type Storage } from "rouage/storage";
import type { Account } from "./account.ts";

export interface StoredAccount {
  readonly id: string;
  readonly revision: number;
  readonly account: Account;
}

export interface AccountStore {
  get(id: string): Promise<StoredAccount | undefined>;
  byEmail(emailHash: string): Promise<StoredAccount | undefined>;
  /** Active accounts with this number, the oldest first. */
  byPhone(phoneHash: string): Promise<readonly StoredAccount[]>;
  /** The change that stores a new account; its commit fails with a conflict when the address is taken. */
  creation(id: string, account: Account): Change;
  /** The change that replaces an account as it was read. */
  replacement(stored: StoredAccount, account: Account): Change;
  /**
   * Reads, changes and stores an account, again when somebody was faster. `change` answers what to store, with changes for the same
   * commit, or undefined to leave it. Answers the account stored, undefined when nothing was.
   */
  update(
    id: string,
    change: (stored: StoredAccount) => Update | undefined | Promise<Update | undefined>,
    context?: CommitContext,
  ): Promise<StoredAccount | undefined>;
  /** Active accounts last used before this time: those not warned yet (`null`), or those whose notice has ended by a time. */
  unusedSince(time: number, noticeEnded: number | null, limit: number): Promise<readonly StoredAccount[]>;
  /** Accounts never confirmed that were made before this time. */
  unverifiedBefore(time: number): Promise<readonly StoredAccount[]>;
}

export interface Update {
  readonly account: Account;
  readonly also?: readonly Change[];
}

export const accountDefinition: ListDefinition = {
  resource: "account",
  indexes: [["phone_hash"], ["status", "created"], ["status", "used"]],
  unique: [["email_hash"]],
};

export function accountStore(storage: Storage): AccountStore {
  const list = { resource: "account", parent: "" };
  const put = (id: string, account: Account, expect: Extract<Change, { kind: "put" }>["expect"]): Change => ({
    kind: "put",
    key: { ...list, id },
    body: JSON.stringify(account),
    expect,
    // The log outlives the account; who it was is not for it to tell.
    logBody: false,
  });
  const replacement: AccountStore["replacement"] = ({ id, revision }, account) =>
    put(id, account, { kind: "revision", revision });

  async function get(id: string): Promise<StoredAccount | undefined> {
    return read(await storage.get({ ...list, id }));
  }
  async function find(field: string, value: string, limit: number): Promise<readonly StoredAccount[]> {
    const entries = await storage.list(list, {
      filter: { kind: "compare", field, operator: "eq", value },
      // The order of the field's index: any other makes the store read every account.
      sort: [{ field: "last_modified", direction: "descending" }],
      limit,
    });
    return entries.map(read).filter((stored) => stored !== undefined);
  }

  return {
    get,
    byEmail: async (emailHash) => (await find("email_hash", emailHash, 1))[0],
    byPhone: async (phoneHash) =>
      (await find("phone_hash", phoneHash, 50))
        .filter(({ account }) => account.status === "active")
        .sort((a, b) => (a.id < b.id ? -1 : 1)),
    creation: (id, account) => put(id, account, { kind: "absent" }),
    replacement,
    async update(id, change, context) {
      for (let tries = 0; tries < 20; tries += 1) {
        const stored = await get(id);
        if (stored === undefined) return undefined;
        const update = await change(stored);
        if (update === undefined) return undefined;
        try {
          const [result] = await storage.commit([replacement(stored, update.account), ...(update.also ?? [])], context);
          const revision = result?.kind === "updated" ? result.object.revision : stored.revision;
          return { id, account: update.account, revision };
        } catch (error) {
          if (!(error instanceof CommitConflict)) throw error;
        }
      }
      throw new ServiceError("conflict");
    },
    unusedSince: async (time, noticeEnded, limit) => {
      const notice =
        noticeEnded === null
          ? ({ kind: "compare", field: "erase_after", operator: "eq", value: null } as const)
          : ({ kind: "compare", field: "erase_after", operator: "le", value: noticeEnded } as const);
      const entries = await storage.list(list, {
        filter: {
          kind: "and",
          filters: [
            { kind: "compare", field: "status", operator: "eq", value: "active" },
            { kind: "compare", field: "used", operator: "lt", value: time },
            notice,
          ],
        },
        sort: [
          { field: "used", direction: "ascending" },
          { field: "id", direction: "ascending" },
        ],
        limit,
      });
      return entries.map(read).filter((stored) => stored !== undefined);
    },
    unverifiedBefore: async (time) => {
      const entries = await storage.list(list, {
        filter: {
          kind: "and",
          filters: [
            { kind: "compare", field: "status", operator: "eq", value: "unverified" },
            { kind: "compare", field: "created", operator: "lt", value: time },
          ],
        },
        sort: [
          { field: "created", direction: "ascending" },
          { field: "id", direction: "ascending" },
        ],
        limit: 1000,
      });
      return entries.map(read).filter((stored) => stored !== undefined);
    },
  };
}

function read(entry: Awaited<ReturnType<Storage["get"]>>): StoredAccount | undefined {
  if (entry?.kind !== "object") return undefined;
  return { id: entry.id, revision: entry.revision, account: JSON.parse(entry.body) as Account };
}
