/** Another address for an account: confirmed by a code sent to it, told to the old one, and never telling whose the new one is already. */
import { invalid } from "rouage";
import type { CommitContext } from "rouage/storage";
import { codeLifetimeMs } from "./codes.ts";
import { emailHash, parseEmail } from "./email.ts";
import type { Parts } from "./parts.ts";
import { endSessions } from "./sessions.ts";
import type { StoredAccount } from "./store.ts";

const dayMs = 86_400_000;

/** Sends the code. The caller has asked for the password before. @throws ServiceError `invalid-parameters`, `too-many-requests` */
export async function startEmailChange(
  parts: Parts,
  { id }: StoredAccount,
  typed: string,
  address: string | undefined,
  context: CommitContext,
): Promise<void> {
  const email = parseEmail(typed);
  if (email === undefined)
    throw invalid({
      location: "body",
      name: "email",
      code: "invalid-email",
      description: "must be an e-mail address",
    });
  const email_hash = emailHash(parts.identity.emailHashKey, email);
  await parts.mailThrottle.attempt(email_hash, address);
  await parts.outbox.makeRoom();
  const taken = await parts.store.byEmail(email_hash);
  await parts.store.update(
    id,
    ({ account }) => {
      const mail = { account: id, language: account.language, expires: parts.clock.now() + codeLifetimeMs } as const;
      if (taken !== undefined && taken.id !== id) {
        const { email: to, language } = taken.account;
        const told = { ...mail, account: taken.id, to, language, kind: "already-registered" } as const;
        return { account: { ...account, email_pending: null }, also: [parts.outbox.change(told)] };
      }
      const { code, change } = parts.codes.issue(id, "email");
      return {
        account: { ...account, email_pending: { email, email_hash } },
        also: [change, parts.outbox.change({ ...mail, to: email, kind: "new-address", code })],
      };
    },
    context,
  );
  parts.outbox.kick();
}

/** False when the code was not right, or the address went to somebody else meanwhile. */
export async function confirmEmailChange(
  parts: Parts,
  { id }: StoredAccount,
  { code, from, sid }: { readonly code: string; readonly from: string | undefined; readonly sid: string },
  context: CommitContext,
): Promise<boolean> {
  const confirmed = await parts.codes.redeem(
    id,
    "email",
    { code, from },
    async () => {
      const stored = await parts.store.get(id);
      const pending = stored?.account.email_pending ?? null;
      if (stored?.account.status !== "active" || pending === null) return undefined;
      const taken = await parts.store.byEmail(pending.email_hash);
      if (taken !== undefined && taken.id !== id) return undefined;
      const { account } = stored;
      const notice = {
        account: id,
        to: account.email,
        kind: "address-changed",
        language: account.language,
        expires: parts.clock.now() + dayMs,
      } as const;
      const former_emails = [...new Set([...account.former_emails, account.email])];
      return [
        parts.store.replacement(stored, { ...account, ...pending, email_pending: null, former_emails }),
        parts.outbox.change(notice),
      ];
    },
    context,
  );
  if (!confirmed) return false;
  parts.outbox.kick();
  await endSessions(parts, id, "revoked", { except: sid, context });
  return true;
}
