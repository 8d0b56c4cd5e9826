/** How many lookups a responder and a site may make in an hour. Counted from the audit at first, so that a restart resets nothing. */
import type { Clock } from "rouage";
import type { Storage } from "rouage/storage";
import { type SlidingWindow, slidingWindow } from "../../shared/sliding-window.ts";
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
  readonly clock: Clock;
  /** How long a responder waits for the past to be counted. */
  readonly timeoutMs: number;
}

export function budget({ storage, clock, responderPerHour, sitePerHour, timeoutMs }: BudgetOptions): Budget {
  const responders = slidingWindow({ limit: responderPerHour, windowMs: hour, clock });
  const sites = slidingWindow({ limit: sitePerHour, windowMs: hour, clock });

  async function remember(window: SlidingWindow, field: "actor" | "site", key: string, limit: number): Promise<void> {
    if (!window.isNew(key)) return;
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
      const times = recent.flatMap((entry) => (entry.kind === "object" ? [Date.parse(JSON.parse(entry.body).at)] : []));
      // Others may have counted meanwhile; what they counted is in memory only and stays.
      if (window.isNew(key)) window.seed(key, times);
    } catch {
      // A store that fails must not stop an emergency: counting begins now.
    }
  }

  return {
    async take(actor, site) {
      await remember(responders, "actor", actor, responderPerHour);
      if (site !== undefined) await remember(sites, "site", site, sitePerHour);
      const own = responders.take(actor);
      if (!own.ok) return { scope: "responder", retryAfterSeconds: own.retryAfterSeconds };
      const common = site === undefined ? ({ ok: true } as const) : sites.take(site);
      return common.ok ? undefined : { scope: "site", retryAfterSeconds: common.retryAfterSeconds };
    },
  };
}
