/** Reads two stores side by side and names what is not the same: the proof of a copy. */
import { createHash, type Hash } from "node:crypto";
import { type CopiedEntry, difference, entriesSideBySide, groupsSideBySide } from "./copy.ts";
import { sideBySide } from "./side-by-side.ts";
import type { ListKey, Storage } from "./storage.ts";

export interface CompareOptions {
  readonly resources: readonly string[];
  /** Differences that are named; the rest is counted. Default 20. */
  readonly most?: number;
  readonly progress?: (done: number, total: number) => void;
}

export interface Compared {
  readonly entries: number;
  readonly lists: number;
  /** Differences altogether. */
  readonly different: number;
  /** The first of them, in words: which list, which id, and what is the matter. */
  readonly named: readonly string[];
  /** SHA-256 over everything that was read from the second store: the same for stores that hold the same. */
  readonly digest: string;
}

export async function compareStores(from: Storage, to: Storage, options: CompareOptions): Promise<Compared> {
  const { resources, most = 20, progress } = options;
  const total = (await to.totals()).reduce((sum, { objects, tombstones }) => sum + objects + tombstones, 0);
  const digest = createHash("sha256");
  const named: string[] = [];
  let lists = 0;
  let last = "";
  let different = 0;
  let entries = 0;
  const differs = (place: string, problem: string): void => {
    different++;
    if (named.length < most) named.push(`${place}: ${problem}`);
  };

  for (const resource of resources)
    for await (const [source, target] of entriesSideBySide(from, to, resource)) {
      const entry = target ?? source;
      if (entry === undefined) continue;
      const place = placeOf({ resource, parent: entry.parent }, entry.id);
      if (source === undefined) differs(place, "is not in the source");
      else if (target === undefined) differs(place, "is missing in the target");
      else {
        const problem = difference(source, target);
        if (problem !== undefined) differs(place, problem);
      }
      if (target === undefined) continue;
      const list = JSON.stringify([resource, target.parent]);
      if (list !== last) lists++;
      last = list;
      addTo(digest, resource, target);
      entries++;
      progress?.(entries, total);
    }
  await compareLists(from, to, new Set(resources), differs);
  await compareGroups(from, to, differs, digest);
  return { entries, lists, different, named, digest: digest.digest("hex") };
}

function addTo(digest: Hash, resource: string, entry: CopiedEntry): void {
  const { kind, parent, id, revision, permissions } = entry;
  const more = entry.kind === "object" ? [entry.owner ?? null, permissions, entry.body] : [];
  digest.update(`${JSON.stringify([resource, parent, id, kind, revision, ...more])}\n`);
}

type Differs = (place: string, problem: string) => void;

/** The target's may be ahead: then clients ask once more for what they have. */
async function compareLists(from: Storage, to: Storage, wanted: ReadonlySet<string>, differs: Differs): Promise<void> {
  const pairs = sideBySide(from.lists(), to.lists(), [({ resource }) => resource, ({ parent }) => parent]);
  for await (const [source, target] of pairs) {
    if (source === undefined || !wanted.has(source.resource)) continue;
    if (target === undefined || target.revision < source.revision || target.purged < source.purged)
      differs(placeOf(source), "is behind what clients of the source have seen");
  }
}

async function compareGroups(from: Storage, to: Storage, differs: Differs, digest: Hash): Promise<void> {
  for await (const [source, target] of groupsSideBySide(from, to)) {
    const group = `group ${JSON.stringify(source?.group ?? target?.group)}`;
    if (target !== undefined) digest.update(`${JSON.stringify(["group", target.group, target.members])}\n`);
    if (target === undefined) differs(group, "is missing in the target");
    else if (source === undefined) differs(group, "is not in the source");
    else if (JSON.stringify(source.members) !== JSON.stringify(target.members)) differs(group, "has other members");
  }
}

function placeOf({ resource, parent }: ListKey, id?: string): string {
  return [resource, ...[parent, id].filter((text) => text !== undefined).map((text) => JSON.stringify(text))].join(" ");
}
