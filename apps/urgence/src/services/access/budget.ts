/**
 * How many lookups a responder and a site may make in an hour, over all instances that share a cache. Counted from the audit at first, so that a
 * restart, of a process or of the cache, resets nothing.
 */
import type { Clock, Logger } from "rouage";
import type { Cache } from "rouage/cache";
import type { Storage } from "rouage/storage";
import { sharedWindow } from "../../shared/shared-window.ts";
import { auditLists } from "./audit/records.ts";
import { within } from "./within.ts";

export interface BudgetLimits {
  readonly responderPerHour: number;
  readonly sitePerHour: number;
}

export interface Budget {
  /** Undefined when the lookup is within both budgets; otherwise which one is used up, and for how long. */
  take(
    actor: string,
    site: string | undefined,
  ): Promise<{ readonly scope: "responder" | "site"; readonly retryAfterSeconds: number } | undefined>;
}

const hour = 3_600_000;

export interface BudgetOptions extends BudgetLimits {
  readonly storage: Storage;
  readonly cache: Cache;
  readonly log: Logger;
  readonly clock: Clock;
  /** How long a responder waits for the past to be counted. */
  readonly timeoutMs: number;
}

export function budget(options: BudgetOptions): Budget {
  const { storage, cache, log, clock, responderPerHour, sitePerHour, timeoutMs } = options;
  const window = (name: string, limit: number) => sharedWindow({ cache, log, clock, name, limit, windowMs: hour });
  const responders = window("lookups of responders", responderPerHour);
  const sites = window("lookups of sites", sitePerHour);

  /** When the last lookups were, by the audit. */
  async function past(field: "actor" | "site", key: string, limit: number): Promise<readonly number[]> {
    try {
      const since = new Date(clock.now() - hour).toISOString();
      const reading = storage.list(
        { resource: auditLists.entries, parent: "" },
        {
          filter: {
            kind: "and",
            filters: [
              { kind: "compare", field, operator: "eq", value: key },
              { kind: "compare", field: "level", operator: "ge", value: 2 },
              { kind: "compare", field: "at", operator: "gt", value: since },
            ],
          },
          sort: [{ field: "id", direction: "descending" }],
          limit,
        },
      );
      const recent = await within(reading, timeoutMs);
      return recent.flatMap((entry) => (entry.kind === "object" ? [Date.parse(JSON.parse(entry.body).at)] : []));
    } catch {
      // A store that fails must not stop an emergency: counting begins now.
      return [];
    }
  }

  return {
    async take(actor, site) {
      const own = await responders.take(actor, () => past("actor", actor, responderPerHour));
      if (!own.ok) return { scope: "responder", retryAfterSeconds: own.retryAfterSeconds };
      if (site === undefined) return undefined;
      const common = await sites.take(site, () => past("site", site, sitePerHour));
      return common.ok ? undefined : { scope: "site", retryAfterSeconds: common.retryAfterSeconds };
    },
  };
}
