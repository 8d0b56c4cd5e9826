/** Setting another password: with a code from a mail, or with the current one. Every session ends, and the owner is told. */
import type { CommitContext } from "rouage/storage";
import type { Account } from "./account.ts";
import type { Parts } from "./parts.ts";
import { endSessions } from "./sessions.ts";
import { activated, createdEvent, withoutClaims } from "./sign-up.ts";
import type { StoredAccount } from "./store.ts";

/** Called after the answer: an address without an account must look the same. */
export async function sendReset(parts: Parts, hash: string): Promise<void> {
  const stored = await parts.store.byEmail(hash);
  if (stored === undefined || stored.account.status === "erasing") return;
  const { email: to, language } = stored.account;
  const { code, expires, change } = parts.codes.issue(stored.id, "reset");
  const mail = parts.outbox.change({ account: stored.id, to, kind: "reset", language, code, expires });
  await parts.storage.commit([change, mail]);
  parts.outbox.kick();
}

/** False when the code was not right. The password was judged before. */
export async function resetPassword(
  parts: Parts,
  hash: string,
  given: { readonly code: string; readonly password: string; readonly from: string | undefined },
  signal: AbortSignal,
  context: CommitContext,
): Promise<boolean> {
  await parts.ready();
  const found = await parts.store.byEmail(hash);
  const next = await parts.passwords.hash(given.password, signal);
  const id = found?.id ?? "";
  const redeemed = await parts.codes.redeem(
    id,
    "reset",
    given,
    async () => {
      const stored = await parts.store.get(id);
      if (stored === undefined || stored.account.status === "erasing") return undefined;
      if (stored.account.status === "unverified") {
        // The mail proves whose address it is; whoever registered it may have been somebody else.
        const owned = activated(withoutClaims(stored.account), parts.clock.now());
        return [parts.store.replacement(stored, { ...owned, password: next }), createdEvent(id)];
      }
      const account: Account = { ...stored.account, password: next };
      return [parts.store.replacement(stored, account), changedMail(parts, stored)];
    },
    context,
  );
  if (!redeemed) return false;
  parts.outbox.kick();
  await endSessions(parts, id, "revoked", { context });
  return true;
}

/** The caller has checked the current password, and judged the new one. */
export async function changePassword(
  parts: Parts,
  { id }: StoredAccount,
  password: string,
  signal: AbortSignal,
  context: CommitContext,
): Promise<void> {
  const next = await parts.passwords.hash(password, signal);
  await parts.store.update(
    id,
    (stored) => ({ account: { ...stored.account, password: next }, also: [changedMail(parts, stored)] }),
    context,
  );
  parts.outbox.kick();
  await endSessions(parts, id, "revoked", { context });
}

function changedMail({ outbox, clock }: Parts, { id, account }: StoredAccount) {
  const { email: to, language } = account;
  return outbox.change({ account: id, to, kind: "password-changed", language, expires: clock.now() + 86_400_000 });
}
