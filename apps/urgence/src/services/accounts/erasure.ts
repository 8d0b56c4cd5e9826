/**
 * Erasing a person: a saga over every service that holds something about them. It is recorded before it begins, each step may be repeated, and a crash or a
 * service that is away only delays it. What stays is a receipt of counts under a random id.
 */
import { ServiceError } from "rouage";
import { type Change, CommitConflict, type CommitContext, type EraseScope, type ObjectKey } from "rouage/storage";
import type { Account } from "./account.ts";
import type { Parts } from "./parts.ts";
import { endSessions, listSessions } from "./sessions.ts";
import { signedInKey } from "./sign-in.ts";

export type Counts = Readonly<Record<string, number>>;

export interface Receipt {
  readonly id: string;
  readonly state: "running" | "done";
  /** When everything was gone, RFC 3339; null while it is not. */
  readonly at: string | null;
  /** What went, by service. */
  readonly counts: Readonly<Record<string, Counts>>;
}

export interface Erasures {
  /**
   * Erases the account and everything about its person; resolves when all is gone. @throws ServiceError `object-not-found`, `unavailable` with
   * details `{receipt}` when a service is away: the erasure goes on in the background
   */
  erase(account: string, context: CommitContext): Promise<Receipt>;
  /** The same when the account is one that `only` admits at that moment; undefined when it stays. */
  eraseIf(account: string, only: (account: Account) => boolean): Promise<Receipt | undefined>;
  /** Goes on with what is not finished, and looks a second time for what was written while it ran. */
  resume(): Promise<void>;
  receipt(id: string): Promise<Receipt | undefined>;
  /** Forgets receipts older than 30 days; answers how many. */
  purge(): Promise<number>;
}

interface ErasureRecord {
  readonly receipt: string;
  readonly state: "running" | "done";
  readonly started: number;
  readonly finished: number | null;
  /** A second look was taken. */
  readonly swept: boolean;
  /** What accounts itself held when it began. */
  readonly own: Counts;
  readonly counts: Readonly<Record<string, Counts>>;
}

/** Longer than any request lives that was admitted before the account was closed. */
const secondLookMs = 60_000;
const receiptMs = 30 * 86_400_000;
/** Runs of one erasure that meet another process's. */
const mostRuns = 10;

export function erasures(parts: Parts): Erasures {
  const { storage, store, clock, log, deps } = parts;
  const services = deps.erasers ?? ["profiles", "positions", "access"];
  const list = { resource: "erasure", parent: "" };
  const key = (account: string): ObjectKey => ({ ...list, id: account });
  const running = new Map<string, Promise<Receipt>>();

  async function load(account: string): Promise<(ErasureRecord & { revision: number }) | undefined> {
    const entry = await storage.get(key(account));
    return entry?.kind === "object"
      ? { ...(JSON.parse(entry.body) as ErasureRecord), revision: entry.revision }
      : undefined;
  }
  const put = (account: string, record: ErasureRecord, expect: Extract<Change, { kind: "put" }>["expect"]): Change => ({
    kind: "put",
    key: key(account),
    body: JSON.stringify(record),
    expect,
    logBody: false,
  });

  /** Closes the account and records that it is to go, in one commit; false when it stays. */
  async function begin(account: string, context: CommitContext, only: (account: Account) => boolean): Promise<boolean> {
    const record: ErasureRecord = {
      receipt: crypto.randomUUID(),
      state: "running",
      started: clock.now(),
      finished: null,
      swept: false,
      own: await countOwn(account),
      counts: {},
    };
    let stays = true;
    await store.update(
      account,
      (stored) => {
        const isErasing = stored.account.status === "erasing";
        stays = !isErasing && !only(stored.account);
        return isErasing || stays
          ? undefined
          : {
              account: { ...stored.account, status: "erasing" },
              also: [put(account, record, { kind: "absent" }), event(account, "account.erasing")],
            };
      },
      context,
    );
    if (stays) return false;
    parts.identity.revocations.revoke({ kind: "sub", id: account });
    return true;
  }

  async function callService(service: (typeof services)[number], account: string): Promise<Counts> {
    const answer = await deps.call(service, "DELETE", `/internal/people/${encodeURIComponent(account)}`);
    if (answer.status === 404) return {};
    if (answer.status < 200 || answer.status > 299) throw new Error(`${service} answered ${answer.status}`);
    return countsOf(answer.body);
  }

  /** Stores what was reached, with changes for the same commit. */
  async function save(
    account: string,
    progress: Partial<ErasureRecord>,
    also: readonly Change[] = [],
  ): Promise<ErasureRecord> {
    const current = await load(account);
    if (current === undefined) throw new Error("the erasure's record is gone");
    const { revision, ...record } = current;
    // Another process has come to the end first, and said so.
    if (progress.state === "done" && record.state === "done") return record;
    const counts = { ...record.counts };
    // What another process has counted meanwhile is of the same things, or of none that were left.
    for (const [service, own] of Object.entries(progress.counts ?? {})) counts[service] = larger(counts[service], own);
    const next = { ...record, ...progress, counts };
    await storage.commit([put(account, next, { kind: "revision", revision }), ...also]);
    return next;
  }

  async function run(account: string): Promise<Receipt> {
    const record = await load(account);
    if (record === undefined) throw new Error("no erasure is recorded");
    if (record.state === "done") return receiptOf(record);

    const open = services.filter((service) => record.counts[service] === undefined);
    const answers = await Promise.allSettled(open.map((service) => callService(service, account)));
    const counts: Record<string, Counts> = { ...record.counts };
    for (const [index, answer] of answers.entries()) {
      const service = open[index] ?? "";
      if (answer.status === "fulfilled") counts[service] = answer.value;
      else log.warn({ err: answer.reason, service }, "a step of an erasure failed and is tried again");
    }
    await save(account, { counts });
    if (services.some((service) => counts[service] === undefined)) throw unfinished(record.receipt);

    counts.accounts = { ...record.own, mail_copies: await eraseOwn(account) };
    const finish = { state: "done", finished: clock.now(), counts } as const;
    const done = await save(account, finish, [event(account, "account.deleted")]);
    log.info({ receipt: record.receipt }, "a person was erased");
    return receiptOf(done);
  }

  async function countOwn(account: string): Promise<Counts> {
    const sessions = await listSessions(parts, account);
    const mails = await parts.outbox.waitingFor(account);
    return { accounts: 1, sessions: sessions.length, mails: mails.length };
  }

  /** Answers how many copies of mails the carrier forgot. */
  async function eraseOwn(account: string): Promise<number> {
    await endSessions(parts, account, "revoked");
    const stored = await store.get(account);
    // Mails first: afterwards nobody knows the address.
    const scopes: EraseScope[] = [...(await parts.outbox.waitingFor(account))];
    await parts.outbox.withdraw(account);
    let copies = 0;
    if (stored !== undefined) {
      for (const address of [stored.account.email, ...stored.account.former_emails])
        copies += await deps.mailer.forget(address);
      for (const key of [stored.account.email_hash, signedInKey(account)]) await forgetTries(key);
    }
    const lists = ["code", "session", parts.refresh.definition.resource, parts.browser.definition.resource];
    scopes.push(...lists.map((resource) => ({ resource, parent: account })));
    scopes.push({ resource: "account", parent: "", id: account });
    await storage.erase(scopes);
    return copies;
  }

  /** Hashes and counts, which go by themselves: no erasure waits for a cache that is away. */
  async function forgetTries(key: string): Promise<void> {
    try {
      await parts.signInThrottle.forget(key);
    } catch (error) {
      log.warn({ err: error }, "counts of tries to sign in were not erased: the cache cannot be reached");
    }
  }

  /** Another process may be at the same erasure: who comes second goes on from what the first has reached. */
  async function runThrough(account: string): Promise<Receipt> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await run(account);
      } catch (error) {
        if (!(error instanceof CommitConflict) || attempt >= mostRuns) throw error;
      }
    }
  }

  /** One run at a time for each account in this process. */
  function advance(account: string): Promise<Receipt> {
    const current = running.get(account);
    if (current !== undefined) return current;
    const started = runThrough(account).finally(() => running.delete(account));
    running.set(account, started);
    return started;
  }

  async function erase(account: string, context: CommitContext, only: (account: Account) => boolean) {
    if (!(await begin(account, context, only))) return undefined;
    await endSessions(parts, account, "revoked", { context });
    try {
      return await advance(account);
    } catch (error) {
      if (ServiceError.is(error)) throw error;
      log.error({ err: error }, "an erasure was interrupted and goes on later");
      const record = await load(account);
      throw unfinished(record?.receipt);
    }
  }

  async function* records(state: ErasureRecord["state"]) {
    for await (const entry of storage.scan("erasure", {
      filter: { kind: "compare", field: "state", operator: "eq", value: state },
    }))
      if (entry.kind === "object") yield { account: entry.id, record: JSON.parse(entry.body) as ErasureRecord, entry };
  }

  /** Requests admitted just before the account was closed may have written since. */
  async function secondLook(account: string): Promise<void> {
    for (const service of services) await callService(service, account);
    await save(account, { swept: true });
  }

  return {
    async erase(account, context) {
      const receipt = await erase(account, context, () => true);
      if (receipt === undefined) throw new ServiceError("object-not-found");
      return receipt;
    },
    eraseIf: (account, only) => erase(account, {}, only),

    async resume() {
      const attempt = async (account: string, work: () => Promise<unknown>) => {
        try {
          await work();
        } catch (error) {
          if (!ServiceError.is(error) && !(error instanceof CommitConflict))
            log.warn({ err: error, account }, "an erasure is not finished yet");
        }
      };
      const open: string[] = [];
      for await (const { account } of records("running")) open.push(account);
      for (const account of open) {
        parts.identity.revocations.revoke({ kind: "sub", id: account });
        await attempt(account, () => advance(account));
      }
      const looks: string[] = [];
      for await (const { account, record } of records("done"))
        if (!record.swept && (record.finished ?? 0) + secondLookMs <= clock.now()) looks.push(account);
      for (const account of looks) await attempt(account, () => secondLook(account));
    },

    async receipt(id) {
      const [entry] = await storage.list(list, {
        filter: { kind: "compare", field: "receipt", operator: "eq", value: id },
        sort: [{ field: "last_modified", direction: "descending" }],
        limit: 1,
      });
      return entry?.kind === "object" ? receiptOf(JSON.parse(entry.body) as ErasureRecord) : undefined;
    },

    async purge() {
      const scopes: ObjectKey[] = [];
      for await (const { account, record } of records("done"))
        if (record.swept && (record.finished ?? 0) + receiptMs <= clock.now()) scopes.push(key(account));
      return scopes.length === 0 ? 0 : (await storage.erase(scopes)).objects;
    },
  };
}

function larger(some: Counts = {}, others: Counts): Counts {
  const names = new Set([...Object.keys(some), ...Object.keys(others)]);
  return Object.fromEntries([...names].map((name) => [name, Math.max(some[name] ?? 0, others[name] ?? 0)]));
}

function receiptOf({ receipt, state, finished, counts }: ErasureRecord): Receipt {
  return { id: receipt, state, at: finished === null ? null : new Date(finished).toISOString(), counts };
}

function event(account: string, type: string): Change {
  return { kind: "event", key: { resource: "account", parent: "", id: account }, type, data: {} };
}

function unfinished(receipt: string | undefined): ServiceError {
  return new ServiceError("unavailable", {
    message:
      "Your account is closed and what is left of it is being erased; a part of the service does not answer yet.",
    headers: { "retry-after": "30" },
    ...(receipt === undefined ? {} : { details: { receipt } }),
  });
}

/** The numbers of an answer such as `{"data": {"positions": 3}}` or `{"data": {"counts": {…}}}`. */
function countsOf(body: unknown): Counts {
  const data = property(body, "data") ?? body;
  const counts = property(data, "counts") ?? data;
  if (typeof counts !== "object" || counts === null) return {};
  return Object.fromEntries(
    Object.entries(counts).filter((entry): entry is [string, number] => Number.isInteger(entry[1])),
  );
}

function property(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}
