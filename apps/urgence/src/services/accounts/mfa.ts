/** The second factor: enrolment with an authenticator app, recovery codes, and switching it off. */
import { invalid, ServiceError } from "rouage";
import { enrolTotp, hashRecoveryCode, recoveryCodes, verifyTotp } from "rouage/auth";
import type { Change, CommitContext } from "rouage/storage";
import type { Parts } from "./parts.ts";
import { seal, unseal } from "./seal.ts";
import { endSessions, noteAmr } from "./sessions.ts";
import type { StoredAccount } from "./store.ts";

const pendingMs = 15 * 60_000;

export function mfaStatus({ account }: StoredAccount) {
  return {
    enrolled: account.totp !== null,
    enrolled_at: account.totp === null ? null : new Date(account.totp.enrolled).toISOString(),
    recovery_codes_left: account.totp?.recovery.length ?? 0,
    required: account.roles.length > 0,
  };
}

/** A secret to scan; nothing changes until it is confirmed. @throws ServiceError `conflict` when a second factor is on already */
export async function startMfa(parts: Parts, { id, account }: StoredAccount, context: CommitContext) {
  const { secret, uri } = enrolTotp("Urgence", account.email);
  const updated = await parts.store.update(
    id,
    (stored) => {
      if (stored.account.totp !== null) return undefined;
      const pending = {
        secret: seal(parts.identity.totpKeys, secret, id),
        until: parts.clock.now() + pendingMs,
      };
      return { account: { ...stored.account, totp_pending: pending } };
    },
    context,
  );
  if (updated === undefined) throw new ServiceError("conflict", { message: "A second factor is on already." });
  return { secret, uri };
}

/**
 * Switches the second factor on with a first right code, and answers the recovery codes, once. The session that did it counts as signed in with
 * both factors; the others end.
 */
export async function confirmMfa(
  parts: Parts,
  { id }: StoredAccount,
  code: string,
  sid: string,
  context: CommitContext,
): Promise<readonly string[]> {
  const recovery = recoveryCodes();
  const now = parts.clock.now();
  const updated = await parts.store.update(
    id,
    ({ account }) => {
      const pending = account.totp_pending;
      if (pending === null || pending.until <= now) return undefined;
      const step = verifyTotp(unseal(parts.identity.totpKeys, pending.secret, id), code.trim(), now);
      if (step === undefined) return undefined;
      const secret = pending.secret;
      const totp = { secret, last_step: step, recovery: recovery.map(hashRecoveryCode), enrolled: now };
      const mail = { account: id, to: account.email, kind: "mfa-on", language: account.language } as const;
      return {
        account: { ...account, totp, totp_pending: null },
        also: [parts.outbox.change({ ...mail, expires: now + 86_400_000 })],
      };
    },
    context,
  );
  if (updated === undefined)
    throw invalid({ location: "body", name: "code", code: "wrong-code", description: "is wrong or too old" });
  parts.outbox.kick();
  await noteAmr(parts, id, sid, ["pwd", "otp"]);
  await endSessions(parts, id, "revoked", { except: sid, context });
  return recovery;
}

/** Switches it off; every session ends. The caller has asked for password and code before. */
export async function disableMfa(parts: Parts, stored: StoredAccount, context: CommitContext): Promise<void> {
  await switchOff(parts, stored, "mfa-off", [], context);
}

/** Switches it off for an owner who lost authenticator and recovery codes; false when there was nothing to switch off. On record and told by mail. */
export function resetMfa(parts: Parts, stored: StoredAccount, context: CommitContext): Promise<boolean> {
  const key = { resource: "account", parent: "", id: stored.id };
  return switchOff(parts, stored, "mfa-reset", [{ kind: "event", key, type: "account.mfa-reset", data: {} }], context);
}

async function switchOff(
  parts: Parts,
  { id }: StoredAccount,
  kind: "mfa-off" | "mfa-reset",
  events: readonly Change[],
  context: CommitContext,
): Promise<boolean> {
  const expires = parts.clock.now() + 86_400_000;
  const updated = await parts.store.update(
    id,
    ({ account }) => {
      if (account.totp === null && account.totp_pending === null) return undefined;
      const mail = { account: id, to: account.email, kind, language: account.language, expires };
      return {
        account: { ...account, totp: null, totp_pending: null },
        also: [parts.outbox.change(mail), ...events],
      };
    },
    context,
  );
  if (updated === undefined) return false;
  parts.outbox.kick();
  await endSessions(parts, id, "revoked", { context });
  return true;
}
