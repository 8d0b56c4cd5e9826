/** `rouage backup` and `rouage restore`: the embedded store copied while it is used, and put back. */
import { parseArgs } from "node:util";
import { systemClock } from "../clock.ts";
import { makeBackup } from "../storage/backup/make.ts";
import { readManifest } from "../storage/backup/manifest.ts";
import { afterPuttingBack } from "../storage/backup/put-back.ts";
import { type RestoreOptions, restoreBackup } from "../storage/backup/restore.ts";
import { type Erased, isLedger, openLedger } from "../storage/erasure-ledger.ts";
import { openStorage } from "../storage/open.ts";
import type { Command } from "./command.ts";
import { progressBar } from "./progress.ts";
import { targetOf } from "./target.ts";
import { UsageError } from "./usage-error.ts";

const settingOptions = { config: { type: "string" }, set: { type: "string", multiple: true } } as const;
const backupOptions = { ...settingOptions, keep: { type: "string" } } as const;
const restoreOptions = {
  ...settingOptions,
  ledger: { type: "string" },
  "without-ledger": { type: "boolean" },
} as const;

export const backup: Command = async (args, environment) => {
  const { values, positionals } = parseArgs({ args: [...args], options: backupOptions, allowPositionals: true });
  const [what, folder, ...more] = positionals;
  if (folder === undefined || more.length > 0)
    throw new UsageError("backup takes a service or the URL of a store, and a folder");
  const target = await targetOf(what, values, environment);
  await backUp({
    ...{ folder, service: target.name, version: target.version },
    stores: [{ name: target.name, url: target.url }],
    ledger: target.service?.settings.erasure_ledger !== undefined,
    keep: countOf(values.keep, "--keep"),
  });
};

export const restore: Command = async (args, environment) => {
  const { values, positionals } = parseArgs({ args: [...args], options: restoreOptions, allowPositionals: true });
  const [what, folder, ...more] = positionals;
  if (folder === undefined || more.length > 0)
    throw new UsageError("restore takes a service or the URL of a store, and the folder of a backup");
  const target = await targetOf(what, values, environment);
  await putBack({
    ...{ backup: folder, service: target.name, stores: [{ name: target.name, url: target.url }] },
    ledger: ledgerOf(values, target.service?.settings.erasure_ledger),
  });
};

const putBackOptions = { ...restoreOptions, since: { type: "string" } } as const;

/** `rouage restored`: for a database that its own tools have put back. */
export const restored: Command = async (args, environment) => {
  const { values, positionals } = parseArgs({ args: [...args], options: putBackOptions, allowPositionals: true });
  if (positionals.length > 1) throw new UsageError(`one store is expected, not ${positionals.length}`);
  const since = Date.parse(values.since ?? "");
  if (Number.isNaN(since)) throw new UsageError("say to what time it was put back: --since 2026-11-30T04:00:00Z");
  const target = await targetOf(positionals[0], values, environment);
  const { service, name, url } = target;
  const choice = ledgerOf(values, service?.settings.erasure_ledger);
  if (choice.kind === "unsaid")
    throw new UsageError("name the erasure ledger with --ledger FOLDER, or say --without-ledger");
  await using storage = await openStorage(url, {
    ...{ clock: systemClock, asFound: true, queryBudgetMs: 0 },
    ...(service === undefined ? {} : { name }),
  });
  const { lists, erasedAgain } = await afterPuttingBack(storage, {
    resources: (await storage.totals()).map(({ resource }) => resource),
    ...{ now: systemClock.now(), since, erased: await erasedOf(choice, name, since) },
  });
  process.stderr.write(`${lists} lists begin anew for their clients${againWords(erasedAgain)}\n`);
};

async function erasedOf(choice: LedgerChoice, service: string, since: number): Promise<Erased | undefined> {
  if (choice.kind !== "folder") return undefined;
  refuseNoLedger(choice.folder);
  return (await openLedger({ folder: choice.folder, service })).since(since);
}

function refuseNoLedger(folder: string): void {
  if (!isLedger(folder))
    throw new Error(`${folder} is no erasure ledger; --ledger FOLDER names another, --without-ledger restores without`);
}

function againWords(count: number): string {
  return count === 0 ? "" : `; ${count} objects, tombstones and log entries erased since went again`;
}

/** Makes a backup, with a bar on standard error. */
export async function backUp(options: Omit<Parameters<typeof makeBackup>[0], "now" | "progress">): Promise<void> {
  const bar = progressBar(process.stderr);
  const made = await makeBackup({
    ...options,
    now: systemClock.now(),
    progress: (done, total) => bar.update(Math.round(done * 100), total * 100),
  });
  const bytes = made.manifest.files.reduce((sum, file) => sum + file.bytes, 0);
  const removed = made.removed.length === 0 ? "" : `, ${made.removed.length} older went`;
  bar.finish(`backed up ${options.service} to ${made.path} (${(bytes / 1_000_000).toFixed(1)} MB)${removed}`);
}

/** Where erasures are noted; `none` where the operator says that a restore does without. */
export type LedgerChoice = { readonly kind: "folder"; readonly folder: string } | { readonly kind: "none" | "unsaid" };

/** Puts a backup back, and says what became of it. */
export async function putBack({
  ledger,
  ...options
}: Omit<RestoreOptions, "ledger"> & { readonly ledger: LedgerChoice }): Promise<void> {
  const { service } = options;
  const manifest = await readManifest(options.backup);
  if (ledger.kind === "unsaid" && manifest.ledger)
    throw new Error(
      `${service} noted what it erased in a ledger, and without that this backup would bring back who is erased: name it with --ledger FOLDER; --without-ledger restores all the same`,
    );
  if (ledger.kind === "folder") refuseNoLedger(ledger.folder);
  const { erasedAgain, continued } = await restoreBackup({
    ...options,
    ledger: ledger.kind === "folder" ? (store) => openLedger({ folder: ledger.folder, service: store }) : undefined,
  });
  process.stderr.write(
    continued
      ? `a restore of ${service} that was interrupted is finished\n`
      : `restored ${service} as of ${manifest.time}${againWords(erasedAgain)}\n`,
  );
}

/** @throws UsageError when both are given */
export function ledgerOf(
  flags: { readonly ledger?: string | undefined; readonly "without-ledger"?: boolean | undefined },
  setting: string | undefined,
): LedgerChoice {
  if (flags["without-ledger"] === true) {
    if (flags.ledger !== undefined) throw new UsageError("--ledger and --without-ledger exclude each other");
    return { kind: "none" };
  }
  const folder = flags.ledger ?? setting;
  return folder === undefined ? { kind: "unsaid" } : { kind: "folder", folder };
}

/** @throws UsageError naming the option */
export function countOf(text: string | undefined, option: string): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new UsageError(`${option} is a whole number from 1`);
  return Number(text);
}
