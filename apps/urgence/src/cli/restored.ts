/** `restored`: for stores that a database's own tools have put back to an earlier time. Urgence must not run meanwhile. */
import { systemClock } from "rouage";
import { isLedger, openLedger, openStorage } from "rouage/storage";
import { startUrgence } from "../app.ts";
import { openPlace, storeNames } from "../place.ts";
import { readUrgenceSettings } from "../settings.ts";
import type { ServiceName } from "../shared/client.ts";
import type { Command } from "./command.ts";
import { UsageError } from "./usage-error.ts";

export const restoredCommand: Command = {
  usage: "--since TIME [--ledger FOLDER | --without-ledger]",
  summary:
    "After a database's own tools have put the stores back to TIME: erases again who was erased since, as the erasure ledger says, and has clients start afresh. Stop Urgence first.",
  options: { since: { type: "string" }, ledger: { type: "string" }, "without-ledger": { type: "boolean" } },
  async run({ positionals, values, environment }) {
    const since = Date.parse(String(values.since ?? ""));
    if (Number.isNaN(since) || positionals.length > 0)
      throw new UsageError("expected the time that the stores were put back to: --since 2026-11-30T04:00:00Z");
    const { ledgerOf } = await import("rouage/cli");
    const { afterPuttingBack } = await import("rouage/storage/tools");
    const settings = readUrgenceSettings({ ...environment, URGENCE_LOG_LEVEL: "warn" });
    const place = await openPlace(settings);
    const choice = ledgerOf(values, place.ledger);
    if (choice.kind === "unsaid") throw new UsageError("name the ledger with --ledger FOLDER, or say --without-ledger");
    if (choice.kind === "folder" && !isLedger(choice.folder))
      throw new Error(
        `${choice.folder} is no erasure ledger; --ledger FOLDER names another, --without-ledger does without`,
      );
    const erasedIn = async (service: string) =>
      choice.kind === "folder" ? (await openLedger({ folder: choice.folder, service })).since(since) : undefined;

    const found = (name: ServiceName) => openStorage(place.storage(name), { clock: systemClock, asFound: true });

    const accounts = await erasedIn("accounts");
    const gone: string[] = [];
    {
      await using storage = await found("accounts");
      for await (const { id, kind } of storage.scan("account"))
        if (kind === "object" && accounts?.has({ resource: "account", parent: "", id }) === true) gone.push(id);
    }
    if (gone.length > 0) {
      // By the whole erasure: what is theirs is found as it was at that time.
      await using urgence = await startUrgence(settings, { tasks: false });
      for (const id of gone) await urgence.admin.eraseAccount(id);
    }
    for (const name of storeNames) {
      await using storage = await found(name);
      const resources = (await storage.totals()).map(({ resource }) => resource);
      await afterPuttingBack(storage, { resources, now: systemClock.now(), since, erased: await erasedIn(name) });
    }
    process.stderr.write(`${gone.length} people were erased again; clients start afresh\n`);
    return 0;
  },
};
