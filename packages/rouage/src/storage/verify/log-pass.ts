/** Passes over the log: what it says last of each key, and the keys of what the store turns out not to have. */
import type { LogEntry, ObjectKey, Storage } from "../storage.ts";
import { cannotFollow, isBlank } from "./certainty.ts";
import type { Report } from "./report.ts";
import { type Hash, hashOf, numberOf, type Words } from "./words.ts";

export interface LogPass {
  readonly storage: Storage;
  readonly words: Words;
  readonly report: Report;
  /** Position up to which it is read. */
  readonly end: number;
  readonly step: () => void;
  /** Looks at a key exactly. */
  readonly suspect: (key: ObjectKey) => Promise<void>;
}

export const nameOf = ({ resource, parent, id }: ObjectKey): string => `${resource}\0${parent}\0${id}`;
export const bodyNumber = (body: string): number => numberOf(hashOf(body));

/** Folds the log. @returns how many entries it has */
export async function foldLog(pass: LogPass, known: ReadonlySet<string>): Promise<number> {
  const { storage, words, report, end, step, suspect } = pass;
  let position = 0;
  let entries = 0;
  for await (const entry of storage.log()) {
    if (entry.position <= position) {
      report.add({ rule: "log", message: `position ${entry.position} of the log comes after ${position}` });
    }
    position = entry.position;
    if (position > end) break;
    entries++;
    step();
    if (entry.action === "event") continue;
    if (!known.has(entry.resource)) {
      const { resource } = entry;
      report.add({
        rule: "log",
        resource,
        message: `entry ${position} of the log is of a resource that the store does not know`,
      });
      continue;
    }
    const hash = hashOf(nameOf(entry));
    if (!words.has(hash)) continue;
    const kind = entry.action === "delete" ? "delete" : "put";
    const body = entry.body === undefined ? Number.NaN : bodyNumber(entry.body);
    const before = words.set(hash, { kind, revision: entry.revision, body, isBlank: isBlank(entry) });
    if (cannotFollow(entry, before) !== undefined) await suspect(keyOf(entry));
  }
  if (position < end)
    report.add({ rule: "log", message: `the log ends at ${position}, its newest position is ${end}` });
  return entries;
}

/** Looks at every key that was not seen in the store, except where the log carries nothing of it or its tombstone was purged. */
export async function findUnseen({ storage, words, end, step, suspect }: LogPass): Promise<void> {
  const purged = new Map<string, number>();
  async function purgedBefore({ resource, parent }: LogEntry): Promise<number> {
    const name = `${resource}\0${parent}`;
    let found = purged.get(name);
    if (found === undefined) {
      if (purged.size >= remembered) purged.clear();
      found = await storage.purgedBefore({ resource, parent });
      purged.set(name, found);
    }
    return found;
  }
  for await (const entry of storage.log()) {
    if (entry.position > end) return;
    step();
    if (entry.action === "event") continue;
    const hash: Hash = hashOf(nameOf(entry));
    if (!words.has(hash)) continue;
    const word = words.unseen(hash);
    if (word === undefined || word.isBlank || word.revision !== entry.revision) continue;
    words.see(hash);
    if (word.kind === "put" || word.revision >= (await purgedBefore(entry))) await suspect(keyOf(entry));
  }
}

/** Lists whose purges are remembered. */
const remembered = 10_000;

function keyOf({ resource, parent, id }: LogEntry): ObjectKey {
  return { resource, parent, id };
}
