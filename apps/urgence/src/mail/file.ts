/** Mails as files, one `.eml` each, for trying out and for tests. The folder and its files are for their owner only. */
import { createHash, randomBytes } from "node:crypto";
import { access, constants, mkdir, open, readdir, readFile, rename, unlink } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, systemClock } from "rouage";
import { compose } from "./compose.ts";
import { MailError, type Mailer } from "./mail.ts";
import { once } from "./once.ts";

export interface FileMailOptions {
  readonly folder: string;
  readonly from: string;
  readonly clock?: Clock;
}

/** @throws Error when mails could not be written: better said at the start than to who waits for a code */
export async function openFileMail(options: FileMailOptions): Promise<Mailer> {
  const { folder } = options;
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`mails cannot be written to the folder ${folder}: ${why}`, { cause: error });
  }
  return fileMail(options);
}

function fileMail({ folder, from, clock = systemClock }: FileMailOptions): Mailer {
  // Loaded with the first mail: a service at rest does without its memory.
  const composer = once(async () => {
    const { createTransport } = await import("nodemailer");
    return createTransport({ streamTransport: true, buffer: true, newline: "windows" });
  });
  return {
    async send(message, signal) {
      signal?.throwIfAborted();
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const { message: content } = await (await composer()).sendMail({
        ...compose(from, message),
        date: new Date(clock.now()),
      });
      if (!Buffer.isBuffer(content)) throw new MailError("the mail could not be composed", false);
      // Whose mail it is must be found again, but not be read from a listing of the folder.
      const name = `${new Date(clock.now()).toISOString().replaceAll(/[:.]/g, "-")}-${tagOf(message.to)}-${randomBytes(4).toString("hex")}`;
      const handle = await open(join(folder, `${name}.tmp`), "wx", 0o600);
      try {
        await handle.writeFile(content);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(join(folder, `${name}.tmp`), join(folder, `${name}.eml`));
    },

    async forget(address) {
      let count = 0;
      for (const name of await namesIn(folder)) {
        if (!name.includes(`-${tagOf(address)}-`)) continue;
        await overwrite(join(folder, name));
        await unlink(join(folder, name));
        count += 1;
      }
      return count;
    },

    async [Symbol.asyncDispose]() {},
  };
}

function tagOf(address: string): string {
  return createHash("sha256").update(address.toLowerCase()).digest("hex").slice(0, 16);
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}

async function overwrite(file: string): Promise<void> {
  const { length } = await readFile(file);
  const handle = await open(file, "r+");
  try {
    await handle.write(Buffer.alloc(length));
    await handle.sync();
  } finally {
    await handle.close();
  }
}
