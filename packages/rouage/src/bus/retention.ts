/**
 * Forgets tombstones that are older than their lists keep them. Follows the log, so that every deletion is looked at once, in small
 * steps, and goes on after a restart where it was.
 */
import type { Clock } from "../clock.ts";
import type { ListDefinition, ListKey, Storage } from "../storage/storage.ts";

export interface RetentionOptions {
  readonly storage: Storage;
  readonly clock: Clock;
  /** Seconds that tombstones are kept, by resource. */
  readonly tombstones: ReadonlyMap<string, number>;
}

export interface Retention {
  /** Looks at some of the log and purges what is too old there; true when there is more to look at now. */
  step(): Promise<boolean>;
}

const positions = "retention-positions";

export const retentionList: ListDefinition = { resource: positions, indexes: [], unique: [] };

/** Log entries looked at in one step: bounds how long it holds up others. */
const stepSize = 256;
/** Entries after which the position is written down although nothing was purged: what a restart looks at again. */
const recordEvery = 4096;

export function createRetention({ storage, clock, tombstones }: RetentionOptions): Retention {
  const followers = [...tombstones].map(([resource, seconds]) => followerOf(resource, seconds * 1000));

  function followerOf(resource: string, keepMs: number): () => Promise<boolean> {
    const key = { resource: positions, parent: "", id: resource };
    let position: number | undefined;
    let recorded = 0;

    return async () => {
      position ??= recorded = await readPosition();
      const end = await storage.position();
      if (end <= position) return false;
      const due = await dueAfter(position, end);
      let purged = 0;
      for (const [parent, before] of due.lists) purged += await storage.purgeTombstones({ resource, parent }, before);
      position = due.position;
      if (purged > 0 || position - recorded >= recordEvery) await record(position);
      return due.more;
    };

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
      for (const follow of followers) more = (await follow()) || more;
      return more;
    },
  };
}
