/** Where things are kept: a store for each service, and a folder of what is in no store. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isHalfRestored } from "rouage/storage";
import type { UrgenceSettings } from "./settings.ts";
import type { ServiceName } from "./shared/client.ts";

export interface Place {
  /** URL of a service's own store. */
  storage(service: ServiceName): string;
  readonly keys: string;
  readonly spool: string;
  /** Notes who was erased, for a restore to erase again; undefined where nobody asked for it and nothing could be restored. */
  readonly ledger: string | undefined;
  /** Removes what was temporary. */
  release(): Promise<void>;
}

type Where = Pick<UrgenceSettings, "storage" | "keys" | "data_folder" | "erasure_ledger">;

/** Services that have a store of their own. */
export const storeNames: readonly ServiceName[] = ["accounts", "profiles", "positions", "access"];

export async function openPlace(settings: Where): Promise<Place> {
  const { storage } = settings;
  const isMemory = storage === "memory:";
  const folder = isMemory ? await mkdtemp(join(tmpdir(), "urgence-")) : folderOf(settings);
  return {
    storage: (service) => storeOf(storage, service),
    keys: settings.keys ?? join(folder, "keys"),
    spool: join(folder, "spool"),
    ledger:
      settings.erasure_ledger ?? (storage.startsWith("sqlite:") ? `${folder.replace(/\/+$/, "")}-erased` : undefined),
    release: async () => {
      if (isMemory) await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What a start writes down about the demonstration; undefined where nothing outlives the process. */
export function demoFileOf(settings: Pick<Where, "storage" | "data_folder">): string | undefined {
  return settings.storage === "memory:" ? undefined : join(folderOf(settings), "demo.json");
}

/** @throws Error where a restore began to take the places of the stores and did not end */
export function refuseHalfRestored({ storage }: Pick<Where, "storage">): void {
  const folder = storage.startsWith("sqlite:") ? storage.slice("sqlite:".length) : undefined;
  if (folder !== undefined && isHalfRestored(folder, "urgence"))
    throw new Error(`a restore into ${folder} was interrupted: run it again, it goes on where it was`);
}

function folderOf({ storage, data_folder }: Pick<Where, "storage" | "data_folder">): string {
  return storage.startsWith("sqlite:") ? storage.slice("sqlite:".length) : data_folder;
}

function storeOf(storage: string, service: ServiceName): string {
  if (storage === "memory:") return storage;
  if (storage.startsWith("sqlite:")) return `sqlite:${join(storage.slice("sqlite:".length), `${service}.db`)}`;
  const [, location, query = ""] = /^([^?]*)\??(.*)$/s.exec(storage) ?? [];
  const parameters = new URLSearchParams(query);
  // Where one database is shared, each service has names of its own in it.
  const own = /^mongodb/.test(storage) ? "prefix" : "schema";
  parameters.set(own, `${parameters.get(own) ?? "urgence"}_${service}`);
  return `${location}?${parameters}`;
}
