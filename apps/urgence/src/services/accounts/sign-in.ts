/** Who is this? Password, then the second factor, with one answer for everything that is wrong before it. */
import { ServiceError } from "rouage";
import { type Attempt, useRecoveryCode, verifyTotp } from "rouage/auth";
import type { Amr } from "./account.ts";
import { emailHash } from "./email.ts";
import { noteUse } from "./inactive.ts";
import type { Parts } from "./parts.ts";
import { unseal } from "./seal.ts";
import type { StoredAccount } from "./store.ts";

export interface Credentials {
  readonly email: string;
  readonly password: string;
  /** A code of the authenticator app, or a recovery code. */
  readonly totp?: string | undefined;
}

export interface SignedIn {
  readonly stored: StoredAccount;
  readonly amr: Amr;
}

/**
 * Checks credentials. Unknown, unconfirmed and wrong are the same 401 after the same work; a second factor is asked for only after a right
 * password. @throws ServiceError `invalid-credentials`, `missing-credentials` with details `{totp}`, `too-many-requests`
 */
export async function signIn(
  parts: Parts,
  { email, password, totp }: Credentials,
  address: string | undefined,
  signal: AbortSignal,
  passwordShown: (stored: StoredAccount) => void = () => {},
): Promise<SignedIn> {
  const hash = emailHash(parts.identity.emailHashKey, email);
  const attempt = await admit(parts, hash, address);
  let judged = false;
  try {
    await parts.ready();
    const found = await parts.store.byEmail(hash);
    const active = found?.account.status === "active" ? found : undefined;
    const right = await parts.passwords.verify(password, active?.account.password, signal);
    judged = true;
    if (active === undefined || !right) throw wrongCredentials();
    passwordShown(active);
    const amr = await secondFactor(parts, active, totp, attempt);
    await attempt.succeeded();
    await noteUse(parts, active);
    parts.background("rehash", () => rehash(parts, active, password));
    return { stored: active, amr };
  } catch (error) {
    // A failure of ours is not a failed try.
    if (!judged) await attempt.abandoned();
    throw error;
  }
}

export interface Confirmation {
  readonly password: string;
  readonly totp?: string | undefined;
  /** True: the session showed the second factor, and need not again. */
  readonly shown?: boolean;
}

/** Asks a signed-in person for the password again (and the second factor where they have one), before something grave. */
export async function confirmPassword(
  parts: Parts,
  stored: StoredAccount,
  { password, totp, shown = false }: Confirmation,
  address: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const attempt = await admit(parts, stored.account.email_hash, address, signedInKey(stored.id));
  let judged = false;
  try {
    const right = await parts.passwords.verify(password, stored.account.password, signal);
    judged = true;
    if (!right) throw wrongCredentials();
    if (!shown) await secondFactor(parts, stored, totp, attempt);
    await attempt.succeeded();
  } catch (error) {
    if (!judged) await attempt.abandoned();
    throw error;
  }
}

/** Tries of signed-in people are counted apart: strangers who try to sign in do not keep them from what takes the password. */
export function signedInKey(account: string): string {
  return `signed-in ${account}`;
}

export function wrongCredentials(): ServiceError {
  return new ServiceError("invalid-credentials", { message: "The e-mail address or the password is not right." });
}

export async function admit(parts: Parts, hash: string, address: string | undefined, key = hash): Promise<Attempt> {
  try {
    return await parts.signInThrottle.attempt(key, address);
  } catch (error) {
    parts.background("locked hint", () => hintLocked(parts, hash));
    throw error;
  }
}

/** Tells the owner that somebody tries passwords; at most once a day, and after the answer, so that it tells nobody else. */
async function hintLocked(parts: Parts, hash: string): Promise<void> {
  const stored = await parts.store.byEmail(hash);
  if (stored?.account.status !== "active") return;
  const now = parts.clock.now();
  const key = { resource: "code", parent: stored.id, id: "locked-hint" };
  const entry = await parts.storage.get(key);
  if (entry?.kind === "object" && now - (JSON.parse(entry.body) as { sent: number }).sent < 86_400_000) return;
  const { email, language } = stored.account;
  const expect = entry?.kind === "object" ? ({ kind: "revision", revision: entry.revision } as const) : absent;
  await parts.storage.commit([
    { kind: "put", key, body: JSON.stringify({ sent: now }), expect, logBody: false },
    parts.outbox.change({ account: stored.id, to: email, kind: "locked", language, expires: now + 3600_000 }),
  ]);
  parts.outbox.kick();
}

const absent = { kind: "absent" } as const;

/** Which factors were shown. Each code is accepted once, also when it arrives twice at the same time. */
export async function secondFactor(
  parts: Parts,
  stored: StoredAccount,
  code: string | undefined,
  attempt: Attempt,
): Promise<Amr> {
  if (stored.account.totp === null) return ["pwd"];
  if (code === undefined || code.trim() === "") {
    await attempt.abandoned();
    throw new ServiceError("missing-credentials", {
      message: "This account needs a second factor.",
      details: { totp: "required" },
    });
  }
  const used = await parts.store.update(stored.id, ({ id, account }) => {
    if (account.totp === null) return undefined;
    const { secret, last_step, recovery } = account.totp;
    const step = verifyTotp(unseal(parts.identity.totpKeys, secret, id), code.trim(), parts.clock.now(), last_step);
    if (step !== undefined) return { account: { ...account, totp: { ...account.totp, last_step: step } } };
    const left = useRecoveryCode(recovery, code);
    return left === undefined ? undefined : { account: { ...account, totp: { ...account.totp, recovery: left } } };
  });
  if (used === undefined)
    throw new ServiceError("missing-credentials", {
      message: "The code of the second factor is not right.",
      details: { totp: "wrong" },
    });
  return ["pwd", "otp"];
}

/** A right password is the moment to renew a hash made with older costs or an older pepper. */
async function rehash(parts: Parts, stored: StoredAccount, password: string): Promise<void> {
  if (!parts.passwords.needsRehash(stored.account.password)) return;
  const hash = await parts.passwords.hash(password);
  const before = stored.account.password;
  await parts.store.update(stored.id, ({ account }) =>
    account.password === before ? { account: { ...account, password: hash } } : undefined,
  );
}
