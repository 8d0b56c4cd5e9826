/**
 * The audit chain in the store. Appends are serialised: whatever waits is written in one commit with the entries' events and the new
 * signed head, on the condition that the head is still the one that was read; so the chain never forks, also between processes.
 */
import { createHmac, randomBytes } from "node:crypto";
import type { Clock } from "rouage";
import { type Change, CommitConflict, type Storage } from "rouage/storage";
import { type AuditDraft, type AuditEntry, entryId, genesis, sealed } from "./entry.ts";
import { auditLists, type ChainHead } from "./records.ts";
import type { AuditSigner } from "./signer.ts";
import type { Subjects } from "./subjects.ts";

export interface AuditChain {
  /** Resolves when the entry is durable, its event with it. */
  append(draft: AuditDraft): Promise<AuditEntry>;
  /** Runs while nothing is appended; appends asked for meanwhile wait. */
  exclusive<T>(work: () => Promise<T>): Promise<T>;
  head(): Promise<ChainHead | undefined>;
}

export interface AuditChainOptions {
  readonly storage: Storage;
  readonly subjects: Subjects;
  readonly sign: AuditSigner;
  readonly clock: Clock;
}

/** Entries in one commit. */
const batchLimit = 128;
/** Tries when other processes append at the same time. */
const tryLimit = 50;

export const headKey = { resource: auditLists.head, parent: "", id: "head" } as const;

interface Waiting {
  readonly draft: AuditDraft;
  readonly resolve: (entry: AuditEntry) => void;
  readonly reject: (error: unknown) => void;
}

interface KnownHead {
  readonly revision: number | undefined;
  readonly head: Pick<ChainHead, "seq" | "hash" | "recorded">;
}

export function auditChain({ storage, subjects, sign, clock }: AuditChainOptions): AuditChain {
  const waiting: Waiting[] = [];
  let known: KnownHead | undefined;
  let turn: Promise<unknown> = Promise.resolve();

  const exclusive = <T>(work: () => Promise<T>): Promise<T> => {
    const result = turn.then(work);
    turn = result.catch(() => {});
    return result;
  };

  async function readHead(): Promise<KnownHead> {
    const stored = await storage.get(headKey);
    if (stored?.kind !== "object") return { revision: undefined, head: { seq: 0, hash: genesis, recorded: "" } };
    return { revision: stored.revision, head: JSON.parse(stored.body) as ChainHead };
  }

  async function flush(): Promise<void> {
    const batch = waiting.splice(0, batchLimit);
    if (batch.length === 0) return;
    try {
      const entries = await write(batch.map(({ draft }) => draft));
      for (const [index, { resolve, reject }] of batch.entries()) {
        const entry = entries[index];
        if (entry === undefined) reject(new Error("no entry was made"));
        else resolve(entry);
      }
    } catch (error) {
      known = undefined;
      subjects.forgetCache();
      for (const { reject } of batch) reject(error);
    }
  }

  async function write(drafts: readonly AuditDraft[]): Promise<readonly AuditEntry[]> {
    for (let attempt = 1; ; attempt++) {
      known ??= await readHead();
      const { entries, changes, head } = await prepare(drafts, known);
      try {
        const results = await storage.commit(changes);
        const last = results.at(-1);
        known =
          last?.kind === "created" || last?.kind === "updated" ? { revision: last.object.revision, head } : undefined;
        return entries;
      } catch (error) {
        known = undefined;
        subjects.forgetCache();
        if (!(error instanceof Error && error.name === CommitConflict.name) || attempt >= tryLimit) throw error;
      }
    }
  }

  async function prepare(drafts: readonly AuditDraft[], { revision, head }: KnownHead) {
    const entries: AuditEntry[] = [];
    const changes: Change[] = [];
    const fresh = new Map<string, string>();
    let { seq, hash: previous } = head;
    const recorded = new Date(Math.max(clock.now(), Date.parse(head.recorded) || 0)).toISOString();
    for (const { person, note, ...draft } of drafts) {
      let subject = person === undefined ? undefined : fresh.get(person);
      if (person !== undefined && subject === undefined) {
        const assigned = await subjects.assign(person);
        subject = assigned?.pseudonym;
        if (subject !== undefined) fresh.set(person, subject);
        if (assigned?.change !== undefined) changes.push(assigned.change);
        // The link that is remembered may have been erased by another process: then nothing more is written under it.
        else if (assigned !== undefined) changes.push({ kind: "require", key: subjects.key(person) });
      }
      const text = note === undefined || note === "" ? undefined : noteOf(note);
      const entry = sealed({
        ...draft,
        ...(subject === undefined ? {} : { subject }),
        ...(text === undefined ? {} : { note_hash: text.hash }),
        seq: ++seq,
        recorded,
        previous,
      });
      previous = entry.hash;
      entries.push(entry);
      changes.push(put(auditLists.entries, "", entryId(seq), entry));
      if (text !== undefined) changes.push(put(auditLists.notes, subject ?? "", draft.audit, text));
      if (subject !== undefined && draft.outcome === "shown") changes.push(accessedEvent(entry, subject, person ?? ""));
    }
    const next = sign({ kind: "head" as const, seq, hash: previous, recorded });
    changes.push({
      kind: "put",
      key: headKey,
      body: JSON.stringify(next),
      expect: revision === undefined ? { kind: "absent" } : { kind: "revision", revision },
      logBody: false,
    });
    return { entries, changes, head: next };
  }

  return {
    append: (draft) =>
      new Promise((resolve, reject) => {
        waiting.push({ draft, resolve, reject });
        // One flush a caller: those who come while one is under way find their entry written by an earlier turn.
        void exclusive(flush);
      }),
    exclusive,
    async head() {
      const stored = await storage.get(headKey);
      return stored?.kind === "object" ? (JSON.parse(stored.body) as ChainHead) : undefined;
    },
  };
}

function put(resource: string, parent: string, id: string, body: object): Change {
  return {
    kind: "put",
    key: { resource, parent, id },
    body: JSON.stringify(body),
    expect: { kind: "absent" },
    logBody: false,
  };
}

/** The outbox entry: names the person, so it lies below the pseudonym, where an erasure finds it. */
function accessedEvent(entry: AuditEntry, subject: string, person: string): Change {
  const { audit, level, at, role, site } = entry;
  return {
    kind: "event",
    key: { resource: auditLists.events, parent: subject, id: audit },
    type: "profile.accessed",
    data: { audit, person, level, at, role, ...(site === undefined ? {} : { site }) },
  };
}

/** Salted, so that the hash in the chain says nothing about words that were erased. */
function noteOf(text: string): { readonly text: string; readonly salt: string; readonly hash: string } {
  const salt = randomBytes(18).toString("base64url");
  return { text, salt, hash: createHmac("sha256", salt).update(text).digest("hex") };
}
