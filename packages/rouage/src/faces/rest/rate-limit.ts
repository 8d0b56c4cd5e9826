/**
 * Rate limits per caller: requests counted in windows of time in the cache, so that instances that share one share the limit. Announced
 * as draft-ietf-httpapi-ratelimit-headers-11 has it. Where no limit is set, endpoints are served as they are.
 */
import type { Cache } from "../../cache/cache.ts";
import type { Clock } from "../../clock.ts";
import { ServiceError } from "../../errors.ts";
import { parseRateLimit, type RateLimit } from "../../settings/rate-limit.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { Answer, Endpoint, Exchange } from "./exchange.ts";

export interface RateLimitParts {
  /** Where requests are counted. Absent: nothing is limited. */
  readonly cache: Pick<Cache, "increment"> | undefined;
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
        const counts = all.map((policy) => count(policy, exchange));
        if (!counts.some((each) => each instanceof Promise)) {
          judge(exchange, all, counts as readonly (number | undefined)[], announced);
          return run(exchange, params);
        }
        return Promise.all(counts).then((known) => {
          judge(exchange, all, known, announced);
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

  /** Requests of this caller in the current window, this one included; undefined where the cache cannot say. */
  function count(
    { name, windowSeconds }: Policy,
    { principal, request }: Exchange,
  ): number | undefined | Promise<number | undefined> {
    const caller = principal.id === undefined ? `address ${request.peer ?? "unknown"}` : `principal ${principal.id}`;
    const window = Math.floor(clock.now() / (windowSeconds * 1000));
    try {
      const counted = cache?.increment(`rate ${name} ${window} ${caller}`, 1, windowSeconds);
      return counted instanceof Promise ? counted.catch(uncounted) : counted;
    } catch (error) {
      return uncounted(error);
    }
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
    counts: readonly (number | undefined)[],
    announced: string,
  ): void {
    const now = clock.now();
    const states: string[] = [];
    let wait: number | undefined;
    for (const [index, { name, quota, windowSeconds }] of all.entries()) {
      const used = counts[index];
      if (used === undefined) continue;
      const left = Math.ceil(windowSeconds - ((now / 1000) % windowSeconds));
      states.push(`${quoted(name)};r=${Math.max(0, quota - used)};t=${left}`);
      if (used > quota) wait = Math.max(wait ?? 0, left);
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
