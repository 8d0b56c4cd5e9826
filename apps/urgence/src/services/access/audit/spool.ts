/**
 * Where audit entries of levels 2 and 3 wait when the store cannot take them: a file of signed lines in a folder only this user may
 * enter, synced to the disk before the answer goes out. Each line names the one before it, so that a removed line shows.
 */
import { chmod, type FileHandle, mkdir, open, readdir, readFile, rename, unlink } from "node:fs/promises";
import { join } from "node:path";
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
   * Hands every waiting draft to `take`, oldest first, and forgets it when `take` resolves. An error of `take` ends the drain; nothing is
   * lost, a draft may then be handed over twice.
   */
  drain(take: (draft: AuditDraft) => Promise<unknown>): Promise<DrainReport>;
  /** True while something waits, as far as this process knows. */
  waiting(): boolean;
  close(): Promise<void>;
}

export interface AuditSpoolOptions {
  readonly folder: string;
  readonly sign: AuditSigner;
  readonly verify: AuditVerifier;
}

const current = "audit-spool.jsonl";

export async function openSpool({ folder, sign, verify }: AuditSpoolOptions): Promise<AuditSpool> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  let file: FileHandle | undefined;
  let previous = genesis;
  let waiting = (await pending(folder)).length > 0;
  let turn: Promise<unknown> = Promise.resolve();
  const serial = <T>(work: () => Promise<T>): Promise<T> => {
    const result = turn.then(work);
    turn = result.catch(() => {});
    return result;
  };
  const rotate = async () => {
    await file?.close();
    file = undefined;
    previous = genesis;
    const names = await pending(folder);
    if (names.includes(current)) await rename(join(folder, current), join(folder, nextName(await readdir(folder))));
    return (await pending(folder)).sort();
  };

  // A file left by a process that was killed gets a name of its own: its last line may be torn.
  if (waiting) await rotate();

  return {
    append: (draft) =>
      serial(async () => {
        file ??= await open(join(folder, current), "a", 0o600);
        const line = JSON.stringify(sign({ kind: "spool" as const, previous, draft }));
        await file.appendFile(`${line}\n`);
        await file.datasync();
        previous = sha256(line);
        waiting = true;
      }),
    drain: (take) =>
      serial(async () => {
        let drained = 0;
        let rejected = 0;
        for (const name of await rotate()) {
          const path = join(folder, name);
          const { drafts, bad } = readLines(await readFile(path, "utf8"), verify);
          for (const draft of drafts) {
            await take(draft);
            drained++;
          }
          rejected += bad;
          // What is not ours stays for a person to look at.
          if (bad > 0) await rename(path, `${path}.rejected`);
          else await unlink(path);
        }
        waiting = false;
        return { drained, rejected };
      }),
    waiting: () => waiting,
    close: () =>
      serial(async () => {
        await file?.close();
        file = undefined;
      }),
  };
}

/** Numbered, so that what was written first is drained first, and nothing kept is overwritten. */
function nextName(names: readonly string[]): string {
  const numbers = names.map((name) => Number(/^draining-(\d+)\./.exec(name)?.[1] ?? 0));
  return `draining-${String(Math.max(0, ...numbers) + 1).padStart(9, "0")}.jsonl`;
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
