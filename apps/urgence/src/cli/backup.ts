/** `backup` and `restore`: the stores, the audit's spool and the keys as of one moment, and back. What only they need is loaded when they run. */
import { startUrgence } from "../app.ts";
import { openPlace, type Place, refuseHalfRestored, storeNames } from "../place.ts";
import { readUrgenceSettings, type UrgenceSettings } from "../settings.ts";
import { version } from "../version.ts";
import type { Command } from "./command.ts";
import { UsageError } from "./usage-error.ts";

export const backupCommand: Command = {
  usage: "FOLDER [--keep N] [--without-keys]",
  summary:
    "Copies the stores, the audit's spool and the keys as of one moment into a new folder below FOLDER, while Urgence runs or not. --keep removes older backups; --without-keys leaves the keys out, which are then to be kept apart.",
  options: { keep: { type: "string" }, "without-keys": { type: "boolean" } },
  async run({ positionals, values, environment }) {
    const [folder, ...rest] = positionals;
    if (folder === undefined || rest.length > 0) throw new UsageError("expected the folder of the backups");
    const { backUp, countOf } = await import("rouage/cli");
    const keep = countOf(values.keep as string | undefined, "--keep");
    const settings = embedded(environment);
    refuseHalfRestored(settings);
    const place = await openPlace(settings);
    const withKeys = values["without-keys"] !== true;
    await backUp({
      ...{ folder, service: "urgence", version, stores: storesOf(place), keep, ledger: true },
      beside: besideOf(place, withKeys),
    });
    return 0;
  },
};

export const restoreCommand: Command = {
  usage: "BACKUP [--ledger FOLDER | --without-ledger]",
  summary:
    "Puts a backup where no store is. Clients of before start afresh; who was erased since the backup is erased again, as the erasure ledger says.",
  options: { ledger: { type: "string" }, "without-ledger": { type: "boolean" } },
  async run({ positionals, values, environment }) {
    const [backup, ...rest] = positionals;
    if (backup === undefined || rest.length > 0) throw new UsageError("expected the folder of a backup");
    const { ledgerOf, putBack } = await import("rouage/cli");
    const { readManifest } = await import("rouage/storage/tools");
    const settings = embedded({ ...environment, URGENCE_LOG_LEVEL: "warn" });
    const place = await openPlace(settings);
    const { files } = await readManifest(backup);
    const withKeys = files.some(({ path }) => path.startsWith("keys/"));
    const ledger = ledgerOf(values, place.ledger);
    await putBack({
      ...{ backup, service: "urgence", stores: storesOf(place), beside: besideOf(place, withKeys), ledger },
      async adopt({ folder, beside, erased }) {
        const people = await erased("accounts", { resource: "account", parent: "" });
        if (people.length === 0) return;
        // The whole of Urgence on the copies: what is about a person is found as it was at the time of the backup.
        await using urgence = await startUrgence(
          {
            ...settings,
            storage: `sqlite:${folder}`,
            keys: withKeys ? beside("keys") : place.keys,
            erasure_ledger: place.ledger,
          },
          { tasks: false },
        );
        for (const id of people)
          await urgence.admin.eraseAccount(id).catch((cause: unknown) => {
            throw new Error("somebody who had left could not be erased again; nothing was restored", { cause });
          });
      },
    });
    return 0;
  },
};

function embedded(environment: Readonly<Record<string, string | undefined>>): UrgenceSettings {
  const settings = readUrgenceSettings(environment);
  if (!settings.storage.startsWith("sqlite:"))
    throw new UsageError("backup and restore are for sqlite:FOLDER; other databases have tools of their own");
  return settings;
}

function storesOf(place: Place) {
  return storeNames.map((name) => ({ name, url: place.storage(name) }));
}

function besideOf(place: Place, withKeys: boolean) {
  return [{ name: "spool", path: place.spool }, ...(withKeys ? [{ name: "keys", path: place.keys }] : [])];
}
