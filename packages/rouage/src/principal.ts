/** Who makes a request, as far as the toolkit knows. */

export interface Principal {
  /** Stable identity such as `account:0198…`; undefined for an anonymous caller. */
  readonly id: string | undefined;
  readonly roles: ReadonlySet<string>;
  /** What the credentials said beside the above (token claims, session id …). */
  readonly claims: Readonly<Record<string, unknown>>;
  /** Further principals that the credentials prove, beside `id`, `system.Everyone` and `system.Authenticated`. Default: none. */
  readonly principals?: readonly string[];
  /** Name of the authentication policy that recognised the caller. */
  readonly policy: string | undefined;
}

export const anonymous: Principal = { id: undefined, roles: new Set(), claims: {}, policy: undefined };
