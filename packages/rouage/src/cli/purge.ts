/** `rouage purge`: forgets tombstones that are old enough, for cron on stores whose services do not do it themselves, or to keep them for less. */
import { parseArgs } from "node:util";
import { consumerLists } from "../bus/consumer.ts";
import { createRetention, retentionList } from "../bus/retention.ts";
import { systemClock } from "../clock.ts";
import { openStorage } from "../storage/open.ts";
import type { Storage } from "../storage/storage.ts";
import { silentLogger } from "../telemetry/log.ts";
import type { Command } from "./command.ts";
import { type Target, targetOf } from "./target.ts";
import { UsageError } from "./usage-error.ts";

const options = {
  config: { type: "string" },
  set: { type: "string", multiple: true },
  "older-than": { type: "string" },
  "dry-run": { type: "boolean" },
} as const;

const daySeconds = 86_400;

export const purge: Command = async (args, environment) => {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  if (positionals.length > 1) throw new UsageError(`one store is expected, not ${positionals.length}`);
  const days = values["older-than"];
  if (days !== undefined && !/^\d{1,5}(\.\d{1,6})?$/.test(days))
    throw new UsageError("--older-than is a number of days");
  const target = await targetOf(positionals[0], values, environment);
  const seconds = days === undefined ? undefined : Number(days) * daySeconds;
  await using opened = await open(target, seconds);
  const { storage, tombstones, remember } = opened;
  const retention = createRetention({ storage, clock: systemClock, tombstones, remember, sweep: true });
  if (values["dry-run"] === true) return report(await retention.due(), "would be purged");
  // In small steps: whoever writes gets a turn between two of them.
  while (await retention.step());
  report(retention.purged, "purged");
};

interface Opened extends AsyncDisposable {
  readonly storage: Storage;
  /** Seconds that they are kept, by resource. */
  readonly tombstones: ReadonlyMap<string, number>;
  readonly remember: boolean;
}

async function open({ service, url }: Target, seconds: number | undefined): Promise<Opened> {
  if (service === undefined) {
    if (seconds === undefined) throw new UsageError("for the URL of a store say how old: --older-than DAYS");
    const storage = await openStorage(url, { clock: systemClock, asFound: true, queryBudgetMs: 0 });
    const own: ReadonlySet<string> = new Set([...Object.values(consumerLists), retentionList.resource]);
    const names = (await storage.totals()).map(({ resource }) => resource).filter((name) => !own.has(name));
    const tombstones = new Map(names.map((name) => [name, seconds]));
    return { storage, tombstones, remember: false, [Symbol.asyncDispose]: () => storage.close() };
  }
  const { parcelsOf } = await import("../composition/parcels.ts");
  const running = await service.definition.start({ ...service.sources, log: silentLogger, tasks: false });
  const kept = running.context.settings.tombstone_retention_seconds;
  const tombstones = new Map<string, number>();
  for (const { name, options: declared } of parcelsOf(service.definition.declaration).resources) {
    const keep = seconds ?? declared.retention?.tombstoneSeconds ?? kept;
    if (keep !== undefined) tombstones.set(name, keep);
  }
  await running.storage.define([retentionList]);
  return { storage: running.storage, tombstones, remember: true, [Symbol.asyncDispose]: () => running.stop() };
}

function report(counts: ReadonlyMap<string, number>, what: string): void {
  for (const [resource, count] of counts)
    if (count > 0) process.stdout.write(`${resource}: ${count} tombstones ${what}\n`);
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  if (total === 0)
    process.stderr.write(
      counts.size === 0
        ? "no resource says how long its tombstones are kept: --older-than DAYS\n"
        : "no tombstone is old enough\n",
    );
}
