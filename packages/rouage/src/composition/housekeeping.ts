/** What a service keeps for itself beside its resources, and the tasks that throw it away again. */
import { createRetention, retentionList } from "../bus/retention.ts";
import type { IdempotencyStore } from "../faces/rest/idempotency.ts";
import type { Resource } from "../resource.ts";
import type { BackgroundTask, ServiceContext } from "../service-declaration.ts";
import type { ListDefinition } from "../storage/storage.ts";
import { idempotencyList, idempotencyStore, purgeIdempotencyKeys } from "./idempotency-store.ts";
import { periodicTask } from "./periodic.ts";

export interface Housekeeping {
  /** Undefined: keys are ignored. */
  readonly idempotency: IdempotencyStore | undefined;
  readonly lists: readonly ListDefinition[];
  readonly tasks: readonly BackgroundTask[];
}

const nothing: Housekeeping = { idempotency: undefined, lists: [], tasks: [] };

/** Longest time between two looks at what is too old. */
const longestRound = 3600;

export function housekeepingOf(context: ServiceContext, resources: readonly Resource[]): Housekeeping {
  const { settings, storage, cache, clock } = context;
  if (settings.readonly) return nothing;
  const lists: ListDefinition[] = [];
  const tasks: BackgroundTask[] = [];

  const keepSeconds = settings.idempotency_seconds;
  const requestSeconds = settings.request_timeout_seconds;
  const idempotency =
    keepSeconds > 0 ? idempotencyStore({ storage, cache, clock, keepSeconds, requestSeconds }) : undefined;
  if (idempotency !== undefined) {
    lists.push(idempotencyList);
    const step = () => purgeIdempotencyKeys(storage, clock.now());
    tasks.push(periodicTask({ name: "idempotency", seconds: Math.min(60, keepSeconds), step }));
  }

  const tombstones = new Map<string, number>();
  for (const { name, options } of resources) {
    const kept = options.retention?.tombstoneSeconds ?? settings.tombstone_retention_seconds;
    if (kept !== undefined) tombstones.set(name, kept);
  }
  if (tombstones.size > 0) {
    lists.push(retentionList);
    const { step } = createRetention({ storage, clock, tombstones });
    const seconds = Math.min(longestRound, Math.max(1, Math.min(...tombstones.values()) / 10));
    tasks.push(periodicTask({ name: "retention", seconds, step }));
  }
  return { idempotency, lists, tasks };
}
