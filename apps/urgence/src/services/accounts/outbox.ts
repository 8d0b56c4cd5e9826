/**
 * Mails waiting to be sent, kept in the store until the carrier took them, so that no answer waits for a mail server and no mail is lost in a crash. Delivery
 * is at least once.
 */
import { type Clock, type Logger, ServiceError } from "rouage";
import { type Change, CommitConflict, type ListDefinition, type ObjectKey, type Storage } from "rouage/storage";
import { MailError, type Mailer } from "../../mail/mail.ts";
import type { Language } from "./account.ts";
import { type MailKind, mailText } from "./mail-texts.ts";

export interface PendingMail {
  /** Account the mail belongs to; it goes when the account goes. */
  readonly account: string;
  readonly to: string;
  readonly kind: MailKind;
  readonly language: Language;
  readonly code?: string;
  /** A day the text speaks of, as it is shown. */
  readonly date?: string;
  /** Not sent after this time, in milliseconds since the epoch. */
  readonly expires: number;
}

export interface Outbox {
  /** @throws ServiceError `unavailable` when too many mails wait already */
  makeRoom(): Promise<void>;
  /** The change that puts a mail in the queue; call `kick` after its commit. */
  change(mail: PendingMail): Change;
  kick(): void;
  /** Keys of what waits for one account. */
  waitingFor(account: string): Promise<readonly ObjectKey[]>;
  /** Takes back what waits for one account, and waits for what is being sent; afterwards nothing more goes out. */
  withdraw(account: string): Promise<void>;
  /** Sends until the signal aborts; resolves when the mail under way is done. */
  run(signal: AbortSignal): Promise<void>;
}

export interface OutboxOptions {
  readonly storage: Storage;
  readonly mailer: Mailer;
  readonly clock: Clock;
  readonly log: Logger;
  /** Mails that may wait. Default 10000. */
  readonly limit?: number;
}

export const mailDefinition: ListDefinition = { resource: "mail", indexes: [["due"], ["account"]], unique: [] };

const list = { resource: "mail", parent: "" };
/** Mails sent at the same time. */
const atOnce = 5;
const longestPauseMs = 60_000;
/** Longer than the sending of one takes: a mail whose sender died is sent after it. */
const claimMs = 90_000;

export function outbox({ storage, mailer, clock, log, limit = 10_000 }: OutboxOptions): Outbox {
  let wake = Promise.withResolvers<void>();
  const flights = new Set<{ readonly account: string; readonly done: Promise<void> }>();

  /** Sends what is due; answers when the next mail is, if any waits. */
  async function sendDue(signal: AbortSignal): Promise<number | undefined> {
    for (;;) {
      const entries = await storage.list(list, {
        sort: [
          { field: "due", direction: "ascending" },
          { field: "id", direction: "ascending" },
        ],
        limit: atOnce,
      });
      const first = entries[0]?.kind === "object" ? (JSON.parse(entries[0].body) as StoredMail) : undefined;
      if (first === undefined || first.due > clock.now()) return first?.due;
      if (signal.aborted) return undefined;
      await Promise.all(
        entries.map(async (entry) => {
          if (entry.kind !== "object") return;
          const mail = JSON.parse(entry.body) as StoredMail;
          if (mail.due > clock.now()) return;
          await tracked(mail.account, () => process(entry.id, mail, signal));
        }),
      );
    }
  }

  async function waitingFor(account: string): Promise<readonly ObjectKey[]> {
    const entries = await storage.list(list, {
      filter: { kind: "compare", field: "account", operator: "eq", value: account },
      sort: [{ field: "last_modified", direction: "descending" }],
      limit: 10_000,
    });
    return entries.map(({ id }) => ({ ...list, id }));
  }

  async function tracked(account: string, work: () => Promise<void>): Promise<void> {
    const flight = { account, done: work() };
    flights.add(flight);
    try {
      await flight.done;
    } finally {
      flights.delete(flight);
    }
  }

  async function process(id: string, mail: StoredMail, signal: AbortSignal): Promise<void> {
    const key = { ...list, id };
    // It may have been withdrawn since the list was read.
    const entry = await storage.get(key);
    const claimed = entry?.kind === "object" ? await claim(key, entry.revision, mail) : undefined;
    if (claimed !== undefined) await settle(key, claimed, mail, await attempt(mail, id, signal));
  }

  /** Puts the mail out of the reach of other instances while it is sent; answers its revision, undefined where another one has it. */
  async function claim(key: ObjectKey, revision: number, mail: StoredMail): Promise<number | undefined> {
    const body = JSON.stringify({ ...mail, due: clock.now() + claimMs } satisfies StoredMail);
    try {
      const [result] = await storage.commit([
        { kind: "put", key, body, expect: { kind: "revision", revision }, logBody: false },
      ]);
      return result?.kind === "updated" ? result.object.revision : undefined;
    } catch (error) {
      if (error instanceof CommitConflict) return undefined;
      throw error;
    }
  }

  async function attempt(mail: StoredMail, id: string, signal: AbortSignal): Promise<"done" | "again"> {
    if (mail.expires <= clock.now()) {
      log.warn({ mail: id, kind: mail.kind, attempts: mail.attempts }, "mail given up: it is too old");
      return "done";
    }
    try {
      const { to, language } = mail;
      await mailer.send({ to, language, ...mailText(mail.kind, language, mail.code ?? mail.date ?? "") }, signal);
      return "done";
    } catch (error) {
      const final = error instanceof MailError && !error.retry;
      const reason = error instanceof MailError ? error.message : error instanceof Error ? error.name : "unknown";
      log.warn({ mail: id, kind: mail.kind, attempts: mail.attempts + 1, final, reason }, "mail not sent");
      return final ? "done" : "again";
    }
  }

  async function settle(key: ObjectKey, revision: number, mail: StoredMail, result: "done" | "again"): Promise<void> {
    const expect = { kind: "revision", revision } as const;
    const pause = Math.min(1000 * 2 ** mail.attempts, 3600_000);
    const body = JSON.stringify({ ...mail, attempts: mail.attempts + 1, due: clock.now() + pause });
    const change: Change =
      result === "done" ? { kind: "delete", key, expect } : { kind: "put", key, body, expect, logBody: false };
    try {
      await storage.commit([change]);
    } catch (error) {
      // Erased meanwhile, with its account.
      if (!(error instanceof CommitConflict)) throw error;
    }
  }

  return {
    async makeRoom() {
      if ((await storage.count(list)) >= limit)
        throw new ServiceError("unavailable", { headers: { "retry-after": "60" } });
    },
    change: (mail) => ({
      kind: "put",
      key: { ...list, id: crypto.randomUUID() },
      body: JSON.stringify({ ...mail, attempts: 0, due: clock.now() } satisfies StoredMail),
      expect: { kind: "absent" },
      logBody: false,
    }),
    kick: () => wake.resolve(),
    async withdraw(account) {
      for (const key of await waitingFor(account)) {
        try {
          await storage.commit([{ kind: "delete", key, expect: { kind: "any" } }]);
        } catch (error) {
          // Sent meanwhile.
          if (!(error instanceof CommitConflict)) throw error;
        }
      }
      const own = [...flights].filter((flight) => flight.account === account);
      await Promise.allSettled(own.map((flight) => flight.done));
    },
    waitingFor,
    async run(signal) {
      const stop = () => wake.resolve();
      signal.addEventListener("abort", stop);
      try {
        while (!signal.aborted) {
          wake = Promise.withResolvers();
          let pause = longestPauseMs;
          try {
            const due = await sendDue(signal);
            if (due !== undefined) pause = Math.max(10, Math.min(pause, due - clock.now()));
          } catch (error) {
            log.error({ err: error }, "the mail queue can't be read");
            pause = 5000;
          }
          if (signal.aborted) return;
          const timer = setTimeout(wake.resolve, pause);
          timer.unref();
          await wake.promise;
          clearTimeout(timer);
        }
      } finally {
        signal.removeEventListener("abort", stop);
      }
    },
  };
}

interface StoredMail extends PendingMail {
  readonly attempts: number;
  readonly due: number;
}
