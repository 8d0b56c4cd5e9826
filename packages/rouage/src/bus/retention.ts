/**
 * Forgets tombstones that are older than their lists keep them. Follows the log, so that every deletion is looked at once, in small
 * steps, and goes on after a restart where it was. Those that no log knows, because a copy brought them, are as old as their revision says.
 */
import type { Clock } from "../clock.ts";
import type { ListDefinition, ListKey, Storage } from "../storage/storage.ts";

export interface RetentionOptions {
  readonly storage: Storage;
  readonly clock: Clock;
  /** Seconds that tombstones are kept, by resource. */
  readonly tombstones: ReadonlyMap<string, number>;
  /** False: begins at the start of the log and writes no position down; for commands on a store without its service. Default true. */
  readonly remember?: boolean;
  /** True: looks at every list as well, once, for tombstones that are in no log; for commands. Default false. */
  readonly sweep?: boolean;
}

export interface Retention {
  /** Looks at some of the log and purges what is too old there; true when there is more to look at now. */
  step(): Promise<boolean>;
  /** How many tombstones are old enough by now, by resource; purges nothing. */
  due(): Promise<ReadonlyMap<string, number>>;
  /** How many were purged since it was made, by resource. */
  readonly purged: ReadonlyMap<string, number>;
}

interface Follower {
  follow(): Promise<boolean>;
  due(): Promise<number>;
  /** Purges a list by the revisions of its tombstones: none is smaller than the time of its deletion. */
  sweep(parent: string): Promise<void>;
}

const positions = "retention-positions";

export const retentionList: ListDefinition = { resource: positions, indexes: [], unique: [] };

/** Log entries looked at in one step: bounds how long it holds up others. */
const stepSize = 256;
/** Entries after which the position is written down although nothing was purged: what a restart looks at again. */
const recordEvery = 4096;

export function createRetention({
  storage,
  clock,
  tombstones,
  remember = true,
  sweep = false,
}: RetentionOptions): Retention {
  const followers = new Map(
    [...tombstones].map(([resource, seconds]) => [resource, followerOf(resource, seconds * 1000)]),
  );
  const purgedOf = new Map<string, number>();
  const lists = sweep ? storage.lists()[Symbol.asyncIterator]() : undefined;
  let isSwept = !sweep;

  /** Looks at some lists; true when there are more. */
  async function sweepSome(): Promise<boolean> {
    for (let looked = 0; !isSwept && looked < stepSize; looked++) {
      const next = await lists?.next();
      if (next === undefined || next.done === true) isSwept = true;
      else await followers.get(next.value.resource)?.sweep(next.value.parent);
    }
    return !isSwept;
  }

  function add(resource: string, count: number): void {
    purgedOf.set(resource, (purgedOf.get(resource) ?? 0) + count);
  }

  function followerOf(resource: string, keepMs: number): Follower {
    const key = { resource: positions, parent: "", id: resource };
    let position: number | undefined;
    let recorded = 0;

    return {
      follow,
      due,
      async sweep(parent) {
        add(resource, await storage.purgeTombstones({ resource, parent }, clock.now() - keepMs));
      },
    };

    async function follow(): Promise<boolean> {
      position ??= recorded = await readPosition();
      const end = await storage.position();
      if (end <= position) return false;
      const found = await dueAfter(position, end);
      let purged = 0;
      for (const [parent, before] of found.lists) purged += await storage.purgeTombstones({ resource, parent }, before);
      position = found.position;
      add(resource, purged);
      if (remember && (purged > 0 || position - recorded >= recordEvery)) await record(position);
      return found.more;
    }

    /** A deletion counts where its tombstone is still there: it may have been made again since, or purged by another process. */
    async function due(): Promise<number> {
      const oldest = clock.now() - keepMs;
      let count = 0;
      for await (const entry of storage.log({ after: await readPosition(), resources: [resource] })) {
        if (entry.time > oldest) break;
        if (entry.action !== "delete") continue;
        const { parent, id } = entry;
        const there = await storage.get({ resource, parent, id });
        // By its revision it is counted below.
        const isSweepable = sweep && entry.revision < oldest;
        if (there?.kind === "tombstone" && there.revision === entry.revision && !isSweepable) count++;
      }
      return sweep ? count + (await sweepable(oldest)) : count;
    }

    async function sweepable(oldest: number): Promise<number> {
      const filter = { kind: "compare", field: "last_modified", operator: "lt", value: oldest } as const;
      let count = 0;
      for await (const { kind } of storage.scan(resource, { filter, tombstones: true }))
        if (kind === "tombstone") count++;
      return count;
    }

    /** The lists that lost objects long enough ago, each with the revision below which its tombstones go. */
    async function dueAfter(after: number, end: number) {
      const oldest = clock.now() - keepMs;
      const lists = new Map<ListKey["parent"], number>();
      let reached = after;
      let looked = 0;
      for await (const { position: at, time, action, parent, revision } of storage.log({
        after,
        resources: [resource],
      })) {
        if (time > oldest) return { lists, position: reached, more: false };
        reached = at;
        // Tombstones of one list are made in the order of their revisions.
        if (action === "delete") lists.set(parent, Math.max(lists.get(parent) ?? 0, revision + 1));
        if (++looked === stepSize) return { lists, position: reached, more: true };
      }
      return { lists, position: Math.max(reached, end), more: false };
    }

    async function readPosition(): Promise<number> {
      if (!remember) return 0;
      const entry = await storage.get(key);
      return entry?.kind === "object" ? (JSON.parse(entry.body) as { position: number }).position : 0;
    }

    async function record(reached: number): Promise<void> {
      const body = JSON.stringify({ position: reached });
      await storage.commit([{ kind: "put", key, body, expect: { kind: "any" }, logBody: false }]);
      recorded = reached;
    }
  }

  return {
    async step() {
      let more = false;
      for (const { follow } of followers.values()) more = (await follow()) || more;
      return more || sweepSome();
    },
    async due() {
      const counts = new Map<string, number>();
      for (const [resource, follower] of followers) counts.set(resource, await follower.due());
      return counts;
    },
    purged: purgedOf,
  };
}
