/** Makes a backup of embedded stores while they are used: all of one moment, checked, synced, and under its name only when it is whole. */
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { openSnapshots } from "../sqlite/snapshot.ts";
import { checksum, copyPrivate, filesBelow, sync, writeSynced } from "./durable-files.ts";
import { type BackupManifest, manifestName, readManifest } from "./manifest.ts";
import { storeFile } from "./store-file.ts";

export interface BackupOptions {
  /** Holds the backups, each a folder named by its time; made when absent. */
  readonly folder: string;
  readonly service: string;
  readonly version: string;
  readonly stores: readonly { readonly name: string; readonly url: string }[];
  /** Files and folders to copy beside, of the same moment; absent ones are left out. */
  readonly beside?: readonly { readonly name: string; readonly path: string }[];
  /** The service notes erasures in a ledger. */
  readonly ledger: boolean;
  /** Backups of the service that stay, this one included. Default: all. */
  readonly keep?: number | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly progress?: (done: number, total: number) => void;
}

export interface MadeBackup {
  readonly path: string;
  readonly manifest: BackupManifest;
  /** Folders of older backups that went. */
  readonly removed: readonly string[];
}

/** @throws Error when a store is not embedded, missing, or cannot be copied; nothing is left then */
export async function makeBackup(options: BackupOptions): Promise<MadeBackup> {
  const { folder, stores, now, keep } = options;
  const paths = stores.map(({ url }) => storeFile(url));
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const name = new Date(now).toISOString().replaceAll(/[:.]/g, "-");
  const partial = join(folder, `.partial-${process.pid}-${name}`);
  const path = join(folder, name);
  await removeLeftovers(folder);
  await mkdir(partial, { mode: 0o700 });
  try {
    const manifest = await write(partial, paths, options);
    await writeSynced(join(partial, manifestName), `${JSON.stringify(manifest, null, 2)}\n`);
    await sync(partial);
    await rename(partial, path);
    await sync(folder);
    return { path, manifest, removed: keep === undefined ? [] : await rotate(folder, options.service, keep) };
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
}

async function write(partial: string, paths: readonly string[], options: BackupOptions): Promise<BackupManifest> {
  const { service, version, stores, beside = [], ledger, now, progress } = options;
  using snapshots = await openSnapshots(paths, async () => {
    for (const { name, path } of beside)
      for (const file of await filesBelow(path)) await copyPrivate(join(path, file), join(partial, name, file));
  });
  const written: BackupManifest["stores"] = [];
  for (const [index, snapshot] of snapshots.stores.entries()) {
    const name = stores[index]?.name ?? "";
    const file = `${name}.db`;
    await snapshot.copy(join(partial, file), (done, total) =>
      progress?.(index + (total === 0 ? 1 : done / total), stores.length),
    );
    written.push({ name, file, schema: snapshot.schema, position: snapshot.position });
  }
  const files: BackupManifest["files"] = [];
  for (const path of await filesBelow(partial)) {
    // Not in the moment in which everybody waits.
    await sync(join(partial, path));
    const { size: bytes } = await stat(join(partial, path));
    files.push({ path, bytes, sha256: await checksum(join(partial, path)) });
  }
  for (const folder of new Set(files.map(({ path }) => dirname(path)))) await sync(join(partial, folder));
  const time = new Date(now).toISOString();
  return { kind: "rouage-backup", format: 1, service, version, time, started: now, ledger, stores: written, files };
}

/** What a backup left that was killed. */
async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = /^\.partial-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !isRunning(Number(pid))) await rm(join(folder, name), { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { readonly code?: unknown }).code === "EPERM";
  }
}

/** Other folders, and backups of other services, are nobody's to remove here. */
async function rotate(folder: string, service: string, keep: number): Promise<readonly string[]> {
  const own: string[] = [];
  for (const name of (await readdir(folder)).filter((each) => /^\d{4}-\d\d-\d\dT/.test(each)).sort()) {
    const manifest = await readManifest(join(folder, name)).catch(() => undefined);
    if (manifest?.service === service) own.push(join(folder, name));
  }
  const old = own.slice(0, Math.max(0, own.length - keep));
  for (const path of old) {
    // By this name it is no backup any more, should this be interrupted.
    const leaving = join(folder, `.partial-${process.pid}-${basename(path)}`);
    await rename(path, leaving);
    await rm(leaving, { recursive: true, force: true });
  }
  return old;
}
