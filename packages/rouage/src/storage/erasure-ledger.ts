/**
 * Remembers what was erased, outside of the store and of its backups, so that a restored backup brings nothing of it back. A line is a time and a keyed
 * hash: it says nothing to who has not the store's own ids.
 */
import { createHmac, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { link, mkdir, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { around } from "./around.ts";
import type { EraseScope, Storage } from "./storage.ts";

export interface ErasureLedger {
  /** Resolves when the lines are on the disk. */
  note(scopes: readonly EraseScope[], now: number): Promise<void>;
  /** What was erased at this time (milliseconds since the epoch) or later. */
  since(time: number): Promise<Erased>;
}

export interface Erased {
  /** Lines that were read. */
  readonly count: number;
  /** True for a scope that was erased itself; not for what is only part of one. */
  has(scope: EraseScope): boolean;
}

export interface LedgerOptions {
  readonly folder: string;
  /** Whose scopes they are: several services may share a ledger. */
  readonly service: string;
  /** Lines of months that ended this many days ago go. Default: they stay. */
  readonly keepDays?: number | undefined;
}

const keyName = "key";
const monthFile = /^erased-(\d{4})-(\d\d)\.log$/;
const dayMs = 86_400_000;

/** True where a ledger was kept: who restores with a wrong folder must not be told that nothing was erased. */
export function isLedger(folder: string): boolean {
  return existsSync(join(folder, keyName));
}

/** Makes the folder and its key when absent, readable for the owner alone. */
export async function openLedger({ folder, service, keepDays }: LedgerOptions): Promise<ErasureLedger> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const key = await keyOf(folder);
  let month = "";

  const hash = ({ resource, parent, id }: EraseScope): string =>
    createHmac("sha256", key)
      .update(JSON.stringify([service, resource, parent ?? null, id ?? null]))
      .digest("base64url")
      .slice(0, 24);

  async function removeOld(now: number): Promise<void> {
    if (keepDays === undefined) return;
    for (const name of await readdir(folder)) {
      const [, year, ended] = monthFile.exec(name) ?? [];
      if (year !== undefined && Date.UTC(Number(year), Number(ended), 1) + keepDays * dayMs <= now)
        await rm(join(folder, name), { force: true });
    }
  }

  return {
    async note(scopes, now) {
      if (scopes.length === 0) return;
      const current = new Date(now).toISOString().slice(0, 7);
      if (current !== month) await removeOld(now);
      month = current;
      // A line that was cut short by the end of a process must not take the next one along.
      const lines = scopes.map((scope) => `\n${now} ${hash(scope)}\n`).join("");
      await using file = await open(join(folder, `erased-${current}.log`), "a", 0o600);
      await file.writeFile(lines);
      await file.sync();
    },

    async since(time) {
      const found = new Set<string>();
      for (const name of (await readdir(folder)).filter((each) => monthFile.test(each)))
        for (const line of (await readFile(join(folder, name), "utf8")).split("\n")) {
          const [, at, hashed] = /^(\d{1,16}) ([\w-]{24})$/.exec(line) ?? [];
          if (hashed !== undefined && Number(at) >= time) found.add(hashed);
        }
      return { count: found.size, has: (scope) => found.has(hash(scope)) };
    },
  };
}

/** The same for all processes: whoever is first makes it. */
async function keyOf(folder: string): Promise<Buffer> {
  const path = join(folder, keyName);
  if (!existsSync(path)) {
    const draft = `${path}.${process.pid}`;
    await writeFile(draft, randomBytes(32).toString("base64url"), { mode: 0o600 });
    await link(draft, path).catch((error: unknown) => {
      if ((error as { readonly code?: unknown }).code !== "EEXIST") throw error;
    });
    await rm(draft, { force: true });
  }
  const key = Buffer.from(await readFile(path, "utf8"), "base64url");
  if (key.length < 32) throw new Error(`${path} is no key of an erasure ledger`);
  return key;
}

/**
 * The same storage, which notes every erasure before it is made; inside of a transaction once that is durable, because one that is taken back erases
 * nothing. An erasure that cannot be noted fails.
 */
export function withLedger(storage: Storage, ledger: ErasureLedger, now: () => number): Storage {
  return around(storage, {
    async erase(scopes) {
      const note = () => ledger.note(scopes, now());
      if (!storage.inTransaction()) {
        await note();
        return storage.erase(scopes);
      }
      const count = await storage.erase(scopes);
      await storage.afterCommit(note);
      return count;
    },
  });
}
