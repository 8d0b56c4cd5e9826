/** What is wrong with a file, its folder and its disk. */
import { accessSync, constants, existsSync, statfsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { halfRestored } from "../backup/half-restored.ts";
import { error, type Symptom, warning } from "../symptom.ts";
import { walSize } from "./checkpoint.ts";
import { lookAtFile } from "./look.ts";

export interface FileLimits {
  /** Bytes free below which writes are about to fail. */
  readonly fullBytes?: number;
  /** Bytes free below which it is time to do something. */
  readonly scarceBytes?: number;
  /** Bytes of a write-ahead log that somebody keeps from shrinking. */
  readonly walBytes?: number;
}

export function examineFile(path: string, limits: FileLimits = {}): readonly Symptom[] {
  const { fullBytes = 100_000_000, scarceBytes = 1_000_000_000, walBytes = 256_000_000 } = limits;
  const folder = existing(dirname(resolve(path)));
  return [
    ...access(path, folder),
    ...disk(folder, fullBytes, scarceBytes),
    ...(existsSync(path) ? [...modes(path), ...content(path, walBytes)] : []),
    ...halfRestored(dirname(path)).map((service) =>
      error(
        "restore",
        `a restore of ${service} into ${dirname(path)} was interrupted`,
        "run it again: it goes on where it was",
      ),
    ),
  ];
}

/** The nearest folder that is there. */
function existing(folder: string): string {
  return existsSync(folder) || dirname(folder) === folder ? folder : existing(dirname(folder));
}

function access(path: string, folder: string): readonly Symptom[] {
  const symptoms: Symptom[] = [];
  if (!statSync(folder).isDirectory()) {
    return [error("storage-file", `${folder} is not a folder`, "correct the path in the setting `storage`")];
  }
  if (!isAllowed(folder, constants.W_OK | constants.X_OK))
    symptoms.push(
      error(
        "storage-file",
        `files cannot be made in ${folder}`,
        `give the folder to the user that runs the service (uid ${process.getuid?.()})`,
      ),
    );
  if (existsSync(path) && !isAllowed(path, constants.R_OK | constants.W_OK))
    symptoms.push(
      error(
        "storage-file",
        `${path} cannot be read and written`,
        `give it to the user that runs the service (uid ${process.getuid?.()})`,
      ),
    );
  return symptoms;
}

function isAllowed(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

function disk(folder: string, fullBytes: number, scarceBytes: number): readonly Symptom[] {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  const said = `the disk of ${folder} has ${Math.floor(free / 1_000_000)} MB free`;
  if (free < fullBytes) return [error("disk", said, "make room: writes are refused when it is full")];
  if (free < scarceBytes) return [warning("disk", said, "make room, or move the store")];
  return [];
}

function modes(path: string): readonly Symptom[] {
  return ["", "-wal", "-shm"].flatMap((suffix) => {
    const found = statSync(path + suffix, { throwIfNoEntry: false });
    if (found === undefined || (found.mode & 0o077) === 0) return [];
    const mode = (found.mode & 0o777).toString(8);
    return [warning("storage-mode", `others may open ${path}${suffix} (mode ${mode})`, `chmod 600 ${path}${suffix}`)];
  });
}

function content(path: string, walBytes: number): readonly Symptom[] {
  const symptoms: Symptom[] = [];
  try {
    const { version, wanted } = lookAtFile(path);
    if (version > 0 && version < wanted)
      symptoms.push(
        warning(
          "storage-version",
          `${path} is of version ${version}, this Rouage writes ${wanted}`,
          "rouage migrate does what is needed; so does a start, unless migrate=check",
        ),
      );
    if (version > 0) symptoms.push(...journal(path));
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    symptoms.push(
      error(
        "storage-file",
        `${path} cannot be used: ${message}`,
        "name another file in `storage`, or restore a backup",
      ),
    );
  }
  const wal = walSize(path);
  if (wal > walBytes)
    symptoms.push(
      warning(
        "wal",
        `the write-ahead log of ${path} has ${Math.floor(wal / 1_000_000)} MB`,
        "some process has held an old state open for long (a backup, a shell of sqlite3): end it",
      ),
    );
  return symptoms;
}

/** Somebody has changed what makes a commit last. */
function journal(path: string): readonly Symptom[] {
  using connection = new DatabaseSync(path, { timeout: 5_000 });
  const mode = connection.prepare("PRAGMA journal_mode").get()?.journal_mode;
  if (mode === "wal") return [];
  return [
    warning(
      "journal",
      `${path} is in the journal mode ${mode} instead of wal`,
      "the next start switches it back, unless the file system has no shared memory (a network share): move the store to a local disk then",
    ),
  ];
}
