/**
 * Puts the write-ahead log on disk in a thread of the runtime, so that nobody's request waits in the event loop for a disk. With
 * `synchronous = NORMAL` SQLite writes a commit to that file and syncs it only when it is moved or begun anew: syncing it here, before
 * anybody is told of the commit, is what `FULL` does inside of COMMIT. https://sqlite.org/pragma.html#pragma_synchronous
 */
import { closeSync, fdatasync, openSync } from "node:fs";

export interface WalSync {
  /** Resolves when everything that was committed before the call, by whatever process, is on disk. */
  run(): Promise<void>;
  close(): void;
}

export function walSync(path: string): WalSync {
  // The file stays the same one for as long as the store is open, and SQLite's locks are on other files: closing this drops none.
  let file: number | undefined;
  return {
    run: () =>
      new Promise((resolve, reject) => {
        file ??= openSync(`${path}-wal`, "r+");
        fdatasync(file, (error) => (error === null ? resolve() : reject(error)));
      }),
    close() {
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
}
