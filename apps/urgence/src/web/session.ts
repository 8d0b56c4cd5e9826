/** Browser sessions: the cookie is opaque here; accounts says whose it is. Answers are kept for a minute at most. */
import { type Clock, type Correlated, ServiceError } from "rouage";
import type { Cache } from "rouage/cache";
import type { ServiceCall } from "../shared/client.ts";
import { ApiFailure, api } from "./api.ts";
import { digest } from "./security.ts";

export interface BrowserSession {
  readonly accessToken: string;
  /** The token every form of this session carries. */
  readonly csrf: string;
  readonly account: {
    readonly id: string;
    readonly email: string;
    readonly language: string;
    readonly roles: readonly string[];
    readonly mfa: boolean;
  };
}

/** What accounts answers about a session cookie. */
export interface ResolvedSession {
  readonly access_token: string;
  readonly expires_in: number;
  readonly csrf: string;
  readonly account: BrowserSession["account"];
}

export interface Sessions {
  resolve(cookie: string, signal: AbortSignal, correlated: Correlated): Promise<BrowserSession | undefined>;
  /**
   * Drops what is remembered about a cookie, by every instance that shares the cache: after sign-out, a change of language, of password or of second
   * factor.
   */
  forget(cookie: string): Promise<void>;
}

const rememberedMs = 60_000;
const rememberedSessions = 10_000;

interface Remembered {
  readonly session: BrowserSession;
  readonly until: number;
  /** What the cache said of the cookie when it was looked up; another word means that it was forgotten since. */
  readonly word: string | undefined;
}

export function sessions(
  call: ServiceCall,
  clock: Clock,
  cache: Pick<Cache, "capabilities" | "get" | "set">,
): Sessions {
  const remembered = new Map<string, Remembered>();
  const { shared } = cache.capabilities;
  const key = (cookie: string) => digest(cookie).toString("base64url");

  /** While the cache cannot be reached, what was said last holds. */
  async function wordOf(id: string, last: string | undefined): Promise<string | undefined> {
    if (!shared) return undefined;
    try {
      return await cache.get(`session ${id}`);
    } catch (error) {
      if (!ServiceError.is(error)) throw error;
      return last;
    }
  }

  return {
    async resolve(cookie, signal, correlated) {
      if (cookie === "" || cookie.length > 512) return undefined;
      const id = key(cookie);
      const known = remembered.get(id);
      const word = await wordOf(id, known?.word);
      if (known !== undefined && known.until > clock.now() && known.word === word) return known.session;
      remembered.delete(id);
      const answer = await find(cookie, signal, correlated);
      if (answer === undefined) return undefined;
      const session = { accessToken: answer.access_token, csrf: answer.csrf, account: answer.account };
      const lifetime = Math.min(rememberedMs, answer.expires_in * 1000 - 5000);
      if (lifetime > 0) remember(id, { session, until: clock.now() + lifetime, word });
      return session;
    },
    async forget(cookie) {
      const id = key(cookie);
      remembered.delete(id);
      if (!shared) return;
      try {
        await cache.set(`session ${id}`, crypto.randomUUID(), (2 * rememberedMs) / 1000);
      } catch (error) {
        if (!ServiceError.is(error)) throw error;
      }
    },
  };

  function remember(id: string, found: Remembered): void {
    const oldest = remembered.size >= rememberedSessions ? remembered.keys().next().value : undefined;
    if (oldest !== undefined) remembered.delete(oldest);
    remembered.set(id, found);
  }

  async function find(
    cookie: string,
    signal: AbortSignal,
    correlated: Correlated,
  ): Promise<ResolvedSession | undefined> {
    try {
      const accounts = api({ call, signal, requestId: correlated.requestId, trace: correlated.trace });
      return await accounts.data("accounts", "POST", "/internal/browser-sessions/resolve", { cookie });
    } catch (error) {
      if (error instanceof ApiFailure && error.status >= 400 && error.status < 405) return undefined;
      throw error;
    }
  }
}
