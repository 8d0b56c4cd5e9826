/**
 * Puts a backup where stores are to be. Everything is prepared beside, checked, moved to a new epoch and rid of what was erased since; only then it takes
 * the places, in an order that an interruption does not lose: the next run goes on.
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Clock, systemClock } from "../../clock.ts";
import { silentLogger } from "../../telemetry/log.ts";
import type { Erased, ErasureLedger } from "../erasure-ledger.ts";
import { migrations, schemaVersion } from "../sqlite/migrations.ts";
import { beginEpoch, erasedIn, refuseUsed } from "../sqlite/restored.ts";
import { sqliteStorage } from "../sqlite/sqlite.ts";
import type { EraseScope } from "../storage.ts";
import { copySynced, filesBelow, sync, writeSynced } from "./durable-files.ts";
import { isHalfRestored, readyName, stagingName, stagingOf } from "./half-restored.ts";
import { type BackupManifest, checkFiles, readManifest } from "./manifest.ts";
import { storeFile } from "./store-file.ts";

export interface RestoreOptions {
  /** Folder of one backup, with its manifest. */
  readonly backup: string;
  readonly service: string;
  /** Where each store goes; files of one folder. */
  readonly stores: readonly { readonly name: string; readonly url: string }[];
  /** Where what was copied beside goes. */
  readonly beside?: readonly { readonly name: string; readonly path: string }[];
  /** Knows what was erased, by the name of the store. Undefined: nothing is erased again. */
  readonly ledger?: ((store: string) => Promise<ErasureLedger>) | undefined;
  /** Runs on the prepared copies, before the ledger is gone through. */
  readonly adopt?: (staged: Staged) => Promise<void>;
  readonly clock?: Clock;
}

export interface Staged {
  /** Holds the stores under the names that they will have. */
  readonly folder: string;
  /** Where what was copied beside is now. */
  beside(name: string): string;
  /** Ids of this list, in this store, that were erased since the backup. */
  erased(store: string, list: { readonly resource: string; readonly parent: string }): Promise<readonly string[]>;
}

export interface RestoredBackup {
  readonly manifest: BackupManifest;
  /** Objects, log entries and tombstones that the ledger took out again. */
  readonly erasedAgain: number;
  /** Nothing was prepared: an earlier run that was interrupted was brought to its end. */
  readonly continued: boolean;
}

interface Move {
  readonly kind: "store" | "beside";
  readonly from: string;
  readonly to: string;
}

/** @throws Error where the backup is damaged, or of something else or newer, or something is in the way; nothing is changed then */
export async function restoreBackup(options: RestoreOptions): Promise<RestoredBackup> {
  const { backup, service, stores, beside = [] } = options;
  const files = stores.map(({ name, url }) => ({ name, path: storeFile(url) }));
  const folder = dirname(files[0]?.path ?? "");
  const staging = stagingOf(folder, service);
  const manifest = await readManifest(backup);
  refuseOther(manifest, service, files);
  if (isHalfRestored(folder, service)) {
    await finish(staging);
    return { manifest, erasedAgain: 0, continued: true };
  }
  await checkFiles(backup, manifest);
  for (const { path } of files) await refuseTaken("store", path);
  for (const { path } of beside) await refuseTaken("beside", path);

  // What an earlier run left that was interrupted before anything took its place.
  await rm(staging, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await mkdir(staging, { mode: 0o700 });
  const moves: Move[] = [];
  try {
    for (const { name, path } of beside) {
      const from = `${path}${stagingName}`;
      await rm(from, { recursive: true, force: true });
      for (const file of await filesBelow(join(backup, name)))
        await copySynced(join(backup, name, file), join(from, file));
      if (existsSync(from)) moves.push({ kind: "beside", from, to: path });
    }
    for (const { name, path } of files) {
      const stored = manifest.stores.find((store) => store.name === name);
      const from = join(staging, basename(path));
      await copySynced(join(backup, stored?.file ?? ""), from);
      moves.push({ kind: "store", from, to: path });
    }
    const erasedAgain = await prepare(staging, files, manifest, options);
    for (const { from } of moves) await sync(from);
    await writeSynced(join(staging, `${readyName}.draft`), JSON.stringify(moves));
    await rename(join(staging, `${readyName}.draft`), join(staging, readyName));
    await sync(staging);
    await finish(staging);
    return { manifest, erasedAgain, continued: false };
  } catch (error) {
    if (!isHalfRestored(folder, service)) {
      await rm(staging, { recursive: true, force: true });
      for (const { path } of beside) await rm(`${path}${stagingName}`, { recursive: true, force: true });
    }
    throw error;
  }
}

function refuseOther(
  { service, stores }: BackupManifest,
  wanted: string,
  files: readonly { readonly name: string }[],
): void {
  if (service !== wanted) throw new Error(`the backup is of ${service}, not of ${wanted}`);
  const names = (list: readonly { readonly name: string }[]) =>
    list
      .map(({ name }) => name)
      .sort()
      .join(", ");
  if (names(stores) !== names(files))
    throw new Error(`the backup has the stores ${names(stores)}, not ${names(files)}`);
  const newer = stores.find(({ schema }) => schema > migrations.length);
  if (newer !== undefined)
    throw new Error(
      `the backup was made by a newer version of Rouage (the schema of ${newer.file} is ${newer.schema}, this version knows up to ${migrations.length})`,
    );
}

/** Brings the copies to the present; answers how much was erased again. */
async function prepare(
  staging: string,
  files: readonly { readonly name: string; readonly path: string }[],
  manifest: BackupManifest,
  { ledger, adopt, beside = [], clock = systemClock }: RestoreOptions,
): Promise<number> {
  const pathOf = (name: string): string =>
    join(staging, basename(files.find((file) => file.name === name)?.path ?? name));
  const erased = new Map<string, Erased>();
  for (const { name } of files) {
    const known = await (await ledger?.(name))?.since(manifest.started);
    if (known !== undefined) erased.set(name, known);
  }
  const again = (name: string): readonly EraseScope[] => {
    const known = erased.get(name);
    if (known === undefined) return [];
    using connection = new DatabaseSync(pathOf(name));
    return erasedIn(connection, known.has);
  };

  for (const { name } of files) {
    const path = pathOf(name);
    // Brings an older copy up to date, and refuses what is no store.
    await sqliteStorage({ path, clock, log: silentLogger }).close();
    using connection = new DatabaseSync(path);
    if (schemaVersion(connection) !== migrations.length) throw new Error(`${path} is no store of this version`);
    beginEpoch(connection, { now: clock.now(), started: manifest.started });
  }
  await adopt?.({
    folder: staging,
    beside: (name) => `${beside.find((each) => each.name === name)?.path}${stagingName}`,
    erased: async (store, { resource, parent }) =>
      again(store).flatMap((scope) =>
        scope.resource === resource && scope.parent === parent && scope.id !== undefined ? [scope.id] : [],
      ),
  });
  let count = 0;
  for (const { name } of files) {
    const scopes = again(name);
    await using storage = sqliteStorage({ path: pathOf(name), clock, log: silentLogger });
    if (scopes.length === 0) continue;
    const { objects, tombstones, logEntries } = await storage.erase(scopes);
    count += objects + tombstones + logEntries;
  }
  return count;
}

async function refuseTaken(kind: Move["kind"], path: string): Promise<void> {
  if (kind === "store") {
    if (existsSync(path)) refuseUsed(path);
  } else if ((await filesBelow(path)).length > 0)
    throw new Error(`${path} is not empty: move it away, a restore overwrites nothing`);
}

/** Everything is prepared: what has taken its place already is not prepared any more. */
async function finish(staging: string): Promise<void> {
  const moves = JSON.parse(await readFile(join(staging, readyName), "utf8")) as readonly Move[];
  for (const { kind, from, to } of moves) {
    if (!existsSync(from)) continue;
    await refuseTaken(kind, to);
    // An empty store and its side files, or an empty folder.
    for (const suffix of kind === "store" ? ["", "-wal", "-shm"] : [""])
      await rm(`${to}${suffix}`, { recursive: true, force: true });
    await rename(from, to);
    await sync(dirname(to));
  }
  await rm(staging, { recursive: true, force: true });
  await sync(dirname(staging));
}
