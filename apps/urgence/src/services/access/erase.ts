/** Takes a person out of the audit: the link to the pseudonym, the responders' words and the events go, the chain stays whole. */
import { ServiceError } from "rouage";
import type { Storage } from "rouage/storage";
import type { AuditChain } from "./audit/chain.ts";
import type { Recorder } from "./audit/recorder.ts";
import { auditLists } from "./audit/records.ts";
import type { AuditSpool } from "./audit/spool.ts";
import type { Subjects } from "./audit/subjects.ts";

export interface AccessErasure {
  /** Links from the account to its pseudonym. */
  readonly links: number;
  readonly notes: number;
  readonly events: number;
  /** Entries that stay in the chain and that name nobody any more. */
  readonly entries_unlinked: number;
}

export interface EraseParts {
  readonly storage: Storage;
  readonly chain: AuditChain;
  readonly subjects: Subjects;
  readonly spool: AuditSpool;
  readonly recorder: Recorder;
}

/** Of the entry of the log that says so to other processes. */
export const erasedType = "audit.subject-erased";

/** @throws ServiceError `unavailable` while entries that may name the person wait in the spool */
export async function erasePerson(parts: EraseParts, person: string): Promise<AccessErasure> {
  const { storage, chain, subjects, spool, recorder } = parts;
  // Also what a process beside this one has spooled.
  await spool.adopt();
  await recorder.drain();
  if (spool.waiting()) throw new ServiceError("unavailable", { cause: new Error("the audit spool cannot be emptied") });
  // Behind this turn every append has either ended or will find the person erased.
  await chain.exclusive(async () => subjects.erased(person));
  // Other processes stop naming the person when they read this.
  await storage.commit([{ kind: "event", key: subjects.key(person), type: erasedType, data: {} }]);
  const pseudonym = await subjects.find(person);
  if (pseudonym === undefined) return { links: 0, notes: 0, events: 0, entries_unlinked: 0 };
  const unlinked = await storage.count(
    { resource: auditLists.entries, parent: "" },
    { kind: "compare", field: "subject", operator: "eq", value: pseudonym },
  );
  // The link goes last: while it is there, an erasure that failed half-way can be repeated.
  const notes = await storage.erase([{ resource: auditLists.notes, parent: pseudonym }]);
  const events = await storage.erase([{ resource: auditLists.events, parent: pseudonym }]);
  const link = await storage.erase([subjects.key(person)]);
  subjects.forgetCache();
  return { links: link.objects, notes: notes.objects, events: events.logEntries, entries_unlinked: unlinked };
}
