/**
 * Making an account, by strangers: what is answered never tells whether the address has one already, and the work is the same. Also made by services,
 * for responders and demonstrations.
 */
import { randomBytes, randomUUIDv7 } from "node:crypto";
import { invalid, ServiceError, type Violation } from "rouage";
import { CommitConflict, type CommitContext } from "rouage/storage";
import { phoneHash, toE164 } from "../../shared/phone.ts";
import type { Account, GrantedRole, Language, Site } from "./account.ts";
import { emailHash, parseEmail } from "./email.ts";
import type { Parts } from "./parts.ts";
import type { StoredAccount } from "./store.ts";

export interface SignUp {
  readonly email: string;
  readonly phone?: string | undefined;
  readonly phoneNumber?: string | undefined;
  readonly password: string;
  readonly language?: Language | undefined;
}

/** @throws ServiceError `invalid-parameters` naming everything that is wrong, `too-many-requests`, `unavailable` */
export async function signUp(
  parts: Parts,
  input: SignUp,
  address: string | undefined,
  signal: AbortSignal,
  context: CommitContext,
): Promise<void> {
  const checked = checkSignUp(parts, input);
  await parts.mailThrottle.attempt(checked.email_hash, address);
  await parts.ready();
  await parts.outbox.makeRoom();
  const password = await parts.passwords.hash(input.password, signal);
  for (;;) {
    const existing = await parts.store.byEmail(checked.email_hash);
    // Always one comparison: time must not tell whether there is something to compare with.
    const isSame = await parts.passwords.verify(input.password, existing?.account.password, signal);
    try {
      if (existing === undefined) await storeUnverified(parts, existing, newAccount(parts, checked, password), context);
      else if (existing.account.status === "unverified")
        await storeUnverified(
          parts,
          existing,
          merged(existing.account, newAccount(parts, checked, password), isSame),
          context,
        );
      else await tellRegistered(parts, existing, context);
      parts.outbox.kick();
      return;
    } catch (error) {
      // Two sign-ups with one address at once: the second looks again.
      if (!(error instanceof CommitConflict)) throw error;
    }
  }
}

export interface Provisioned extends SignUp {
  readonly roles?: readonly GrantedRole[] | undefined;
  readonly site?: Site | undefined;
  /** True: usable at once, without a code. */
  readonly verified?: boolean | undefined;
}

/** Makes an account for somebody known. @throws ServiceError `conflict` with details `{field, existing}` when the address has one */
export async function provision(parts: Parts, input: Provisioned, context: CommitContext): Promise<string> {
  const checked = checkSignUp(parts, input, input.phone !== undefined || input.phoneNumber !== undefined);
  await parts.ready();
  const password = await parts.passwords.hash(input.password);
  const existing = await parts.store.byEmail(checked.email_hash);
  if (existing !== undefined)
    throw new ServiceError("conflict", { details: { field: "email", existing: { id: existing.id } } });
  const account: Account = {
    ...newAccount(parts, checked, password),
    roles: input.roles ?? [],
    site: input.site ?? null,
  };
  if (input.verified !== true) return storeUnverified(parts, undefined, account, context);
  const id = randomUUIDv7();
  await parts.storage.commit(
    [parts.store.creation(id, activated(account, parts.clock.now())), createdEvent(id)],
    context,
  );
  return id;
}

/** A new code for an account that waits for one. Called after the answer: an address without one must look the same. */
export async function resendVerification(parts: Parts, hash: string): Promise<void> {
  const stored = await parts.store.byEmail(hash);
  if (stored?.account.status !== "unverified") return;
  await storeUnverified(parts, stored, stored.account, {});
  parts.outbox.kick();
}

/**
 * Undefined when the code was not right. The account is usable from then on; after a contested registration once its owner has set a password with
 * the code that a second mail brings (`password-required`).
 */
export async function verify(
  parts: Parts,
  hash: string,
  code: string,
  from: string | undefined,
  context: CommitContext,
): Promise<"verified" | "password-required" | undefined> {
  await parts.ready();
  const found = await parts.store.byEmail(hash);
  const id = found?.id ?? "";
  let status: "verified" | "password-required" = "verified";
  const redeemed = await parts.codes.redeem(
    id,
    "verify",
    { code, from },
    async () => {
      const stored = await parts.store.get(id);
      if (stored?.account.status !== "unverified") return undefined;
      const now = parts.clock.now();
      status = stored.account.contested ? "password-required" : "verified";
      if (!stored.account.contested)
        return [parts.store.replacement(stored, activated(stored.account, now)), createdEvent(id)];
      const { email: to, language } = stored.account;
      const reset = parts.codes.issue(id, "reset");
      const mail = {
        account: id,
        to,
        kind: "choose-password",
        language,
        code: reset.code,
        expires: reset.expires,
      } as const;
      const password = await parts.passwords.hash(randomBytes(32).toString("base64url"));
      const owned = { ...activated(withoutClaims(stored.account), now), password };
      return [parts.store.replacement(stored, owned), createdEvent(id), reset.change, parts.outbox.change(mail)];
    },
    context,
  );
  if (!redeemed) return undefined;
  parts.outbox.kick();
  return status;
}

interface Checked {
  readonly email: string;
  readonly email_hash: string;
  readonly phone: string | null;
  readonly phone_hash: string | null;
  readonly language: Language;
}

function checkSignUp(parts: Parts, input: SignUp, phoneRequired = true): Checked {
  const violations: Violation[] = [];
  const violation = (name: string, code: string, description: string) =>
    violations.push({ location: "body", name, code, description });
  const { emailHashKey, phoneHashKey } = parts.identity;

  const email = parseEmail(input.email);
  if (email === undefined) violation("email", "invalid-email", "must be an e-mail address");
  const [phoneName, typed] =
    input.phone === undefined && input.phoneNumber !== undefined
      ? ["phoneNumber", input.phoneNumber]
      : ["phone", input.phone];
  const phone = typed === undefined ? undefined : toE164(typed, parts.deps.country ?? "FR");
  if (typed === undefined && phoneRequired) violation(phoneName, "required", "is required");
  else if (typed !== undefined && phone === undefined)
    violation(phoneName, "invalid-phone", "must be a phone number with all its digits");
  const fault = parts.passwords.fault(input.password, [input.email]);
  if (fault !== undefined) violation("password", fault.code, fault.description);
  if (violations.length > 0 || email === undefined) throw invalid(...violations);
  return {
    email,
    email_hash: emailHash(emailHashKey, email),
    phone: phone ?? null,
    phone_hash: phone === undefined ? null : phoneHash(phoneHashKey, phone),
    language: input.language ?? "fr",
  };
}

function newAccount({ clock }: Parts, checked: Checked, password: string): Account {
  return {
    ...checked,
    status: "unverified",
    email_pending: null,
    former_emails: [],
    phone_confirmed_at: checked.phone === null ? null : new Date(clock.now()).toISOString(),
    password,
    roles: [],
    site: null,
    created: clock.now(),
    verified: null,
    used: clock.now(),
    erase_after: null,
    contested: false,
    totp: null,
    totp_pending: null,
  };
}

/** A further registration of an address that waits for its code: the newest counts, what operators granted stays. */
function merged({ roles, site, contested }: Account, next: Account, isSame: boolean): Account {
  return { ...next, roles, site, contested: contested || !isSame };
}

export function activated(account: Account, now: number): Account {
  return { ...account, status: "active", verified: now, used: now };
}

/** Without what registrations claimed that may have been made by somebody else. The caller sets the password. */
export function withoutClaims(account: Account): Account {
  const nothing = { phone: null, phone_hash: null, phone_confirmed_at: null, totp: null, totp_pending: null };
  return { ...account, ...nothing, contested: false };
}

/** Stores the account with a fresh code and the mail that carries it; the newest sign-up of an address counts. */
async function storeUnverified(
  parts: Parts,
  existing: StoredAccount | undefined,
  account: Account,
  context: CommitContext,
): Promise<string> {
  const id = existing?.id ?? randomUUIDv7();
  const { code, expires, change } = parts.codes.issue(id, "verify");
  const { email: to, language } = account;
  await parts.storage.commit(
    [
      existing === undefined ? parts.store.creation(id, account) : parts.store.replacement(existing, account),
      change,
      parts.outbox.change({ account: id, to, kind: "verification", language, code, expires }),
    ],
    context,
  );
  return id;
}

async function tellRegistered(parts: Parts, { id, account }: StoredAccount, context: CommitContext): Promise<void> {
  const { email: to, language } = account;
  const expires = parts.clock.now() + 3600_000;
  await parts.storage.commit(
    [parts.outbox.change({ account: id, to, kind: "already-registered", language, expires })],
    context,
  );
}

export function createdEvent(id: string) {
  return { kind: "event", key: { resource: "account", parent: "", id }, type: "account.created", data: {} } as const;
}
