/**
 * The six operations on one resource, as faces see them: permission → precondition → validation → hooks → commit. Objects go out
 * as JSON text, ready to be spliced into an answer. Knows no wire format.
 */
import type { Json, JsonObject } from "../json.ts";
import type { Principal } from "../principal.ts";
import type { Filter, Sort, SortValue } from "../storage/filter.ts";
import type { Permissions } from "../storage/permissions.ts";
import type { OperationContext } from "./context.ts";

/** Path parameters of the request (`people_id`), and the object's id where one object is meant. */
export interface Target {
  readonly params: Readonly<Record<string, string>>;
  /** Absent for lists and for singletons. */
  readonly id?: string;
}

/** Conditions on revisions, compared for strict equality; `*` stands for "any that exists". */
export interface Preconditions {
  readonly ifMatch?: number | "*";
  readonly ifNoneMatch?: number | "*";
}

export interface ListRequest extends Preconditions {
  /**
   * The rest of the request, asked for only after permission and preconditions hold (a 304 comes before a complaint
   * about filters), with the list's revision. Throws `invalid-parameters`.
   */
  readonly query?: (revision: number) => ListOptions;
}

export interface DeleteListRequest extends ListRequest {
  /** Asked once everything else holds, before anything is deleted; what it throws refuses the deletion. */
  readonly confirm?: () => void | Promise<void>;
}

export interface ListOptions {
  readonly filter?: Filter;
  /** Default: newest first. The operation appends `-last_modified` as tie-break unless named. */
  readonly sort?: readonly Sort[];
  /** Default and cap: the resource's page size. */
  readonly limit?: number;
  /** Behind the object with these values of the (completed) sort fields. */
  readonly after?: readonly SortValue[];
  readonly tombstones?: boolean;
  /** Projection: dotted paths; `id` and `last_modified` always stay. */
  readonly fields?: readonly string[];
  /** Also count all live matches. */
  readonly total?: boolean;
  /** Only count: no objects are read. */
  readonly countOnly?: boolean;
}

export type ListResult =
  | { readonly kind: "not-modified"; readonly revision: number }
  | {
      readonly kind: "page";
      /** Revision of the list. */
      readonly revision: number;
      /** JSON text of each entry, as the caller may see it. */
      readonly items: readonly string[];
      /** Where the next page begins; absent on the last page. */
      readonly next?: { readonly sort: readonly Sort[]; readonly after: readonly SortValue[]; readonly limit: number };
      readonly total?: number;
    };

export type GetResult =
  | { readonly kind: "not-modified"; readonly revision: number }
  | {
      readonly kind: "object";
      readonly revision: number;
      readonly json: string;
      /** Own permission entries of a shared object: all of them for who may write it, none for others. Undefined: not shared. */
      readonly permissions?: Permissions;
    };

export type PatchDocument =
  /** Top-level keys replace those of the object. */
  | { readonly kind: "merge"; readonly data?: JsonObject; readonly permissions?: unknown }
  /** RFC 7396, for permissions as well: null drops a permission. */
  | { readonly kind: "merge-patch"; readonly data?: JsonObject; readonly permissions?: unknown }
  /**
   * RFC 6902, on a document `{"data": object, "permissions": {permission: {principal: …}}}`: paths start with `/data/` or
   * `/permissions/{permission}/{principal}`; `add` and `remove` of a principal need no value.
   */
  | { readonly kind: "json-patch"; readonly operations: readonly Json[] };

export interface WriteRequest extends Preconditions {
  /** The posted object; undefined where the body carried none. */
  readonly data?: unknown;
  /** The posted permissions of a shared object, checked by the operation; undefined where the body carried none. */
  readonly permissions?: unknown;
}

export interface PatchRequest extends Preconditions {
  readonly patch: PatchDocument;
  /** full: the whole object; light: only what changed; diff: only what now differs from what was sent. */
  readonly behavior?: "full" | "light" | "diff";
}

export interface WriteResult {
  /** `unchanged`: the object existed already and was left as it is (create with a known id). */
  readonly kind: "created" | "updated" | "unchanged";
  readonly id: string;
  readonly revision: number;
  readonly json: string;
  /** As for `GetResult`. */
  readonly permissions?: Permissions;
}

/** Why a principal may do something with an object, or may not. */
export interface Explanation {
  readonly id: string;
  readonly principal: string;
  readonly permission: string;
  readonly allowed: boolean;
  /** Every entry, setting or rule that grants it: the object's path (or `settings`, `rules`), the permission there, and the principal it names. */
  readonly because: readonly { readonly uri: string; readonly permission: string; readonly principal: string }[];
}

export interface DeleteRequest extends Preconditions {
  /** A revision wished for the tombstone. */
  readonly revision?: number;
}

export interface DeleteResult {
  readonly revision: number;
  readonly json: string;
}

export interface DeleteListResult {
  /** Highest revision of the tombstones, or of the list when nothing was deleted. */
  readonly revision: number;
  readonly items: readonly string[];
  readonly next?: { readonly sort: readonly Sort[]; readonly after: readonly SortValue[]; readonly limit: number };
}

export interface WatchRequest {
  /** First everything that changed after this revision, tombstones included; 0: everything there is. Absent: only what happens from now on. */
  readonly since?: number;
  /** Which objects, and which of their fields; asked for after permission holds, with the list's revision. Throws `invalid-parameters`. */
  readonly query?: (revision: number) => Pick<ListOptions, "filter" | "fields">;
  /** An `idle` event comes when nothing happened for so long, after a look at whether the caller may still watch. Default 15 000. */
  readonly idleMs?: number;
  /** Who the caller is by now; asked again and again. Throws when the credentials hold no longer. Default: who it was. */
  readonly caller?: () => Principal | Promise<Principal>;
  /** Called when too much waits for the one who iterates: the next step throws `unavailable`, and who is held up elsewhere need not take it. */
  readonly tooSlow?: () => void;
}

export type WatchEvent =
  /** Permission holds. With `since` as revision, or that of the list. */
  | { readonly kind: "open"; readonly revision: number }
  /** Caught up: everything up to this revision was told, what follows happens now. */
  | { readonly kind: "ready"; readonly revision: number }
  | { readonly kind: "idle" }
  | WatchedChange;

export interface WatchedChange {
  /** Of what is caught up, `update` stands for objects created as well. */
  readonly kind: "create" | "update" | "delete";
  readonly id: string;
  /** From where to watch again to miss nothing and hear nothing twice: never less than before. */
  readonly revision: number;
  /** JSON text of the object as the caller may see it, or of its tombstone. */
  readonly json: string;
}

/**
 * The operations of one resource. Errors: `missing-credentials`, `forbidden`, `object-not-found` (details `{id, resource_name}`),
 * `route-not-found` (missing parent, details `{id, resource_name}`), `precondition-failed` (details `{existing}`), `invalid-parameters`, `conflict`, `unavailable`.
 */
export interface ResourceOperations {
  list(context: OperationContext, target: Target, request: ListRequest): Promise<ListResult>;
  get(
    context: OperationContext,
    target: Target,
    request: Preconditions & { readonly fields?: () => readonly string[] | undefined },
  ): GetResult | Promise<GetResult>;
  create(context: OperationContext, target: Target, request: WriteRequest): Promise<WriteResult>;
  replace(context: OperationContext, target: Target, request: WriteRequest): Promise<WriteResult>;
  patch(context: OperationContext, target: Target, request: PatchRequest): Promise<WriteResult>;
  delete(context: OperationContext, target: Target, request: DeleteRequest): Promise<DeleteResult>;
  /** Deletes every object of the list that matches and that the caller may write. */
  deleteList(context: OperationContext, target: Target, request: DeleteListRequest): Promise<DeleteListResult>;
  /**
   * What happens to the list, as the caller may see it. Iterating throws what `list` throws when the caller may not (or no longer) list,
   * `history-purged` when tombstones behind `since` are gone, `unavailable` when the one who iterates is too slow. It ends without an error when
   * `context.signal` aborts.
   */
  watch(context: OperationContext, target: Target, request: WatchRequest): AsyncIterable<WatchEvent>;
  /**
   * Tells who may write the object why `principal` (default: the caller) has `permission` on it, or has not.
   * @throws ServiceError `route-not-found` for resources that are not shared
   */
  explain(
    context: OperationContext,
    target: Target,
    question: { readonly permission: string; readonly principal?: string },
  ): Promise<Explanation>;
}
