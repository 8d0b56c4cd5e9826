/** What the routes and tasks of accounts share, made once for each running service. */
import { type Clock, type Logger, type OperationContext, ServiceError } from "rouage";
import {
  type BrowserSessions,
  browserSessions,
  type EndReason,
  type Passwords,
  passwords,
  type RefreshTokens,
  refreshTokens,
  sharedThrottle,
  type Throttle,
} from "rouage/auth";
import type { Cache } from "rouage/cache";
import type { Change, CommitContext, Storage } from "rouage/storage";
import type { Mailer } from "../../mail/mail.ts";
import type { ServiceCall, ServiceName } from "../../shared/client.ts";
import type { Amr } from "./account.ts";
import { type Codes, codeDefinition, codes } from "./codes.ts";
import type { Identity } from "./identity.ts";
import { mailDefinition, type Outbox, outbox } from "./outbox.ts";
import { type AccountStore, accountDefinition, accountStore, type StoredAccount } from "./store.ts";

export interface AccountsDeps {
  readonly identity: Identity;
  readonly mailer: Mailer;
  /** Calls to the services that hold something about a person. */
  readonly call: ServiceCall;
  /** Asked to erase when a person goes. Default: profiles, positions, access. */
  readonly erasers?: readonly ServiceName[];
  /** Country of phone numbers typed without a prefix, ISO 3166-1. Default FR. */
  readonly country?: string;
  /** Mails that one network address may cause within an hour (registrations, resets) before it is slowed down. Default 60. */
  readonly mailsPerAddress?: number;
  /** Cost of a password hash; for tests. */
  readonly passwordCost?: { readonly memory: number; readonly passes: number };
}

export interface Parts {
  readonly deps: AccountsDeps;
  readonly identity: Identity;
  readonly storage: Storage;
  readonly clock: Clock;
  readonly log: Logger;
  readonly store: AccountStore;
  readonly codes: Codes;
  readonly outbox: Outbox;
  readonly passwords: Passwords;
  readonly refresh: RefreshTokens;
  readonly browser: BrowserSessions;
  /** Tries to sign in or to confirm with a password. */
  readonly signInThrottle: Throttle;
  /** Tries to guess a code sent by mail. */
  readonly codeThrottle: Throttle;
  /** Mails that strangers can cause. */
  readonly mailThrottle: Throttle;
  /** Resolves when the lists are there. */
  readonly ready: () => Promise<void>;
  /** Runs something after the answer; what fails is logged, and stopping waits for it. */
  background(name: string, work: () => Promise<unknown>): void;
  /** Resolves when nothing runs in the background. */
  settled(): Promise<void>;
}

export function makeParts(
  deps: AccountsDeps,
  {
    storage,
    cache,
    clock,
    log,
  }: { readonly storage: Storage; readonly cache: Cache; readonly clock: Clock; readonly log: Logger },
): Parts {
  const { identity, mailer } = deps;
  const running = new Set<Promise<void>>();
  const ended = (session: { readonly id: string; readonly subject: string }, reason: EndReason): readonly Change[] => [
    {
      kind: "event",
      key: { resource: "session", parent: session.subject, id: session.id },
      type: "session.revoked",
      data: { reason },
    },
  ];
  const refresh = refreshTokens({ storage, clock, ended });
  const browser = browserSessions({ storage, clock, csrfKey: identity.csrfKey, ended });
  let defining: Promise<void> | undefined;
  const hour = 3600_000;

  return {
    deps,
    identity,
    storage,
    clock,
    log,
    store: accountStore(storage),
    codes: codes(storage, identity.codeKey, clock),
    outbox: outbox({ storage, mailer, clock, log }),
    passwords: passwords({ pepper: identity.pepper, minLength: 12, ...deps.passwordCost }),
    refresh,
    browser,
    signInThrottle: sharedThrottle({ clock, cache, log, name: "sign-in" }),
    codeThrottle: sharedThrottle({
      ...{ clock, cache, log, name: "code" },
      account: { free: 20, lockMs: 60_000, maxLockMs: hour, windowMs: hour },
    }),
    mailThrottle: sharedThrottle({
      ...{ clock, cache, log, name: "mail" },
      account: { free: 4, lockMs: 60_000, maxLockMs: hour, windowMs: hour },
      address: { free: deps.mailsPerAddress ?? 60, lockMs: 60_000, maxLockMs: hour, windowMs: hour },
    }),
    ready: () => {
      defining ??= storage.define([
        accountDefinition,
        codeDefinition,
        mailDefinition,
        refresh.definition,
        browser.definition,
        { resource: "session", indexes: [], unique: [] },
        { resource: "erasure", indexes: [["receipt"], ["state"]], unique: [] },
      ]);
      return defining;
    },
    background(name, work) {
      const done = work().then(
        () => undefined,
        (error: unknown) => log.error({ err: error, work: name }, "work after the answer failed"),
      );
      running.add(done);
      void done.then(() => running.delete(done));
    },
    async settled() {
      while (running.size > 0) await Promise.all(running);
    },
  };
}

/** Who and what caused a commit. */
export function commitContext(context: OperationContext): CommitContext {
  const { principal, requestId } = context;
  return principal.id === undefined ? { requestId } : { requestId, principal: principal.id };
}

/** The caller's account. @throws ServiceError `invalid-credentials` when it is gone */
export async function callerAccount({ store, ready }: Parts, { principal }: OperationContext): Promise<StoredAccount> {
  await ready();
  const stored = principal.id === undefined ? undefined : await store.get(principal.id);
  if (stored?.account.status !== "active") throw new ServiceError("invalid-credentials");
  return stored;
}

/** Session id and authentication methods of the caller's token. */
export function callerSession({ principal }: OperationContext): { readonly sid: string; readonly amr: Amr } {
  const { sid, amr } = principal.claims;
  const methods = Array.isArray(amr)
    ? amr.filter((method): method is Amr[number] => method === "pwd" || method === "otp")
    : [];
  return { sid: typeof sid === "string" ? sid : "", amr: methods };
}
