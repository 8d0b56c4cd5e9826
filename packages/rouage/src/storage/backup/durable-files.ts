/** Files that survive a power cut: synced before they get the name by which they are found, and the folder behind them. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { chmod, copyFile, mkdir, open, readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";

/** Forces what a file or a folder holds to the disk. */
export async function sync(path: string): Promise<void> {
  await using file = await open(path, "r");
  await file.sync();
}

/** Hexadecimal SHA-256 of the file's bytes. */
export async function checksum(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

/** Writes a file for its owner alone, synced. */
export async function writeSynced(path: string, text: string): Promise<void> {
  await using file = await open(path, "wx", 0o600);
  await file.writeFile(text);
  await file.sync();
}

/** Copies a file, readable for its owner alone; its folder is made when absent. */
export async function copyPrivate(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  await copyFile(from, to);
  await chmod(to, 0o600);
}

/** The same, synced. */
export async function copySynced(from: string, to: string): Promise<void> {
  await copyPrivate(from, to);
  await sync(to);
}

/** Paths of the files at or below a path, relative to it ("" for a file itself), in order; none where there is nothing. */
export async function filesBelow(path: string): Promise<readonly string[]> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return [];
  if (found.isFile()) return [""];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1))
    .sort();
}
