/**
 * Where audit entries of levels 2 and 3 wait when the store cannot take them: a file of signed lines in a folder only this user may
 * enter, synced to the disk before the answer goes out. Each line names the one before it, so that a removed line shows. Processes may
 * share the folder: each writes a file of its own, and any of them may take over what another wrote.
 */
import { randomBytes } from "node:crypto";
import { chmod, type FileHandle, mkdir, open, readdir, readFile, rename, stat, unlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { sha256 } from "./canonical.ts";
import { type AuditDraft, genesis } from "./entry.ts";
import type { AuditSigner, AuditVerifier, Signed } from "./signer.ts";

export interface SpoolLine extends Signed {
  readonly kind: "spool";
  readonly previous: string;
  readonly draft: AuditDraft;
}

export interface DrainReport {
  readonly drained: number;
  /** Lines that are unreadable, not signed by us, or that do not follow the one before; the file is kept beside the spool. */
  readonly rejected: number;
}

export interface AuditSpool {
  /** Resolves when the line is on the disk. */
  append(draft: AuditDraft): Promise<void>;
  /**
   * Hands every waiting draft of this process, and those that it found when it was opened, to `take`, oldest first, and forgets it when
   * `take` resolves. An error of `take` ends the drain; nothing is lost, a draft may then be handed over twice.
   */
  drain(take: (draft: AuditDraft) => Promise<unknown>): Promise<DrainReport>;
  /** True while something waits, as far as this process knows. */
  waiting(): boolean;
  /** Takes over what other processes have left in the folder, or write there at this moment; the next drain hands it over. */
  adopt(): Promise<void>;
  close(): Promise<void>;
}

export interface AuditSpoolOptions {
  readonly folder: string;
  readonly sign: AuditSigner;
  readonly verify: AuditVerifier;
}

export async function openSpool({ folder, sign, verify }: AuditSpoolOptions): Promise<AuditSpool> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  const own = randomBytes(6).toString("hex");
  const current = join(folder, `audit-spool-${own}.jsonl`);
  let rotations = 0;
  let file: FileHandle | undefined;
  let previous = genesis;
  let waiting = false;
  let turn: Promise<unknown> = Promise.resolve();
  const serial = <T>(work: () => Promise<T>): Promise<T> => {
    const result = turn.then(work);
    turn = result.catch(() => {});
    return result;
  };
  const closeFile = async () => {
    await file?.close();
    file = undefined;
    previous = genesis;
  };
  /** Names begin with the time, so that what was written first is drained first, and end with whose it is now. */
  const claim = async (name: string) => {
    const begun = /^draining-\d+-\d+/.exec(name)?.[0];
    const to = begun ?? `draining-${String(Date.now()).padStart(15, "0")}-${String(++rotations).padStart(6, "0")}`;
    // Where it is gone already, another process was first.
    await rename(join(folder, name), join(folder, `${to}-${own}.jsonl`)).catch(unlessGone);
  };
  const adopt = async () => {
    const others = (await pending(folder)).filter((name) => !name.endsWith(`-${own}.jsonl`));
    for (const name of others.sort()) await claim(name);
    waiting ||= others.length > 0;
  };

  // Left by a process that was killed, or written by one that runs beside this one: it will notice.
  await adopt();

  return {
    append: (draft) =>
      serial(async () => {
        for (;;) {
          file ??= await open(current, "a", 0o600);
          const line = JSON.stringify(sign({ kind: "spool" as const, previous, draft }));
          await file.appendFile(`${line}\n`);
          await file.datasync();
          waiting = true;
          previous = sha256(line);
          // Another process that took the file over may have read it before this line was there: the line is written once more, elsewhere.
          if ((await file.stat()).ino === (await stat(current).catch(unlessGone))?.ino) return;
          await closeFile();
        }
      }),
    adopt: () => serial(adopt),
    drain: (take) =>
      serial(async () => {
        let drained = 0;
        let rejected = 0;
        await closeFile();
        await claim(basename(current));
        for (const name of (await pending(folder)).filter((each) => each.endsWith(`-${own}.jsonl`)).sort()) {
          const path = join(folder, name);
          const text = await readFile(path, "utf8").catch(unlessGone);
          if (text === undefined) continue;
          const { drafts, bad } = readLines(text, verify);
          for (const draft of drafts) {
            await take(draft);
            drained++;
          }
          rejected += bad;
          // What is not ours stays for a person to look at.
          await (bad > 0 ? rename(path, `${path}.rejected`) : unlink(path)).catch(unlessGone);
        }
        waiting = false;
        return { drained, rejected };
      }),
    waiting: () => waiting,
    close: () => serial(closeFile),
  };
}

/** Another process has taken the file over. */
function unlessGone(error: unknown): undefined {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
  throw error;
}

async function pending(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.endsWith(".jsonl"));
}

function readLines(
  text: string,
  verify: AuditVerifier,
): { readonly drafts: readonly AuditDraft[]; readonly bad: number } {
  const drafts: AuditDraft[] = [];
  let bad = 0;
  let previous = genesis;
  const lines = text.split("\n");
  // Without its line break the last line was never acknowledged.
  lines.pop();
  for (const line of lines) {
    const parsed = parse(line);
    const whole = parsed !== undefined && verify(parsed);
    if (!whole || parsed.previous !== previous) bad++;
    if (whole) drafts.push(parsed.draft);
    previous = sha256(line);
  }
  return { drafts, bad };
}

function parse(line: string): SpoolLine | undefined {
  try {
    const value = JSON.parse(line) as SpoolLine;
    return value?.kind === "spool" ? value : undefined;
  } catch {
    return undefined;
  }
}
