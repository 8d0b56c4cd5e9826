/**
 * Entries of the audit chain: who saw what of whom, when and why, by identifiers only. Each entry's hash covers the one before it, so
 * that no entry can be changed, removed or moved without breaking all that follow. Pure.
 */
import { canonical, sha256 } from "./canonical.ts";

export type AuditLevel = 0 | 1 | 2 | 3;

export const auditOutcomes = [
  /** Data was shown. */
  "shown",
  /** Nobody was found, and nothing shown. */
  "not-found",
  /** The second fact was asked for, was wrong, or could not be checked. */
  "second-fact-required",
  "second-fact-wrong",
  /** A service was not available, and nothing shown. */
  "unavailable",
] as const;
export type AuditOutcome = (typeof auditOutcomes)[number];

/** What is to be recorded. `person` is replaced by a pseudonym and `note` by its salted hash before it enters the chain. */
export interface AuditDraft {
  /** UUID v7; also what makes a second recording of the same access harmless. */
  readonly audit: string;
  /** RFC 3339: when it happened. */
  readonly at: string;
  readonly level: AuditLevel;
  /** Account id, or `card-holder` where nobody is signed in. */
  readonly actor: string;
  readonly role: string;
  readonly site?: string;
  /** Name of the emergency service, or of the service of ours that showed the data. */
  readonly service?: string;
  /** Account id of the person concerned; absent where nobody was found. */
  readonly person?: string;
  /** Reason from the list. */
  readonly reason?: string;
  /** Words of the responder; kept beside the chain, so that they can be erased. */
  readonly note?: string;
  readonly incident?: string;
  /** Names of the parts that were shown. */
  readonly sections?: readonly string[];
  readonly outcome: AuditOutcome;
  readonly request?: string;
  /** True: it waited in the spool while the store was away. */
  readonly spooled?: boolean;
}

export interface AuditEntry extends Omit<AuditDraft, "person" | "note"> {
  /** Position in the chain, from 1. */
  readonly seq: number;
  /** RFC 3339: when it entered the chain; never decreases. */
  readonly recorded: string;
  /** Pseudonym of the person concerned. */
  readonly subject?: string;
  readonly note_hash?: string;
  /** Hash of the entry before; 64 zeros for the first. */
  readonly previous: string;
  readonly hash: string;
}

export const genesis = "0".repeat(64);

/** The entry with its hash. */
export function sealed(entry: Omit<AuditEntry, "hash">): AuditEntry {
  return { ...entry, hash: hashOf(entry) };
}

export function hashOf({ hash: _, ...entry }: Partial<AuditEntry>): string {
  return sha256(canonical(entry));
}

/** Id of an entry in the store: sorts as the positions do. */
export function entryId(seq: number): string {
  return String(seq).padStart(12, "0");
}
