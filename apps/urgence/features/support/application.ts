/** The started application, as its users meet it: a process with a door, a mail folder and files. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import PostalMime from "postal-mime";

const main = join(import.meta.dirname, "../../src/main.ts");

export interface Application {
  readonly origin: string;
  /** Runs a command of Urgence against the same store; answers what it printed. */
  command(...args: readonly string[]): Promise<string>;
  /** The code in the newest mail to this address. */
  mailedCode(address: string): Promise<string>;
  /** Names of the store's files that contain this text in any encoding a store would use. */
  filesWith(text: string): Promise<readonly string[]>;
  stop(): Promise<void>;
}

export async function startApplication(): Promise<Application> {
  const folder = await mkdtemp(join(tmpdir(), "urgence-stories-"));
  const environment = {
    ...process.env,
    NODE_ENV: "test",
    PORT: "0",
    URGENCE_STORAGE: `sqlite:${join(folder, "store")}`,
    URGENCE_MAIL: `file:${join(folder, "mail")}`,
    URGENCE_DEMO: "false",
  };
  const child = spawn(process.execPath, [main], { env: environment, stdio: ["ignore", "pipe", "inherit"] });
  const exited = new Promise((resolve) => child.on("exit", resolve));
  const origin = await printedOrigin(child);
  return {
    origin,
    async command(...args) {
      const { stdout } = await promisify(execFile)(process.execPath, [main, ...args], { env: environment });
      return stdout;
    },
    async mailedCode(address) {
      for (let attempt = 0; attempt < 100; attempt++) {
        const code = await newestCode(join(folder, "mail"), address);
        if (code !== undefined) return code;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      throw new Error(`no mail with a code for ${address}`);
    },
    filesWith: (text) => search(folder, text),
    async stop() {
      child.kill("SIGTERM");
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function printedOrigin(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = "";
    child.stdout?.on("data", (data) => {
      output += data;
      const found = /https?:\/\/127\.0\.0\.1:\d+/.exec(output)?.[0];
      if (found !== undefined) resolve(found);
    });
    child.on("exit", (code) => reject(new Error(`Urgence ended with ${code}: ${output}`)));
  });
}

async function newestCode(folder: string, address: string): Promise<string | undefined> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names
    .filter((entry) => entry.endsWith(".eml"))
    .sort()
    .reverse()) {
    const mail = await PostalMime.parse(await readFile(join(folder, name)));
    if (!mail.to?.some((recipient) => recipient.address === address)) continue;
    const code = /\b\d{6}\b/.exec(mail.text ?? "")?.[0];
    if (code !== undefined) return code;
  }
  return undefined;
}

async function search(folder: string, text: string): Promise<readonly string[]> {
  const needles = [Buffer.from(text), Buffer.from(text, "utf16le"), Buffer.from(JSON.stringify(text).slice(1, -1))];
  const found: string[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const bytes = await readFile(path);
    if (needles.some((needle) => bytes.includes(needle))) found.push(path);
  }
  return found;
}
