/** What a service keeps things in, opened by URL and measured; what was handed in is left open. */

import type { Cache } from "../cache/cache.ts";
import { measuredCache } from "../cache/measured.ts";
import { openCache } from "../cache/open.ts";
import { remoteCache } from "../cache/remote.ts";
import type { Clock } from "../clock.ts";
import { thisWorker } from "../runtime/workers/member.ts";
import type { StartOptions } from "../service-declaration.ts";
import type { Settings } from "../settings.ts";
import { openLedger, withLedger } from "../storage/erasure-ledger.ts";
import { measuredStorage } from "../storage/measured.ts";
import { openStorage } from "../storage/open.ts";
import type { Storage } from "../storage/storage.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { refuseUnmigrated, withoutMigrations } from "./migrated.ts";

export interface Backends {
  readonly storage: Storage;
  readonly cache: Cache;
  /** Closes what was opened here. */
  close(): Promise<void>;
}

/** @throws Error when one cannot be opened, with nothing left open */
export async function openBackends(
  settings: Settings,
  parts: { readonly clock: Clock; readonly log: Logger; readonly metrics: Metrics; readonly name: string },
  given: Pick<StartOptions, "storage" | "cache">,
): Promise<Backends> {
  const { clock, log, metrics, name } = parts;
  const owned: { close(): Promise<void> }[] = [];
  const own = <B extends { close(): Promise<void> }>(backend: B): B => {
    owned.push(backend);
    return backend;
  };
  const close = async (): Promise<void> => {
    for (const backend of owned.toReversed()) await backend.close();
  };
  try {
    const cache =
      given.cache ??
      own(workersCache(settings, name) ?? (await openCache(settings.cache, { clock, log, metrics, name })));
    const queryBudgetMs = settings.storage_query_budget_ms;
    const opened = given.storage ?? (await openOwn(queryBudgetMs));
    const storage = await ledgered(opened);
    if (!settings.metrics_enabled) return { storage, cache, close };
    return { storage: measuredStorage(storage, metrics), cache: measuredCache(cache, metrics), close };
  } catch (error) {
    await close();
    throw error;
  }

  async function openOwn(queryBudgetMs: number): Promise<Storage> {
    const { storage: url, migrate } = settings;
    if (migrate === "check") await refuseUnmigrated(url, name);
    const storage = own(await openStorage(url, { clock, log, metrics, queryBudgetMs, name }));
    return migrate === "check" ? withoutMigrations(storage, url, name) : storage;
  }

  async function ledgered(storage: Storage): Promise<Storage> {
    const { erasure_ledger: folder, erasure_ledger_days: keepDays } = settings;
    // Of what is in memory nothing is ever restored, and whoever only looks at a service starts it there: no folder is made.
    if (folder === undefined || !storage.capabilities.durable) return storage;
    return withLedger(storage, await openLedger({ folder, service: name, keepDays }), clock.now);
  }
}

/** What workers of one service keep in memory they keep together, in their supervisor; undefined where that is not asked for. */
function workersCache({ cache: url }: Settings, service: string): Cache | undefined {
  const member = url.startsWith("memory:") ? thisWorker() : undefined;
  return member && remoteCache((call) => member.askCache({ service, url }, call));
}
