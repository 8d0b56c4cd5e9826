/** What a resource is declared with, as types; `resource()` completes and checks it. */
import type { Static, TObject } from "typebox";
import type { JsonObject } from "./json.ts";
import type { Rule } from "./operations/access.ts";
import type { OperationContext } from "./operations/context.ts";
import type { Principal } from "./principal.ts";
import type { Change, Permissions } from "./storage/storage.ts";

/** What every stored object carries beside its own fields. */
export interface Meta {
  readonly id: string;
  readonly last_modified: number;
}

export type WriteAction = "create" | "replace" | "patch" | "delete";

/** A write on its way to the store; `next` is validated, with defaults and computed fields filled in. */
export interface PendingWrite<T> {
  readonly action: WriteAction;
  readonly id: string;
  /** Parent of the list, see `ListKey.parent`. */
  readonly parent: string;
  readonly previous: (T & Meta) | undefined;
  /** undefined when deleting. */
  readonly next: T | undefined;
  /** The object's own permission entries before and after this write; undefined unless the resource is shared. */
  readonly permissions?: { readonly previous: Permissions; readonly next: Permissions } | undefined;
  /** Adds a change (usually a domain event) to the same atomic commit. */
  also(change: Change): void;
  /** Stores these entries instead of `permissions.next`. @throws Error where the resource is not shared */
  setPermissions(permissions: Permissions): void;
}

export interface FinishedWrite<T> {
  readonly action: WriteAction;
  readonly id: string;
  readonly parent: string;
  readonly previous: (T & Meta) | undefined;
  readonly next: (T & Meta) | undefined;
}

/** A write that the store has, in a transaction that is still open. */
export interface StoredWrite<T> extends FinishedWrite<T> {
  /** Of the object, or of its tombstone. */
  readonly revision: number;
  /** The object's own permission entries before and after; undefined unless the resource is shared. */
  readonly permissions?: { readonly previous: Permissions; readonly next: Permissions } | undefined;
}

// Methods, not function properties, so that `Resource<S>` is a `Resource`: TypeScript compares their parameters both ways.
export interface Hooks<T> {
  /**
   * Before the commit; may return another object to store (validated again), or throw a ServiceError to refuse. May run again when
   * writes meet. Changing `write.next` in place has no effect.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: a hook without a return statement is the usual case
  before?(write: PendingWrite<T>, context: OperationContext): T | undefined | void | Promise<T | undefined | void>;
  /**
   * In the transaction of the write, once the object has its revision: what is written here becomes durable with it, and an error takes both
   * back. Not called for what goes because something above it is deleted. A resource with such a hook pays for a transaction at each write.
   */
  stored?(write: StoredWrite<T>, context: OperationContext): void | Promise<void>;
  /** After the commit is durable; an error is logged and changes nothing. The answer waits for it. */
  after?(write: FinishedWrite<T>, context: OperationContext): void | Promise<void>;
}

/** Derives one field from the others. */
export type ComputedField<T, V> = {
  compute(object: T, meta: { readonly id: string; readonly now: number }): V;
}["compute"];

/** Rules for each kind of access; more specific names win over `read` and `write`. An empty list means nobody. */
export interface Access<T> {
  /** Decided on the object to be created where a rule looks at objects. Default: as `write` where that is given, else anybody signed in. */
  readonly create?: readonly Rule<T>[];
  /** get and list. Default: as `write`. */
  readonly read?: readonly Rule<T>[];
  /** replace, patch, delete. Default: the owner (per-user resources: the user). */
  readonly write?: readonly Rule<T>[];
  readonly list?: readonly Rule<T>[];
  readonly get?: readonly Rule<T>[];
  readonly replace?: readonly Rule<T>[];
  readonly patch?: readonly Rule<T>[];
  readonly delete?: readonly Rule<T>[];
}

export interface FieldAccess<T> {
  /** Callers who see the field; others get the object without it. */
  readonly read?: readonly Rule<T>[];
  /** Callers who may set or change the field; others get a 400 `read-only`. */
  readonly write?: readonly Rule<T>[];
}

/**
 * Sharing of single objects. Permissions of an object are `read`, `write`, and `{child}:create` for each nested shared resource.
 *
 * `write` is granted by `write` on the object or on any object above it; `read` by `read` or `write` on the same; creation below an object by its
 * `{child}:create`, or by `write` on it or above. Who may create below an object also reads the object itself.
 * Access rules (`access`) grant beside that; where a shared resource declares none, only what is shared counts, and at the top any signed-in
 * caller may create.
 */
export interface Sharing {
  /** The writer's principal is added to the object's `write` at each create, replace and patch. Default true. */
  readonly explicit?: boolean;
  /** The principal that is added. Default: who writes. */
  readonly writer?: (write: { readonly id: string; readonly principal: Principal }) => string;
  /**
   * Principals that have a permission (`create` in any list, `read`, `write`, `{child}:create`) on every object of the resource, and on what
   * is below. With `create` given here, other signed-in callers may no longer create at the top.
   */
  readonly granted?: Permissions;
  /** False: objects have no entries that clients may set; what they inherit and what hooks write counts. Default true. */
  readonly settable?: boolean;
  /**
   * Makes objects of this resource groups: the principals that are members of one. The object's path (`/buckets/a/groups/b`) is then
   * a principal that entries may name.
   */
  readonly members?: (object: JsonObject) => readonly string[];
}

/** How long anonymous callers may keep this list (no `id`) or object, in seconds. Asked after the read was allowed. */
export type CacheSeconds = (
  target: { readonly params: Readonly<Record<string, string>>; readonly id?: string },
  context: OperationContext,
) => number | undefined | Promise<number | undefined>;

export interface ResourceOptions<S extends TObject> {
  /**
   * Shape of the objects, without `id` and `last_modified`. Annotations with effect: `default`; `readOnly: true` (set on create,
   * then 400 on change); `writeOnly: true` (stored, never sent, never filtered on).
   */
  readonly schema: S;
  /** Plural path segment(s) when not `/${name}`; relative to the parent's object path for nested resources. */
  readonly path?: string;
  /** The resource this one is nested below: `/people/{people_id}/positions`. The parent object must exist and be readable. */
  readonly parent?: Resource;
  /** Each signed-in caller has a list of their own. */
  readonly perUser?: boolean;
  /** With `perUser`: one object at a fixed path (`/me/profile`) instead of a list. */
  readonly singleton?: boolean;
  readonly access?: Access<Static<S>>;
  /** Objects carry permissions that their writers give to others, inherited by nested shared resources. `true`: with the defaults of `Sharing`. */
  readonly sharing?: true | Sharing;
  readonly fieldAccess?: { readonly [K in keyof Static<S>]?: FieldAccess<Static<S>> };
  /** Fields derived from the others at each write, stored, and read-only for clients. */
  readonly computed?: {
    readonly [K in keyof Static<S>]?: ComputedField<Static<S>, Static<S>[K]>;
  };
  readonly hooks?: Hooks<Static<S>>;
  /** Fields (or tuples of fields) unique within a list; a conflict is 409 errno 122 with details `{field, existing}`. */
  readonly unique?: readonly (keyof Static<S> & string)[] | readonly (readonly (keyof Static<S> & string)[])[];
  /** Declared indexes: a field or several, used by filters and sorts. */
  readonly indexes?: readonly (string | readonly string[])[];
  /** Fields not in the schema: refused with 400 (default), dropped, or kept. */
  readonly unknownFields?: "reject" | "drop" | "keep";
  readonly id?: { readonly pattern?: RegExp; readonly generate?: () => string };
  /** Largest page of a list. Default: the service's `paginate_by`. */
  readonly pageSize?: number;
  /** False: log entries do not keep the objects' bodies (no history from the log). Default true. */
  readonly logBodies?: boolean;
  /**
   * Anonymous callers may keep what they read for so many seconds (`Cache-Control: max-age`); a function says so for each list and object,
   * undefined meaning not at all. Default: nobody may.
   */
  readonly cacheSeconds?: number | CacheSeconds;
  /** Methods not offered: 405, unless a route of the same path takes their place. */
  readonly disabled?: readonly ("list" | "get" | "create" | "replace" | "patch" | "delete" | "deleteList")[];
  /** A limit for all methods of the resource together, beside the service's `rate_limit`, for each caller: `10/60`, so many requests in so many seconds. */
  readonly rateLimit?: string;
  /** How long tombstones are kept; default: the setting `tombstone_retention_seconds`. */
  readonly retention?: { readonly tombstoneSeconds: number };
  /** One sentence for the API description. */
  readonly description?: string;
}

/** A declared resource: its options, completed and checked. */
export interface Resource<S extends TObject = TObject> {
  readonly kind: "resource";
  readonly name: string;
  readonly options: ResourceOptions<S>;
  /** Path of the list (of the object for singletons), with `{…}` parameters, without the version prefix. */
  readonly listPath: string;
  /** Path of one object; equal to `listPath` for singletons. */
  readonly objectPath: string;
}
