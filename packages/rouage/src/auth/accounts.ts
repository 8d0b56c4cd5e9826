/**
 * The policy `account`: user and password, checked by a function of the application. Successful checks are kept for a while, because a
 * password hash is slow on purpose; tries are throttled by account and by address. Knows no storage of accounts.
 */
import { createHmac } from "node:crypto";
import type { Cache } from "../cache/cache.ts";
import { ServiceError } from "../errors.ts";
import type { HttpRequest } from "../http.ts";
import type { Principal } from "../principal.ts";
import { type Logger, silentLogger } from "../telemetry/log.ts";
import { basicChallenge } from "./basic.ts";
import { type BasicCredentials, parseBasic } from "./basic-credentials.ts";
import type { AuthenticationPolicy } from "./policy.ts";
import { remembered } from "./remembered.ts";
import { equalText } from "./secrets.ts";
import type { Throttle } from "./throttle.ts";
import { sharedThrottle } from "./throttle-shared.ts";

export interface AccountsAuthOptions {
  /** Also what identities begin with. Default `account`. */
  readonly name?: string;
  /**
   * Whether this is the account's password; undefined: there is no such account, the credentials may be another policy's. Not told when a client
   * goes away: requests with the same credentials share one check.
   */
  readonly verify: (user: string, password: string) => Promise<boolean | undefined>;
  /** Key of what is kept in the cache. */
  readonly secret: string | Uint8Array;
  readonly cache: Cache;
  /** How long a successful check holds. Default 30; 0: every request is checked. */
  readonly cacheSeconds?: number;
  /** Default: one of its own, counted in the cache where that is shared. */
  readonly throttle?: Throttle;
  /** Told when that one cannot reach the cache. Default: nobody. */
  readonly log?: Logger;
  /** Shown in `WWW-Authenticate`. */
  readonly realm?: string;
}

export interface AccountsPolicy extends AuthenticationPolicy {
  /**
   * To be called after an account's password was changed or the account deleted: a check that was kept holds no longer, nor does one under way. Other
   * processes see it at once when they share the cache, else within `cacheSeconds`.
   */
  forget(user: string): Promise<void>;
}

/**
 * Identities `{name}:{user}`. A wrong password is refused (401) unless a policy behind this one takes the same credentials.
 * @throws Error when the secret is empty
 * @example accountsAuth({ secret, cache, verify: async (user, password) => hashed.verify(password, await hashOf(user)) })
 */
export function accountsAuth(options: AccountsAuthOptions): AccountsPolicy {
  const { name = "account", verify, secret, cache, cacheSeconds = 30, realm = "Realm" } = options;
  if (secret.length === 0) throw new Error(`authentication policy ${name}: the secret is empty`);
  const tries = options.throttle ?? sharedThrottle({ cache, name, log: options.log ?? silentLogger });
  const underWay = new Map<string, Promise<boolean | undefined>>();
  const hmac = (key: string | Uint8Array, text: string) => createHmac("sha256", key).update(text).digest("base64url");

  /** Says nothing of whether it is true: that is looked up for each request. */
  const claimOf = remembered((header) => {
    const credentials = parseBasic(header);
    if (credentials === undefined || credentials.user === "" || credentials.user.length > longestUser) return undefined;
    const key = `${name}:${hmac(secret, `${name}\n${credentials.user}`)}`;
    return { credentials, key, proof: hmac(secret, `${key}\n${credentials.password}`) };
  });

  function principalOf(user: string): Principal {
    return { id: `${name}:${user}`, roles: noRoles, claims: {}, policy: name };
  }

  function refuse(): never {
    // What the protocol says of credentials that cannot be used: the same as of none.
    throw new ServiceError("missing-credentials");
  }

  async function check(
    credentials: BasicCredentials,
    request: HttpRequest,
    key: string,
    proof: string,
  ): Promise<Principal | undefined> {
    // The proof tells passwords apart: two of one account are two checks, each counted.
    let result = underWay.get(proof);
    if (result === undefined) {
      const judging = judge(credentials, request.peer, key, proof).finally(() => {
        if (underWay.get(proof) === judging) underWay.delete(proof);
      });
      underWay.set(proof, judging);
      result = judging;
    }
    const right = await result;
    if (right === undefined) return undefined;
    return right ? principalOf(credentials.user) : refuse();
  }

  async function judge(
    { user, password }: BasicCredentials,
    peer: string | undefined,
    key: string,
    proof: string,
  ): Promise<boolean | undefined> {
    const trying = tries.attempt(user, peer);
    const attempt = trying instanceof Promise ? await trying : trying;
    let right: boolean | undefined;
    try {
      right = await verify(user, password);
    } catch (error) {
      await attempt.abandoned();
      throw error;
    }
    if (right === undefined) await attempt.abandoned();
    if (right !== true) return right;
    await attempt.succeeded();
    if (cacheSeconds > 0) await keep(key, proof);
    return true;
  }

  /** Unless the account was forgotten meanwhile: the password that was right then may be wrong now. */
  async function keep(key: string, proof: string): Promise<void> {
    try {
      if (await cache.add(key, proof, cacheSeconds)) return;
      if ((await cache.get(key)) !== forgotten) await cache.set(key, proof, cacheSeconds);
    } catch (error) {
      if (!ServiceError.is(error)) throw error;
    }
  }

  function kept(key: string): string | undefined | Promise<string | undefined> {
    if (cacheSeconds <= 0) return undefined;
    try {
      const found = cache.get(key);
      return found instanceof Promise ? found.catch(unlessAway) : found;
    } catch (error) {
      return unlessAway(error);
    }
  }

  return {
    name,
    challenge: basicChallenge(realm),
    securityScheme: { type: "http", scheme: "basic", description: "HTTP Basic: name and password of an account." },
    authenticate(request) {
      const header = request.header("authorization");
      const claim = header === undefined ? undefined : claimOf(header);
      if (claim === undefined) return undefined;
      const { credentials, key, proof } = claim;
      const answer = (found: string | undefined) =>
        found !== undefined && equalText(found, proof)
          ? principalOf(credentials.user)
          : check(credentials, request, key, proof);
      const found = kept(key);
      return found instanceof Promise ? found.then(answer) : answer(found);
    },
    async forget(user) {
      // Who comes from here on is checked anew.
      underWay.clear();
      const key = `${name}:${hmac(secret, `${name}\n${user}`)}`;
      const kept = cacheSeconds > 0 ? cache.set(key, forgotten, longestCheckSeconds) : undefined;
      await Promise.all([kept, tries.forget(user)]);
    },
  };
}

/** Longer names are nobody's: tries are counted by name, in bounded memory. */
const longestUser = 255;

/** In the place of a proof: the account has changed, and a check that began before must not be kept. */
const forgotten = "-";

/** Longer than a check takes, with those queued ahead of it. */
const longestCheckSeconds = 10;

const noRoles: ReadonlySet<string> = new Set();

/** A cache that is away costs time, not the sign-in. */
function unlessAway(error: unknown): undefined {
  if (!ServiceError.is(error)) throw error;
}
