/**
 * Checks the audit chain from its first entry to its last, streaming: hashes, order, gaps, signed daily roots, archived segments and
 * the signed head. Needs public keys only.
 */
import { canonical, sha256 } from "./canonical.ts";
import { type AuditEntry, entryId, genesis, hashOf } from "./entry.ts";
import type { ArchivedSegment, ChainHead, DayRoot } from "./records.ts";
import type { AuditVerifier } from "./signer.ts";

/** What is checked, in order of position, day and `from`. */
export interface ChainSource {
  entries(): AsyncIterable<{ readonly id: string; readonly entry: AuditEntry | undefined }>;
  roots(): AsyncIterable<DayRoot>;
  segments(): AsyncIterable<ArchivedSegment>;
  head(): Promise<ChainHead | undefined>;
}

export interface ChainProblem {
  readonly kind: "altered" | "missing" | "broken-link" | "unreadable" | "root" | "segment" | "head";
  /** Position in the chain where it shows. */
  readonly position: number;
  readonly description: string;
}

export interface ChainReport {
  readonly ok: boolean;
  /** Entries read, and positions that retention has archived. */
  readonly entries: number;
  readonly archived: number;
  readonly roots: number;
  /** Entries behind the last daily root: vouched for by the head alone. */
  readonly unsealed: number;
  /** First broken position. */
  readonly broken: number | undefined;
  /** At most `problemLimit`; more are only counted. */
  readonly problems: readonly ChainProblem[];
  readonly problemCount: number;
}

export const problemLimit = 100;

export async function verifyChain(source: ChainSource, verify: AuditVerifier): Promise<ChainReport> {
  const problems: ChainProblem[] = [];
  let problemCount = 0;
  const problem = (kind: ChainProblem["kind"], position: number, description: string) => {
    problemCount++;
    if (problems.length < problemLimit) problems.push({ kind, position, description });
  };

  // Archived segments: they continue each other, and the chain continues them.
  let expected = 1;
  let previous = genesis;
  for await (const segment of source.segments()) {
    if (!verify(segment)) problem("segment", segment.from, `segment ${segment.from}–${segment.to} is not signed`);
    if (segment.from !== expected || segment.previous !== previous)
      problem("segment", segment.from, `segment does not continue position ${expected - 1}`);
    expected = segment.to + 1;
    previous = segment.hash;
  }
  const archived = expected - 1;

  // Roots are few (one a day); their hashes are compared while the entries stream by.
  const rootAt = new Map<number, DayRoot>();
  let roots = 0;
  let sealedTo = 0;
  let previousRoot = genesis;
  for await (const root of source.roots()) {
    roots++;
    if (!verify(root)) problem("root", root.last, `root of ${root.day} is not signed`);
    if (root.previous_root !== previousRoot || root.first !== sealedTo + 1)
      problem("root", root.first, `root of ${root.day} does not continue the one before`);
    previousRoot = sha256(canonical(root));
    sealedTo = root.last;
    rootAt.set(root.last, root);
  }
  const archivedRoot = archived > 0 ? rootAt.get(archived) : undefined;
  if (archived > 0 && archivedRoot?.hash !== previous)
    problem("segment", archived, "the archived segment does not end with the root of its last day");

  // Entries may be added meanwhile: the head of now must lie within what is read, the head of afterwards not before its end.
  const before = await source.head();
  let hashAtHead: string | undefined;
  let entries = 0;
  for await (const { id, entry } of source.entries()) {
    if (entry === undefined || !Number.isSafeInteger(entry.seq)) {
      problem("unreadable", expected, `entry ${id} cannot be read`);
      continue;
    }
    // Archived already, but not yet removed: a stop in between leaves these.
    if (entry.seq <= archived && id === entryId(entry.seq)) continue;
    entries++;
    if (entry.seq > expected) problem("missing", expected, `positions ${expected} to ${entry.seq - 1} are missing`);
    else if (entry.seq < expected) problem("altered", expected, `position ${expected} says that it is ${entry.seq}`);
    else if (entry.previous !== previous) problem("broken-link", entry.seq, "does not follow the entry before it");
    if (id !== entryId(entry.seq)) problem("altered", entry.seq, `is stored as ${id}`);
    const hash = hashOf(entry);
    if (hash !== entry.hash) problem("altered", entry.seq, "does not match its hash");
    const root = rootAt.get(entry.seq);
    if (root !== undefined && root.hash !== hash)
      problem("root", entry.seq, `differs from the signed root of ${root.day}`);
    expected = Math.max(expected, entry.seq) + 1;
    // An altered entry is reported once: what follows is compared with what it claims to be.
    previous = entry.hash;
    if (entry.seq === before?.seq) hashAtHead = entry.hash;
  }
  if (sealedTo >= expected) problem("missing", expected, `the signed roots reach to position ${sealedTo}`);

  const last = expected - 1;
  const after = await source.head();
  if (after === undefined && last > 0) problem("head", last, "the signed head is missing");
  const checkHead = (head: ChainHead | undefined, inPlace: boolean, hash: string | undefined) => {
    if (head === undefined) return;
    if (!verify(head)) problem("head", head.seq, "the head is not signed");
    if (!inPlace || hash !== head.hash)
      problem("head", Math.min(head.seq, expected), `the head names position ${head.seq}, the chain ends at ${last}`);
  };
  checkHead(before, before !== undefined && before.seq <= last, before?.seq === last ? previous : hashAtHead);
  checkHead(after, after !== undefined && after.seq >= last, after?.seq === last ? previous : after?.hash);

  const broken = problems.length === 0 ? undefined : Math.min(...problems.map(({ position }) => position));
  const unsealed = Math.max(0, last - sealedTo);
  return { ok: problemCount === 0, entries, archived, roots, unsealed, broken, problems, problemCount };
}
