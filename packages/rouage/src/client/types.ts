/** What a typed client of a service looks like; `rouage client` writes the types of one service in these terms. */

export interface ClientOptions {
  /** Where the service is, without the version prefix: `https://kittens.example`. */
  readonly url: string;
  /** Sent with every request; a function is asked each time (for a token that changes). */
  readonly headers?: Headers | (() => Headers | Promise<Headers>);
  /** Default: the global one. `service.fetch` calls a service of the same process without a socket. */
  readonly fetch?: (request: Request) => Promise<Response>;
}

type Headers = Readonly<Record<string, string>>;

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly headers?: Headers;
}

/** A revision as answers carry it, or `*` for "any that exists". */
export type Revision = number | "*";

export interface ReadOptions extends CallOptions {
  /** Answers `undefined` as `data` when the revision is still this one. */
  readonly ifNoneMatch?: number;
  readonly fields?: readonly string[];
}

export interface WriteOptions extends CallOptions {
  /** Refused with 412 unless the revision is this one. */
  readonly ifMatch?: Revision;
  /** `*`: refused with 412 when there is such an object. */
  readonly ifNoneMatch?: "*";
  /** Permissions of a shared object, replaced (PUT) or merged (PATCH). */
  readonly permissions?: Permissions;
}

export interface CreateOptions extends WriteOptions {
  /** Makes repeating safe: the same key with the same object creates once. */
  readonly idempotencyKey?: string;
}

export type Permissions = Readonly<Record<string, readonly string[]>>;

export interface Meta {
  readonly id: string;
  readonly last_modified: number;
}

export interface Tombstone extends Meta {
  readonly deleted: true;
}

export interface ListQuery {
  /** Filters by their names in the query string: `{ name: "Tom", min_weight: 3, in_id: ["a", "b"] }`. */
  readonly where?: Readonly<Record<string, unknown>>;
  /** Fields, each with `-` in front for descending. */
  readonly sort?: readonly string[];
  readonly limit?: number;
  readonly fields?: readonly string[];
}

export interface Answer<T> {
  readonly data: T;
  /** Revision of the object, or of the list. */
  readonly revision: number;
  /** Own permissions of a shared object, for who may write it. */
  readonly permissions?: Permissions;
}

export interface Page<T> extends Answer<readonly T[]> {
  /** Reads the page behind this one; absent on the last. */
  readonly next?: () => Promise<Page<T>>;
}

export interface ResourceClient<T extends Meta, Input> {
  list(query?: ListQuery, options?: CallOptions): Promise<Page<T>>;
  /** What changed after this revision, tombstones included. */
  changes(since: number, query?: ListQuery, options?: CallOptions): Promise<Page<T | Tombstone>>;
  /** Every object that matches, page by page. */
  all(query?: ListQuery, options?: CallOptions): AsyncIterable<T>;
  /** Number of objects that match. */
  count(query?: Pick<ListQuery, "where">, options?: CallOptions): Promise<number>;
  get(id: string, options?: ReadOptions & { readonly ifNoneMatch?: never }): Promise<Answer<T>>;
  get(id: string, options: ReadOptions): Promise<Answer<T | undefined>>;
  create(data: Input, options?: CreateOptions): Promise<Answer<T>>;
  replace(id: string, data: Input, options?: WriteOptions): Promise<Answer<T>>;
  /** Changes the fields given (top-level keys). */
  patch(id: string, changes: Partial<Input>, options?: WriteOptions): Promise<Answer<T>>;
  delete(id: string, options?: Pick<WriteOptions, "ifMatch" | "signal" | "headers">): Promise<Answer<Tombstone>>;
  deleteAll(query?: ListQuery, options?: CallOptions): Promise<Page<Tombstone>>;
}

/** The one object of a caller at a fixed path. */
export interface SingletonClient<T extends Meta, Input> {
  get(options?: ReadOptions & { readonly ifNoneMatch?: never }): Promise<Answer<T>>;
  get(options: ReadOptions): Promise<Answer<T | undefined>>;
  replace(data: Input, options?: WriteOptions): Promise<Answer<T>>;
  patch(changes: Partial<Input>, options?: WriteOptions): Promise<Answer<T>>;
  delete(options?: Pick<WriteOptions, "ifMatch" | "signal" | "headers">): Promise<Answer<Tombstone>>;
}

/** Lists nested below an object: `client.people.at("7").positions.list()`. */
export interface Nesting<Nested> {
  at(id: string): Nested;
}

/** What `connect` makes a client from; generated together with its types. */
export interface ApiDefinition {
  /** `/v1` */
  readonly prefix: string;
  readonly resources: Readonly<Record<string, ResourceDefinition>>;
  readonly routes: Readonly<Record<string, RouteDefinition>>;
}

export interface ResourceDefinition {
  /** Path segments below the parent's object, such as `/positions`. */
  readonly path: string;
  readonly singleton?: true;
  readonly nested?: Readonly<Record<string, ResourceDefinition>>;
}

export interface RouteDefinition {
  readonly method: string;
  /** Complete, with `{name}` parameters. */
  readonly path: string;
}
