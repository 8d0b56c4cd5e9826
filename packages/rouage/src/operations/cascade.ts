/** What happens to nested lists when the object above them goes: they go with it. */
import { ServiceError } from "../errors.ts";
import type { Resource } from "../resource-declaration.ts";
import type { Change, ListKey, ObjectKey, StoredObject } from "../storage/storage.ts";
import type { OperationContext } from "./context.ts";
import type { Locate } from "./locate.ts";
import type { Target } from "./operations.ts";
import { parentOf } from "./paths.ts";
import type { Plan } from "./plan.ts";
import { commitContext, expectationOf } from "./writer.ts";

export interface Below {
  /** Deletions of every object below, children before parents. */
  readonly changes: readonly Change[];
  readonly lists: readonly ListKey[];
}

export interface Cascade {
  /**
   * Everything below the object, for the commit that deletes it. Beyond `largestCommit` objects, the others are deleted in
   * commits of their own first.
   */
  below(context: OperationContext, key: ObjectKey): Promise<Below>;
  /** After the commit: removes what was created meanwhile, and the tombstones of the lists that are gone. Never fails. */
  sweep(context: OperationContext, key: ObjectKey, below: Below): Promise<void>;
  /**
   * After a creation: takes it back when the parent has gone meanwhile. Together with `sweep`, no order of a creation and the
   * parent's deletion leaves an object without a parent.
   * @throws ServiceError `route-not-found`, `forbidden` or `missing-credentials`
   */
  assertStillReachable(context: OperationContext, target: Target, list: ListKey, created: StoredObject): Promise<void>;
}

/** Most objects deleted together with their parent in one commit. */
export const largestCommit = 1000;

export function cascadeOf({ resource, name, dependencies }: Plan, locate: Locate): Cascade {
  const { storage, resources = [], log } = dependencies;
  const childrenOf = (parent: Resource) => resources.filter(({ options }) => options.parent?.name === parent.name);
  const isParent = childrenOf(resource).length > 0;
  const isNested = resource.options.parent !== undefined;

  /** Lists below an object, deepest first. */
  async function* listsBelow(parent: Resource, key: ObjectKey): AsyncGenerator<ListKey> {
    for (const child of childrenOf(parent)) {
      const list = { resource: child.name, parent: parentOf(parent, key.parent, key.id) };
      if (childrenOf(child).length > 0) for await (const id of idsOf(list)) yield* listsBelow(child, { ...list, id });
      yield list;
    }
  }

  async function* idsOf(list: ListKey): AsyncGenerator<string> {
    const size = 500;
    const sort = [{ field: "id", direction: "ascending" }] as const;
    let after: readonly [string] | undefined;
    while (true) {
      const page = await storage.list(list, { sort, limit: size, ...(after === undefined ? {} : { after }) });
      for (const { id } of page) yield id;
      const last = page.at(-1);
      if (last === undefined || page.length < size) return;
      after = [last.id];
    }
  }

  return {
    async below(context, key) {
      if (!isParent) return nothing;
      const lists: ListKey[] = [];
      let changes: Change[] = [];
      for await (const list of listsBelow(resource, key)) {
        lists.push(list);
        for await (const id of idsOf(list)) {
          changes.push({ kind: "delete", key: { ...list, id }, expect: { kind: "any" } });
          if (changes.length < largestCommit) continue;
          await storage.commit(changes, commitContext(context));
          changes = [];
        }
      }
      return { changes, lists };
    },

    async sweep(context, key, below) {
      if (!isParent) return;
      try {
        const parent = await storage.get(key);
        if (parent?.kind === "object") return;
        const { changes } = await this.below(context, key);
        if (changes.length > 0) await storage.commit(changes, commitContext(context));
        for (const list of below.lists) await storage.purgeTombstones(list, Number.MAX_SAFE_INTEGER);
      } catch (error) {
        // Nothing is acknowledged wrongly: the object is deleted and the lists below it cannot be reached.
        log.warn({ err: error, resource: name, id: key.id }, "could not sweep the lists below a deleted object");
      }
    },

    async assertStillReachable(context, target, list, created) {
      if (!isNested) return;
      try {
        await locate(context, target);
      } catch (error) {
        if (!ServiceError.is(error) || error.kind.status >= 500) return;
        const change: Change = { kind: "delete", key: { ...list, id: created.id }, expect: expectationOf(created) };
        // Gone already: the sweep was faster.
        await storage.commit([change], commitContext(context)).catch(() => undefined);
        throw error;
      }
    },
  };
}

const nothing: Below = { changes: [], lists: [] };
