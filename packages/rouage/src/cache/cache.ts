/**
 * The cache interface: values that may be lost at any time, shared by the instances of a service where the backend is. Never the only
 * place of anything. Knows nothing of what is kept in it.
 */

/** One cache, opened on a URL. Every method may throw ServiceError `unavailable` when the backend cannot be reached, and may answer without a promise. */
export interface Cache extends AsyncDisposable {
  readonly capabilities: {
    /** Other processes see the same values. */
    readonly shared: boolean;
  };
  get(key: string): string | undefined | Promise<string | undefined>;
  /** Keeps a value for `ttlSeconds` (more than 0), or for less when room is needed. */
  set(key: string, value: string, ttlSeconds: number): void | Promise<void>;
  /** Keeps the value unless there is one already; says whether it was kept. Atomic over all users of the cache. */
  add(key: string, value: string, ttlSeconds: number): boolean | Promise<boolean>;
  /**
   * Keeps `value` in the place of `old` if that is what is there; says whether it was kept. Atomic over all users: who reads, works out the next
   * value and is told `false` begins again.
   */
  replace(key: string, old: string, value: string, ttlSeconds: number): boolean | Promise<boolean>;
  /** Removes a value and answers what it was. */
  delete(key: string): string | undefined | Promise<string | undefined>;
  /** Seconds until a value goes; undefined where there is none. */
  ttl(key: string): number | undefined | Promise<number | undefined>;
  /** Gives a value that exists another time to live. */
  expire(key: string, ttlSeconds: number): void | Promise<void>;
  /** Adds to a whole number that begins at 0 with `ttlSeconds`, which later calls do not prolong; answers the sum. Atomic over all users. */
  increment(key: string, by: number, ttlSeconds: number): number | Promise<number>;
  /** Removes everything. */
  flush(): void | Promise<void>;
  /** A tiny real round trip; throws when the cache is not usable. */
  check(): Promise<void>;
  close(): Promise<void>;
}
