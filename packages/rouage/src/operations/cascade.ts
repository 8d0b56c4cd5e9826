/** What happens to nested lists when the object above them goes: they go with it, in one transaction, and leave no tombstones. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { ServiceError } from "../errors.ts";
import type { Resource } from "../resource-declaration.ts";
import { type Change, type ListKey, type ObjectKey, QueryTooCostly } from "../storage/storage.ts";
import type { OperationContext } from "./context.ts";
import { parentOf } from "./paths.ts";
import type { Plan } from "./plan.ts";
import { type MembersOf, membersOf } from "./sharing/members.ts";
import { commitContext } from "./writer.ts";

export interface Cascade {
  /**
   * Runs `remove`, which deletes these objects, and deletes everything below them, all or nothing. Where that is more than
   * `largestTransaction` objects, the others are deleted ahead of it in small commits, so that no other writer waits long.
   */
  remove<T>(context: OperationContext, keys: readonly ObjectKey[], remove: () => Promise<T>): Promise<T>;
}

/** Most nested objects that are deleted in one transaction with the object above them. */
export const largestTransaction = 20_000;
/** Objects of one commit, in which nobody else is answered. */
const batchSize = 250;
/** A page of objects to delete, at most so many and so many characters of their bodies. */
const largestPage = 5000;
const pageSize = 4 * 1024 * 1024;
/** Cheaper than by id: it is the order in which they came. */
const oldestFirst = [{ field: "last_modified", direction: "ascending" }] as const;

interface Branch {
  readonly resource: Resource;
  readonly members: MembersOf;
  readonly children: readonly Branch[];
}

export function cascadeOf({ resource, dependencies }: Plan): Cascade {
  const { storage, resources = [] } = dependencies;
  const root = branchOf(resource, resources);
  if (root.children.length === 0) return { remove: (_context, _keys, remove) => remove() };

  const listBelow = (above: Branch, { parent, id }: ObjectKey, child: Branch): ListKey => ({
    resource: child.resource.name,
    parent: parentOf(above.resource, parent, id),
  });

  async function countBelow(branch: Branch, key: ObjectKey): Promise<number> {
    let total = 0;
    for (const child of branch.children) {
      const list = listBelow(branch, key, child);
      total += await countOf(list);
      if (child.children.length > 0)
        for await (const id of idsOf(list)) total += await countBelow(child, { ...list, id });
    }
    return total;
  }

  /** A list that takes too long to count is longer than any transaction takes. */
  async function countOf(list: ListKey): Promise<number> {
    try {
      return await storage.count(list);
    } catch (error) {
      if (error instanceof QueryTooCostly) return Number.POSITIVE_INFINITY;
      throw error;
    }
  }

  async function* idsOf(list: ListKey): AsyncGenerator<string> {
    const sort = [{ field: "id", direction: "ascending" }] as const;
    let after: readonly [string] | undefined;
    while (true) {
      const page = await storage.list(list, {
        sort,
        limit: 1000,
        size: pageSize,
        ...(after === undefined ? {} : { after }),
      });
      for (const { id } of page) yield id;
      const last = page.at(-1);
      if (last === undefined) return;
      after = [last.id];
    }
  }

  /** Deletes up to `limit` objects below, deepest first; answers how many it might still have deleted. */
  async function clear(context: OperationContext, branch: Branch, key: ObjectKey, limit: number): Promise<number> {
    let left = limit;
    for (const child of branch.children) {
      left = await clearList(context, child, listBelow(branch, key, child), left);
      if (left <= 0) return 0;
    }
    return left;
  }

  async function clearList(context: OperationContext, branch: Branch, list: ListKey, limit: number): Promise<number> {
    let left = limit;
    while (left > 0) {
      // From the start each time, as what was read before is gone.
      const page = await storage.list(list, {
        sort: oldestFirst,
        limit: Math.min(left, largestPage),
        size: pageSize,
      });
      if (page.length === 0) break;
      for (let start = 0; start < page.length && left > 0; start += batchSize) {
        if (context.signal.aborted) throw new ServiceError("deadline-exceeded", { cause: context.signal.reason });
        const changes: Change[] = [];
        for (const { id } of page.slice(start, start + batchSize)) {
          const key = { ...list, id };
          if (branch.children.length > 0) left = await clear(context, branch, key, left);
          if (left <= 0) break;
          changes.push({ kind: "delete", key, expect: { kind: "any" } }, ...branch.members(key, undefined));
          left -= 1;
        }
        await storage.commit(changes, commitContext(context));
        await nextTurn();
      }
      await dropTombstones(list);
    }
    if (left === limit) await dropTombstones(list);
    return left;
  }

  /** The list remembers that it lost them, so that a client that follows it learns to start afresh. */
  async function dropTombstones(list: ListKey): Promise<void> {
    await storage.purgeTombstones(list, (await storage.timestamp(list, true)) + 1);
  }

  return {
    async remove(context, keys, remove) {
      if (!storage.inTransaction()) {
        let total = 0;
        for (const key of keys) total += await countBelow(root, key);
        let excess = total - largestTransaction;
        for (const key of keys) if (excess > 0) excess = await clear(context, root, key, excess);
      }
      return storage.transaction(async () => {
        // Ahead of the object above: what its hooks then write below it stays.
        for (const key of keys) await clear(context, root, key, Number.POSITIVE_INFINITY);
        return remove();
      });
    },
  };
}

function branchOf(resource: Resource, resources: readonly Resource[]): Branch {
  const children = resources.filter(({ options }) => options.parent?.name === resource.name);
  return { resource, members: membersOf(resource), children: children.map((child) => branchOf(child, resources)) };
}
