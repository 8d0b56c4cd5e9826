/** The records beside the entries that make the chain checkable: its signed head, the signed root of each day, archived segments. */
import type { Signed } from "./signer.ts";

/** The newest entry, signed anew with each commit: a chain cut at its end does not match it. */
export interface ChainHead extends Signed {
  readonly kind: "head";
  readonly seq: number;
  readonly hash: string;
  readonly recorded: string;
}

/** The last hash of a finished day (UTC). Days without entries have none. */
export interface DayRoot extends Signed {
  readonly kind: "day";
  /** `2026-06-01`. */
  readonly day: string;
  readonly first: number;
  readonly last: number;
  /** Hash of entry `last`. */
  readonly hash: string;
  /** Hash of the root before, over its canonical JSON; 64 zeros for the first. */
  readonly previous_root: string;
}

/** Entries that retention has removed: what stays of them is the hash they end with. */
export interface ArchivedSegment extends Signed {
  readonly kind: "segment";
  readonly from: number;
  readonly to: number;
  readonly last_day: string;
  /** Hash of the entry before `from`, and of entry `to`. */
  readonly previous: string;
  readonly hash: string;
}

/** Resource names of the lists in the access service's store. */
export const auditLists = {
  entries: "audit",
  head: "audit_head",
  roots: "audit_roots",
  segments: "audit_segments",
  subjects: "audit_subjects",
  notes: "audit_notes",
  /** Carries the `profile.accessed` events; never holds objects. */
  events: "access",
} as const;

export const auditDefinitions = [
  {
    resource: auditLists.entries,
    indexes: [["subject", "id"], ["actor", "id"], ["site", "id"], ["audit"]],
    unique: [],
  },
  { resource: auditLists.head, indexes: [], unique: [] },
  { resource: auditLists.roots, indexes: [], unique: [] },
  { resource: auditLists.segments, indexes: [], unique: [] },
  { resource: auditLists.subjects, indexes: [], unique: [] },
  { resource: auditLists.notes, indexes: [], unique: [] },
  { resource: auditLists.events, indexes: [], unique: [] },
] as const;
