/**
 * Files in a folder. What arrives is written beside them under a name of its own, and moved to its place once it is whole and on the disk, so
 * that nobody ever sees a part of a file. Knows no records.
 */
import { createHash, randomUUID } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { access, type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ServiceError } from "rouage";

/** A file that has arrived, and has no place yet. */
export interface Arrived {
  readonly path: string;
  /** SHA-256, hexadecimal. */
  readonly hash: string;
  readonly size: number;
}

export interface OpenFile {
  readonly handle: FileHandle;
  readonly stats: Stats;
}

export interface FileStore {
  /** @throws ServiceError `body-too-large` behind `limit` bytes; what was written is gone again then, as after any error */
  receive(source: AsyncIterable<Uint8Array>, limit: number): Promise<Arrived>;
  /**
   * A location in this folder that nobody else has: of this name where it is new, else `name-1`, `name-2` … Held by an empty file until something
   * is moved there.
   */
  reserve(folder: string, name: string): Promise<string>;
  /** Returns when the file is at its location for good. */
  place(arrived: Arrived, location: string): Promise<void>;
  /** Does nothing where there is none. */
  remove(location: string): Promise<void>;
  /** Where it is on the disk. */
  pathOf(location: string): string;
  discard(arrived: Arrived): Promise<void>;
  /** Undefined where there is no such file. */
  open(location: string): Promise<OpenFile | undefined>;
  /** Removes what has arrived and was left before this time, by a process that ended. */
  sweep(before: number): Promise<void>;
  /** Writes and removes a file. @throws Error when that is not possible */
  check(readOnly: boolean): Promise<void>;
}

/** Where files arrive. No location begins with a dot. */
const arrivals = ".arrivals";

export function fileStore(basePath: string): FileStore {
  const arriving = join(basePath, arrivals);
  const pathOf = (location: string): string => join(basePath, ...location.split("/"));

  return {
    pathOf,

    async receive(source, limit) {
      const path = join(arriving, randomUUID());
      const handle = await opened(path, "wx");
      try {
        const hash = createHash("sha256");
        let size = 0;
        for await (const chunk of source) {
          size += chunk.length;
          if (size > limit) throw new ServiceError("body-too-large");
          hash.update(chunk);
          await handle.appendFile(chunk);
        }
        await handle.sync();
        await handle.close();
        return { path, hash: hash.digest("hex"), size };
      } catch (error) {
        await handle.close().catch(() => {});
        await rm(path, { force: true });
        throw fullDisk(error);
      }
    },

    async reserve(folder, name) {
      const [, base = name, extension = ""] = /^(.+?)(\.[^.]*)?$/s.exec(name) ?? [];
      for (let count = 0; ; count++) {
        const file = count === 0 ? name : `${base}-${count}${extension}`;
        const location = folder === "" ? file : `${folder}/${file}`;
        try {
          await (await opened(pathOf(location), "wx")).close();
          return location;
        } catch (error) {
          if (codeOf(error) !== "EEXIST") throw fullDisk(error);
        }
      }
    },

    async place(arrived, location) {
      const path = pathOf(location);
      try {
        await mkdir(dirname(path), { recursive: true });
        await rename(arrived.path, path);
        // The name has to survive a power cut as well.
        const folder = await open(dirname(path), constants.O_RDONLY);
        await folder.sync().finally(() => folder.close());
      } catch (error) {
        throw fullDisk(error);
      }
    },

    remove: (location) => rm(pathOf(location), { force: true }),
    discard: ({ path }) => rm(path, { force: true }),

    async open(location) {
      try {
        // No link leads out of the folder, and nothing but a file is waited for.
        const handle = await open(pathOf(location), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
        const stats = await handle.stat();
        if (stats.isFile()) return { handle, stats };
        await handle.close();
        return undefined;
      } catch (error) {
        if (["ENOENT", "ENOTDIR", "ELOOP", "EISDIR", "ENAMETOOLONG"].includes(codeOf(error))) return undefined;
        throw error;
      }
    },

    async sweep(before) {
      const names = await readdir(arriving).catch(() => []);
      for (const name of names) {
        const found = await stat(join(arriving, name)).catch(() => undefined);
        if (found !== undefined && found.mtimeMs < before) await rm(join(arriving, name), { force: true });
      }
    },

    async check(readOnly) {
      if (readOnly) {
        await access(basePath, constants.R_OK);
        return;
      }
      const path = join(arriving, randomUUID());
      const handle = await opened(path, "wx");
      try {
        await handle.appendFile("heartbeat");
      } finally {
        await handle.close();
        await rm(path, { force: true });
      }
    },
  };
}

/** The folder is made when it is first needed. */
async function opened(path: string, flags: string): Promise<FileHandle> {
  try {
    return await open(path, flags);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
    await mkdir(dirname(path), { recursive: true });
    return open(path, flags);
  }
}

function codeOf(error: unknown): string {
  return String((error as { readonly code?: unknown } | undefined)?.code);
}

/** A full disk is the operator's to see, and a reason to try again later. */
function fullDisk(error: unknown): unknown {
  return ["ENOSPC", "EDQUOT", "EROFS", "EIO"].includes(codeOf(error))
    ? new ServiceError("unavailable", { cause: error })
    : error;
}
