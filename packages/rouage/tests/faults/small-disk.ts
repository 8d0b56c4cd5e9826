/** A file system of a few megabytes, in memory, that can be filled and emptied. Mounting one needs a privileged user. */
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface SmallDisk extends AsyncDisposable {
  readonly folder: string;
  /** Leaves this many bytes. */
  fill(left: number): Promise<void>;
  /** Takes back what `fill` has taken. */
  empty(): Promise<void>;
}

/** Undefined where this user may not mount; in CI that is an error. */
export async function smallDisk(megabytes: number): Promise<SmallDisk | undefined> {
  const folder = await mkdtemp(join(tmpdir(), "rouage-full-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "rouage-test", folder], { stdio: "pipe" });
  } catch (error) {
    await rm(folder, { recursive: true });
    if (process.env.CI !== undefined) throw error;
    return undefined;
  }
  const ballast = join(folder, "ballast");
  return {
    folder,
    async fill(left) {
      const { bavail, bsize } = await statfs(folder);
      const size = Math.max(0, bavail * bsize - left);
      for (let part = 0, done = 0; done < size; part++) {
        const length = Math.min(size - done, 8_000_000);
        try {
          await writeFile(`${ballast}-${part}`, Buffer.alloc(length));
        } catch (error) {
          // Others were faster: it is full.
          if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
          return;
        }
        done += length;
      }
    },
    async empty() {
      for (let part = 0; part < 100; part++) await rm(`${ballast}-${part}`, { force: true });
    },
    async [Symbol.asyncDispose]() {
      execFileSync("umount", ["-l", folder], { stdio: "pipe" });
      await rm(folder, { recursive: true });
    },
  };
}
