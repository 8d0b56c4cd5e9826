/**
 * Accounts that nobody uses: warned by mail after 22 months, erased after 24, never without the warning and a month to answer it. Every use of the
 * service begins with a sign-in, a renewed token or a page's session, so that these are what counts as use.
 */
import { type Change, CommitConflict } from "rouage/storage";
import type { Account } from "./account.ts";
import type { Parts } from "./parts.ts";
import type { StoredAccount } from "./store.ts";

const dayMs = 86_400_000;
/** How exactly the last use is known; each account is written at most so often for it. */
const noteMs = 7 * dayMs;
const warnedMonths = 22;
const erasedMonths = 24;
const leastNoticeMs = 30 * dayMs;
/** Accounts looked at in one run: a sudden crowd must not fill the queue of mails. */
const batch = 500;

/** Remembers that the account is in use. */
export async function noteUse(parts: Parts, { id, account }: StoredAccount): Promise<void> {
  if (!isStale(account, parts.clock.now())) return;
  await parts.store.update(id, (stored) =>
    stored.account.status === "active" && isStale(stored.account, parts.clock.now())
      ? { account: { ...stored.account, used: parts.clock.now(), erase_after: null } }
      : undefined,
  );
}

/** Warns who has to be warned. Answers how many mails were queued. */
export async function warnInactive(parts: Parts): Promise<number> {
  const { store, clock, outbox } = parts;
  const now = clock.now();
  let warned = 0;
  for (const { id } of await store.unusedSince(addMonths(now, -warnedMonths), null, batch)) {
    const updated = await store.update(id, ({ account }) => {
      if (account.status !== "active" || account.erase_after !== null) return undefined;
      if (account.used >= addMonths(now, -warnedMonths)) return undefined;
      const erase_after = Math.max(addMonths(account.used, erasedMonths), now + leastNoticeMs);
      const { email: to, language } = account;
      const date = new Intl.DateTimeFormat(language, { dateStyle: "long", timeZone: "UTC" }).format(erase_after);
      const mail: Change = outbox.change({ account: id, to, kind: "inactive", language, date, expires: erase_after });
      return { account: { ...account, erase_after }, also: [mail] };
    });
    if (updated !== undefined) warned += 1;
  }
  if (warned > 0) outbox.kick();
  return warned;
}

/** What erases an account that is still as `only` says; undefined when it stays. */
export type EraseIf = (account: string, only: (account: Account) => boolean) => Promise<unknown>;

/** Erases who was warned and did not come back. Answers how many. */
export async function eraseInactive({ store, clock, log }: Parts, eraseIf: EraseIf): Promise<number> {
  const isDue = ({ erase_after, used }: Account) =>
    erase_after !== null && erase_after <= clock.now() && used < addMonths(clock.now(), -erasedMonths);
  let erased = 0;
  for (const { id } of await store.unusedSince(addMonths(clock.now(), -erasedMonths), clock.now(), batch)) {
    try {
      // Whoever signs in this very moment keeps the account.
      if ((await eraseIf(id, isDue)) !== undefined) erased += 1;
    } catch (error) {
      if (error instanceof CommitConflict) continue;
      log.warn({ err: error }, "an inactive account could not be erased yet");
    }
  }
  return erased;
}

function isStale({ used, erase_after }: Account, now: number): boolean {
  return erase_after !== null || used + noteMs <= now;
}

/** Calendar months, in UTC; a day that the month does not have becomes its last. */
export function addMonths(time: number, months: number): number {
  const date = new Date(time);
  const day = date.getUTCDate();
  date.setUTCDate(1);
  date.setUTCMonth(date.getUTCMonth() + months);
  const lastDay = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
  date.setUTCDate(Math.min(day, lastDay));
  return date.getTime();
}
