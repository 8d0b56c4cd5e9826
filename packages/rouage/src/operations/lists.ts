/** list and deleteList: what of a list a caller may see or delete, page by page. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { invalid, ServiceError } from "../errors.ts";
import type { Principal } from "../principal.ts";
import { fieldValue } from "../storage/evaluate.ts";
import type { Filter, Sort, SortValue } from "../storage/filter.ts";
import {
  type Change,
  CommitConflict,
  type ListKey,
  type ObjectKey,
  type Permissions,
  parseEntry,
  renderTombstone,
  type StoredEntry,
  type StoredObject,
  type Tombstone,
} from "../storage/storage.ts";
import { refusal } from "./access.ts";
import { affordable } from "./affordable.ts";
import type { Cascade } from "./cascade.ts";
import type { OperationContext } from "./context.ts";
import { assertKept, sinceOf } from "./history.ts";
import type { Locate } from "./locate.ts";
import type { Maybe } from "./maybe.ts";
import type { ListOptions, ListRequest, ResourceOperations } from "./operations.ts";
import { objectOf, type Plan } from "./plan.ts";
import { judge, preconditionFailed } from "./preconditions.ts";
import { listDecision } from "./rules.ts";
import { openByEntries } from "./sharing/lists.ts";
import { completeSort } from "./sort.ts";
import type { Visibility } from "./visibility.ts";
import { expectationOf, storedDeletion, type Writer } from "./writer.ts";

export interface ListParts {
  readonly plan: Plan;
  readonly visibility: Visibility;
  readonly locate: Locate;
  readonly writer: Writer;
  readonly cascade: Cascade;
}

/** A page whose bodies are longer together ends early, in characters: objects may be large, and memory is for everybody. */
const largestPage = 16 * 1024 * 1024;
/** Most objects that one commit of deleteList deletes. */
const batchSize = 250;
const maxAttempts = 10;

export function listsOf(parts: ListParts): Pick<ResourceOperations, "list" | "deleteList"> {
  const { plan, visibility, locate, writer, cascade } = parts;
  const { storage } = plan.dependencies;

  /** What of the list is open to the caller for this action; undefined: all of it. */
  function openTo(principal: Principal, action: "list" | "delete", list: ListKey): Maybe<Filter | undefined> {
    const decision = listDecision(plan.rules[action], principal);
    if (plan.sharing !== undefined) return openByEntries(plan, plan.sharing, principal, action, list, decision);
    if (decision === false) throw refusal(principal);
    return decision === true ? undefined : decision;
  }

  /** The request's options, checked and completed; asked for late, so that a 304 comes before a complaint. */
  function complete({ query }: ListRequest, principal: Principal, isOpen: Filter | undefined, revision: number) {
    const options: ListOptions = query?.(revision) ?? {};
    visibility.assertQueryable(options, principal);
    const sort = completeSort(options.sort ?? []);
    if (options.after !== undefined && options.after.length !== sort.length)
      throw invalid({
        location: "querystring",
        name: "_token",
        description: "_token has invalid content",
        code: "invalid-token",
      });
    const filter = both(isOpen, options.filter);
    const limit = Math.min(options.limit ?? plan.pageSize, plan.pageSize);
    return { ...options, sort, limit, query: { sort, ...(filter === undefined ? {} : { filter }) } };
  }

  /** Reads one entry more than asked for, which tells whether there is a next page. */
  async function readPage(
    list: ListKey,
    query: { readonly sort: readonly Sort[]; readonly filter?: Filter },
    { limit, after, tombstones }: Pick<ListOptions, "after" | "tombstones"> & { readonly limit: number },
  ): Promise<{ readonly entries: readonly StoredEntry[]; readonly next: readonly SortValue[] | undefined }> {
    if (limit === 0) return { entries: [], next: undefined };
    const read = await affordable(() =>
      storage.list(list, {
        ...query,
        limit: limit + 1,
        size: largestPage,
        ...(after === undefined ? {} : { after }),
        ...(tombstones === true ? { tombstones } : {}),
      }),
    );
    if (read.length <= limit && !isCut(read)) return { entries: read, next: undefined };
    const entries = read.slice(0, Math.max(1, read.length - 1));
    const last = entries.at(-1);
    return { entries, next: last && positionOf(last, query.sort) };
  }

  return {
    async list(context, target, request) {
      const { principal } = context;
      const key = await locate(context, target);
      const isOpen = await openTo(principal, "list", key);
      // Before the entries: a write in between must not hide behind a revision the client takes for seen.
      const revision = await storage.timestamp(key, plan.readOnly);
      const verdict = judge(request, revision, true);
      if (verdict === "failed") throw preconditionFailed(revision);
      if (verdict === "not-modified") return { kind: "not-modified", revision };

      const { sort, limit, after, tombstones, fields, total, countOnly, query, filter } = complete(
        request,
        principal,
        isOpen,
        revision,
      );
      const counted =
        total === true || countOnly === true ? { total: await affordable(() => storage.count(key, query.filter)) } : {};
      if (countOnly === true) return { kind: "page", revision, items: [], ...counted };
      const page = await readPage(key, query, {
        limit,
        ...(after === undefined ? {} : { after }),
        ...(tombstones === undefined ? {} : { tombstones }),
      });
      // Behind the page: what is purged while it was read counts.
      const since = tombstones === true ? sinceOf(filter) : undefined;
      if (since !== undefined) await assertKept(storage, key, since);
      return {
        kind: "page",
        revision,
        items: page.entries.map((entry) => visibility.render(entry, principal, fields)),
        ...(page.next === undefined ? {} : { next: { sort, after: page.next, limit } }),
        ...counted,
      };
    },

    async deleteList(context, target, request) {
      const key = await locate(context, target);
      const isOpen = await openTo(context.principal, "delete", key);
      const revision = await storage.timestamp(key, plan.readOnly);
      if (judge(request, revision, false) !== "pass") throw preconditionFailed(revision);

      const { sort, limit, after, query } = complete(request, context.principal, isOpen, revision);
      await request.confirm?.();
      const items: string[] = [];
      let highest = 0;
      let position = after;
      while (items.length < limit) {
        const size = Math.min(batchSize, limit - items.length);
        const options = { limit: size, ...(position === undefined ? {} : { after: position }) };
        const batch = await deleteBatch(context, key, () => readPage(key, query, options));
        for (const tombstone of batch.tombstones) {
          items.push(renderTombstone(tombstone));
          highest = Math.max(highest, tombstone.revision);
        }
        position = batch.next;
        if (position === undefined) break;
        // Hooks and storages may never wait for anything: others are answered between two commits all the same.
        await nextTurn();
      }
      return {
        revision: items.length === 0 ? revision : highest,
        items,
        ...(position === undefined || limit === 0 ? {} : { next: { sort, after: position, limit } }),
      };
    },
  };

  /** Deletes one page in one commit; read again when a writer was faster. */
  async function deleteBatch(context: OperationContext, list: ListKey, read: () => ReturnType<typeof readPage>) {
    for (let attempts = 1; ; attempts++) {
      if (context.signal.aborted) throw new ServiceError("deadline-exceeded", { cause: context.signal.reason });
      const { entries, next } = await read();
      const objects = entries.filter((entry): entry is StoredObject => entry.kind === "object");
      if (objects.length === 0) return { tombstones: [], next };
      try {
        const tombstones = await deleteObjects(context, list, objects);
        for (const object of objects) await afterDelete(context, list, object);
        return { tombstones, next };
      } catch (error) {
        if (!(error instanceof CommitConflict)) throw error;
        if (attempts >= maxAttempts)
          throw new ServiceError("conflict", { headers: { "retry-after": plan.retryAfter }, cause: error });
      }
    }
  }

  async function deleteObjects(
    context: OperationContext,
    list: ListKey,
    objects: readonly StoredObject[],
  ): Promise<readonly Tombstone[]> {
    const removals: Change[] = objects.map((object) => ({
      kind: "delete",
      key: { ...list, id: object.id },
      expect: expectationOf(object),
    }));
    const keys = objects.map(({ id }): ObjectKey => ({ ...list, id }));
    const others: Change[] = [];
    const entries: (Permissions | undefined)[] = [];
    for (const object of objects) {
      const { changes, previous } = await writer.beforeDelete(context, { ...list, id: object.id }, object);
      others.push(...changes);
      entries.push(previous);
    }
    const results = await cascade.remove(context, keys, () =>
      writer.commit(context, [...removals, ...others], (made) =>
        objects.flatMap((object, index) =>
          storedDeletion({ ...list, id: object.id }, object, made[index], entries[index]),
        ),
      ),
    );
    return results.slice(0, objects.length).flatMap((result) => (result.kind === "deleted" ? [result.tombstone] : []));
  }

  async function afterDelete(context: OperationContext, { parent }: ListKey, object: StoredObject): Promise<void> {
    if (plan.hooks.after === undefined) return;
    const previous = objectOf(object);
    await writer.after(context, { action: "delete", id: object.id, parent, previous, next: undefined });
  }
}

/** True when the storage stopped at the size and not at the limit or the end. */
function isCut(entries: readonly StoredEntry[]): boolean {
  let size = 0;
  for (const entry of entries) if (entry.kind === "object") size += entry.body.length;
  return size > largestPage;
}

function both(a: Filter | undefined, b: Filter | undefined): Filter | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : { kind: "and", filters: [a, b] };
}

function positionOf(entry: StoredEntry, sort: readonly Sort[]): readonly SortValue[] {
  const { id, last_modified: revision, ...value } = parseEntry(entry);
  return sort.map(({ field }) => fieldValue({ id, revision, value }, field));
}
