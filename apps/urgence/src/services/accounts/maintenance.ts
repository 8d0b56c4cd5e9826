/** What has to happen from time to time: accounts never confirmed or long unused go, sessions that ended go, erasures are finished, keys are read again. */
import { type Change, CommitConflict, type EraseScope } from "rouage/storage";
import type { Erasures } from "./erasure.ts";
import { eraseInactive, warnInactive } from "./inactive.ts";
import type { Parts } from "./parts.ts";

export interface MaintenanceResult {
  readonly unverified_accounts: number;
  readonly inactive_warned: number;
  readonly inactive_erased: number;
  readonly sessions: number;
  readonly receipts: number;
}

export type Maintenance = () => Promise<MaintenanceResult>;

const unverifiedMs = 7 * 86_400_000;
/** Tombstones serve nobody here; they stay a day for whoever reads the store at that moment. */
const tombstoneMs = 86_400_000;

export function maintenance(parts: Parts, erasures: Erasures): Maintenance {
  return async () => {
    await parts.ready();
    await parts.identity.reload();
    await erasures.resume();
    const result = {
      unverified_accounts: await eraseUnverified(parts),
      inactive_warned: await warnInactive(parts),
      inactive_erased: await eraseInactive(parts, erasures.eraseIf),
      sessions: (await parts.refresh.purge()) + (await parts.browser.purge()),
      receipts: await erasures.purge(),
    };
    await deleteExpiredCodes(parts);
    await purgeTombstones(parts);
    return result;
  };
}

async function eraseUnverified({ store, storage, clock, outbox, deps }: Parts): Promise<number> {
  const accounts = await store.unverifiedBefore(clock.now() - unverifiedMs);
  if (accounts.length === 0) return 0;
  const scopes: EraseScope[] = [];
  for (const { id, account } of accounts) {
    scopes.push(...(await outbox.waitingFor(id)), { resource: "code", parent: id });
    scopes.push({ resource: "account", parent: "", id });
    await deps.mailer.forget(account.email);
  }
  await storage.erase(scopes);
  return accounts.length;
}

async function deleteExpiredCodes({ storage, clock }: Parts): Promise<void> {
  const filter = { kind: "compare", field: "expires", operator: "le", value: clock.now() } as const;
  const changes: Change[] = [];
  for await (const { id, parent, revision } of storage.scan("code", { filter }))
    if (parent !== "")
      changes.push({ kind: "delete", key: { resource: "code", parent, id }, expect: { kind: "revision", revision } });
  for (const change of changes) {
    try {
      await storage.commit([change]);
    } catch (error) {
      // Replaced by a newer code meanwhile.
      if (!(error instanceof CommitConflict)) throw error;
    }
  }
}

async function purgeTombstones({ storage, clock, refresh, browser }: Parts): Promise<void> {
  const before = clock.now() - tombstoneMs;
  for (const resource of ["mail", "code", refresh.definition.resource, browser.definition.resource]) {
    const parents = new Set<string>();
    for await (const entry of storage.scan(resource, { tombstones: true }))
      if (entry.kind === "tombstone" && entry.revision < before) parents.add(entry.parent);
    for (const parent of parents) await storage.purgeTombstones({ resource, parent }, before);
  }
}
