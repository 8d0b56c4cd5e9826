/**
 * Rate limits per caller: requests counted in the cache, in a window that slides, so that instances that share one share the limit. Announced
 * as draft-ietf-httpapi-ratelimit-headers-11 has it. Where no limit is set, endpoints are served as they are.
 */
import type { Cache } from "../../cache/cache.ts";
import type { Clock } from "../../clock.ts";
import { ServiceError } from "../../errors.ts";
import { parseRateLimit, type RateLimit } from "../../settings/rate-limit.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { Answer, Endpoint, Exchange } from "./exchange.ts";
import { type Counted, isWithin, leftOf, windowOf } from "./rate-window.ts";

export interface RateLimitParts {
  /** Where requests are counted. Absent: nothing is limited. */
  readonly cache: Pick<Cache, "get" | "increment"> | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  /** For every endpoint together: the setting `rate_limit`. */
  readonly everywhere: string | undefined;
}

interface Policy extends RateLimit {
  readonly name: string;
  /** As a member of `RateLimit-Policy`. */
  readonly announced: string;
}

/** A request as it was counted for one policy, at one moment for all of it. */
interface Count extends Counted {
  readonly key: string;
}

export interface RateLimits {
  /** The endpoint, limited as the service is and by a limit of its own, which is called `name`. @throws Error when that is none */
  limited(endpoint: Endpoint, name?: string, own?: string): Endpoint;
}

export function createRateLimits({ cache, clock, log, everywhere }: RateLimitParts): RateLimits {
  const shared = everywhere === undefined ? [] : [policyOf("default", everywhere)];
  const policies = new Map<string, Policy>();
  let warned = Number.NEGATIVE_INFINITY;

  function limited(endpoint: Endpoint, name = "", limit?: string): Endpoint {
    if (endpoint.operational || cache === undefined) return endpoint;
    const all = limit === undefined ? shared : [...shared, own(name, limit)];
    if (all.length === 0) return endpoint;
    const { run, stream } = endpoint;
    const announced = all.map((policy) => policy.announced).join(", ");
    return {
      ...endpoint,
      ...(stream !== undefined && { stream: limited(stream, name, limit) }),
      run(exchange, params): Answer | Promise<Answer> {
        const now = clock.now();
        const counts = all.map((policy) => count(policy, exchange, now));
        if (!counts.some((each) => each instanceof Promise)) {
          judge(exchange, all, counts as readonly (Count | undefined)[], announced, now);
          return run(exchange, params);
        }
        return Promise.all(counts).then((known) => {
          judge(exchange, all, known, announced, now);
          return run(exchange, params);
        });
      },
    };
  }

  function own(name: string, limit: string): Policy {
    const policy = policies.get(name) ?? policyOf(name, limit);
    policies.set(name, policy);
    return policy;
  }

  /** Counts the request, and looks at the window before; undefined where the cache cannot say. */
  function count(
    policy: Policy,
    { principal, request }: Exchange,
    now: number,
  ): Count | undefined | Promise<Count | undefined> {
    if (cache === undefined) return undefined;
    const caller = principal.id === undefined ? `address ${request.peer ?? "unknown"}` : `principal ${principal.id}`;
    const window = windowOf(policy, now);
    const keyOf = (number: number) => `rate ${policy.name} ${number} ${caller}`;
    const key = keyOf(window);
    const counted = (current: number, previous: string | undefined): Count => ({
      key,
      current,
      previous: Number(previous ?? 0),
    });
    try {
      const current = cache.increment(key, 1, 2 * policy.windowSeconds);
      const previous = cache.get(keyOf(window - 1));
      if (!(current instanceof Promise) && !(previous instanceof Promise)) return counted(current, previous);
      return Promise.all([current, previous]).then(([sum, before]) => counted(sum, before), uncounted);
    } catch (error) {
      return uncounted(error);
    }
  }

  /** What is refused does not count: who goes on asking is not kept out by that. */
  function takeBack({ key }: Count, { windowSeconds }: Policy): void {
    Promise.try(() => cache?.increment(key, -1, 2 * windowSeconds)).catch(() => undefined);
  }

  /** A cache that cannot be reached must not close the service: requests pass, and the log says so once a minute. */
  function uncounted(error: unknown): undefined {
    if (clock.now() - warned < 60_000) return undefined;
    warned = clock.now();
    log.warn({ err: error }, "rate limits are not enforced: the cache cannot count");
    return undefined;
  }

  function judge(
    exchange: Exchange,
    all: readonly Policy[],
    counts: readonly (Count | undefined)[],
    announced: string,
    now: number,
  ): void {
    const before = counts.map((each) => (each === undefined ? undefined : { ...each, current: each.current - 1 }));
    const isRefused = all.some((policy, index) => {
      const counted = before[index];
      return counted !== undefined && !isWithin(policy, counted, now);
    });
    const states: string[] = [];
    let wait: number | undefined;
    for (const [index, policy] of all.entries()) {
      const counted = counts[index];
      const without = before[index];
      if (counted === undefined || without === undefined) continue;
      if (isRefused) takeBack(counted, policy);
      const { requests, moreInMs } = leftOf(policy, isRefused ? without : counted, now);
      const seconds = Math.ceil(moreInMs / 1000);
      states.push(`${quoted(policy.name)};r=${requests};t=${seconds}`);
      if (isRefused && requests === 0) wait = Math.max(wait ?? 0, seconds);
    }
    if (states.length > 0) exchange.further = { "ratelimit-policy": announced, ratelimit: states.join(", ") };
    if (wait !== undefined) throw new ServiceError("too-many-requests", { headers: { "retry-after": String(wait) } });
  }

  return { limited };
}

function policyOf(name: string, limit: string): Policy {
  const { quota, windowSeconds } = parseRateLimit(limit);
  return { name, quota, windowSeconds, announced: `${quoted(name)};q=${quota};w=${windowSeconds}` };
}

/** A string of structured fields (RFC 9651 §4.1.6); names of resources and paths of routes are ASCII where they can be sent. */
function quoted(name: string): string {
  return `"${name.replaceAll(/[^\x20-\x7e]/g, "?").replaceAll(/["\\]/g, "\\$&")}"`;
}
