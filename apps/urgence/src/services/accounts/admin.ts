/** Accounts for tools of this process: the command line, the demonstration, tests. Thin over the internal routes of the running service. */
import { ServiceError } from "rouage";
import type { ServiceCall } from "../../shared/client.ts";
import type { GrantedRole, Language, Site } from "./account.ts";

export interface NewAccount {
  readonly email: string;
  readonly phone?: string;
  readonly password: string;
  readonly language?: Language;
  readonly roles?: readonly GrantedRole[];
  readonly site?: Site;
  /** True: usable at once, without a code by mail. */
  readonly verified?: boolean;
}

export interface AccountsAdmin {
  /** Answers the id. @throws ServiceError `conflict` when the address has an account, `invalid-parameters` */
  createAccount(account: NewAccount): Promise<string>;
  /** Answers undefined when the address has no account. */
  findAccount(email: string): Promise<{ readonly id: string; readonly roles: readonly GrantedRole[] } | undefined>;
  grantRole(id: string, role: GrantedRole, site?: Site): Promise<void>;
  /** Also ends every session of the account. */
  revokeRole(id: string, role: GrantedRole): Promise<void>;
  /** Takes the second factor off and ends every session; answers whether there was one. */
  resetMfa(id: string): Promise<{ readonly reset: boolean }>;
  /** Erases the account and everything about its person; answers whether there was one. */
  eraseAccount(id: string): Promise<boolean>;
  /** Runs retention now. */
  maintain(): Promise<unknown>;
}

export function accountsAdmin(call: ServiceCall): AccountsAdmin {
  async function request(method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await call("accounts", method, path, body === undefined ? {} : { body });
    if (answer.status < 300) return (answer.body as { readonly data?: unknown } | undefined)?.data;
    const { message, details } = (answer.body ?? {}) as {
      message?: string;
      details?: Readonly<Record<string, unknown>>;
    };
    const code =
      answer.status === 409
        ? "conflict"
        : answer.status === 404
          ? "object-not-found"
          : answer.status === 400
            ? "invalid-parameters"
            : "unavailable";
    throw new ServiceError(code, {
      ...(message === undefined ? {} : { message }),
      ...(details === undefined ? {} : { details }),
    });
  }
  return {
    createAccount: async (account) => ((await request("POST", "/internal/accounts", account)) as { id: string }).id,
    async findAccount(email) {
      try {
        return (await request("POST", "/internal/accounts/find", { email })) as { id: string; roles: GrantedRole[] };
      } catch (error) {
        if (ServiceError.is(error) && error.code === "object-not-found") return undefined;
        throw error;
      }
    },
    async grantRole(id, role, site) {
      await request("PUT", `/internal/accounts/${id}/roles`, { add: [role], ...(site === undefined ? {} : { site }) });
    },
    async revokeRole(id, role) {
      await request("PUT", `/internal/accounts/${id}/roles`, { remove: [role] });
    },
    resetMfa: async (id) => (await request("DELETE", `/internal/accounts/${id}/mfa`)) as { reset: boolean },
    async eraseAccount(id) {
      try {
        await request("DELETE", `/internal/accounts/${encodeURIComponent(id)}`);
        return true;
      } catch (error) {
        if (ServiceError.is(error) && error.code === "object-not-found") return false;
        throw error;
      }
    },
    maintain: () => request("POST", "/internal/maintenance"),
  };
}
