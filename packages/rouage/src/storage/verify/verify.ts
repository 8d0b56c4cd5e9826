/**
 * Proves that a store is what a storage promises: the log is folded and compared with what is there, and what must hold within a list, among groups
 * and inside of the backend is looked at. Streams, in memory that does not grow with the store. Others may write meanwhile: what looks wrong because of
 * them is looked at again in a transaction of its own.
 */
import { ServiceError } from "../../errors.ts";
import type { ListDefinition, ObjectKey, Storage, Violation } from "../storage.ts";
import { faultOf } from "./certainty.ts";
import { verifyGroups } from "./groups.ts";
import { findUnseen, foldLog, type LogPass } from "./log-pass.ts";
import { Enough, keyOf, newReport, type Report } from "./report.ts";
import { compareEntries, looksAt, type ScanPass } from "./scan-pass.ts";
import { everything, lastWords, type Part } from "./words.ts";

export interface VerifyOptions {
  /** For their unique fields. What the store has and these do not name is verified without any. */
  readonly definitions?: readonly ListDefinition[];
  /** Ends when this many violations are found. Default 100. */
  readonly most?: number;
  /** Keys held in memory, at some 100 bytes at most; a store with more is passed over several times. Default a million. */
  readonly keysAtOnce?: number;
  /** In entries of the log and of the store. */
  readonly progress?: (done: number, total: number) => void;
}

export interface Verified {
  readonly objects: number;
  readonly tombstones: number;
  readonly lists: number;
  readonly groups: number;
  readonly logEntries: number;
  /** Of the log, when it began. */
  readonly position: number;
  /** Keys that only the log knows, without what they carried: erased, emptied out, or purged. */
  readonly erased: number;
  readonly violations: readonly Violation[];
  /** False: there are so many that it ended early. */
  readonly complete: boolean;
  /** What could not be looked at, and why. */
  readonly skipped: readonly string[];
}

export async function verifyStorage(storage: Storage, options: VerifyOptions = {}): Promise<Verified> {
  const report = newReport(Math.max(1, options.most ?? 100));
  const totals = await storage.totals();
  const counts = {
    objects: totals.reduce((sum, each) => sum + each.objects, 0),
    tombstones: totals.reduce((sum, each) => sum + each.tombstones, 0),
    ...{ lists: 0, groups: 0, logEntries: 0, erased: 0 },
    position: await storage.position(),
  };
  let complete = true;
  try {
    await inspect(storage, report);
    await passes(storage, report, options, counts);
    counts.lists = await verifyLists(storage, report, new Set(totals.map(({ resource }) => resource)));
    counts.groups = await verifyGroups(storage, report);
  } catch (error) {
    // A damaged store may refuse to be read at all; what was found so far says why.
    const isDamaged = ServiceError.is(error) && error.code === "unavailable" && report.violations.length > 0;
    if (!isDamaged && !(error instanceof Enough)) throw error;
    if (isDamaged) report.skip(`the rest, because the store cannot be read: ${String(error.cause)}`);
    complete = false;
  }
  // What was being erased when it was looked at is gone from the log too by now.
  await report.recheck(async (violation) => {
    const key = keyOf(violation);
    return key === undefined || (await faultOf(storage, key)) !== undefined;
  });
  return { ...counts, violations: report.violations, complete, skipped: report.skipped };
}

interface Counts {
  readonly objects: number;
  readonly tombstones: number;
  readonly position: number;
  logEntries: number;
  erased: number;
}

async function passes(storage: Storage, report: Report, options: VerifyOptions, counts: Counts): Promise<void> {
  const { definitions = [], keysAtOnce = 1_000_000, progress } = options;
  const totals = await storage.totals();
  const known = new Set(totals.map(({ resource }) => resource));
  const round = counts.objects + counts.tombstones + counts.position;
  let total = round;
  let done = 0;
  const step = () => progress?.(Math.min(++done, total), total);
  const suspect = async (key: ObjectKey): Promise<void> => {
    const message = await faultOf(storage, key);
    if (message !== undefined) report.add({ rule: "state", ...key, message });
  };
  const scan: ScanPass = { storage, report, step, suspect };

  const parts: Part[] = [everything];
  for (let part = parts.pop(), isFirst = true; part !== undefined; part = parts.pop(), isFirst = false) {
    const words = lastWords(part, keysAtOnce);
    const log: LogPass = { ...scan, words, end: counts.position };
    const entries = await foldLog(log, known);
    if (isFirst) counts.logEntries = entries;
    parts.push(...words.later);
    total = done + parts.length * round + counts.objects + counts.tombstones;
    for (const { resource, objects, tombstones } of totals) {
      const definition = definitions.find((each) => each.resource === resource) ?? {
        resource,
        indexes: [],
        unique: [],
      };
      await compareEntries(scan, words, resource, isFirst ? looksAt(scan, definition, objects + tombstones) : []);
    }
    const left = words.left();
    counts.erased += left.blank;
    if (left.others === 0) continue;
    total += counts.position;
    await findUnseen(log);
  }
}

/** @returns how many there are */
async function verifyLists(storage: Storage, report: Report, known: ReadonlySet<string>): Promise<number> {
  let count = 0;
  for await (const { resource, parent, revision, purged } of storage.lists()) {
    count++;
    const problem = !known.has(resource)
      ? "the list is of a resource that the store does not know"
      : !Number.isSafeInteger(revision) || !Number.isSafeInteger(purged) || revision < 1 || purged < 0
        ? `the list has ${revision} for a revision, and ${purged} for what is purged`
        : undefined;
    if (problem !== undefined) report.add({ rule: "revision", resource, parent, message: problem });
  }
  return count;
}

async function inspect(storage: Storage, report: Report): Promise<void> {
  if (storage.inspect === undefined) return;
  for await (const finding of storage.inspect()) {
    if (finding.kind === "skipped") report.skip(finding.message);
    else {
      const { kind: _, ...violation } = finding;
      report.add(violation);
    }
  }
}
