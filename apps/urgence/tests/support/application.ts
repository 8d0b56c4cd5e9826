/** The started application, as its users meet it: a process with a door, a mail folder and files. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import PostalMime from "postal-mime";
import {
  durableStorage,
  filesIn,
  filesWith as filesThatHold,
  type StorageKind,
  testStore,
} from "../../../../scripts/test-stores.ts";

const main = join(import.meta.dirname, "../../src/main.ts");

export interface Application extends AsyncDisposable {
  /** Where it listens now; another one after a restart. */
  readonly origin: string;
  /** Several processes serve it, which requests are to be spread over. */
  readonly isSpread: boolean;
  /** Holds the mails and all that is in no database; nothing of the application is elsewhere. */
  readonly folder: string;
  /** Everything that was written to its standard output and error, by every start. */
  output(): string;
  /** Runs a command of Urgence against the same store; answers what it printed. @throws Error when it fails */
  command(...args: readonly string[]): Promise<string>;
  /** The same, whatever comes of it. */
  attempt(...args: readonly string[]): Promise<Ended>;
  /** The code in the newest mail to this address. */
  mailedCode(address: string): Promise<string>;
  /** Mails to this address, the oldest first. */
  mails(address: string): Promise<readonly string[]>;
  /** What it stores in. */
  readonly storage: string;
  /** Makes the store of one of its services unusable. */
  breakStore(service: string): Promise<void>;
  /** Names of files, the store's included, that contain one of these texts in any encoding a store would use. */
  filesWith(...texts: readonly string[]): Promise<readonly string[]>;
  /** Sends a signal and answers how the process ended. */
  end(signal: NodeJS.Signals): Promise<Ended>;
  /** Starts again on the same store, after it ended. */
  start(): Promise<void>;
  /** Ends it and removes its files. */
  stop(): Promise<void>;
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

export async function startApplication(
  environment: Environment = {},
  kind: StorageKind = durableStorage,
): Promise<Application> {
  const folder = await mkdtemp(join(tmpdir(), "urgence-process-"));
  const store = await testStore(kind, join(folder, "store"));
  const settings = settingsOf(folder, { URGENCE_STORAGE: store.url, ...environment });
  const outputs: (() => string)[] = [];
  let running: Running | undefined;
  let origin = "";
  const start = async () => {
    running = launch([], settings);
    outputs.push(running.output);
    origin = await printedOrigin(running);
  };
  const end = async (signal: NodeJS.Signals) => {
    if (running === undefined) throw new Error("it is not running");
    running.child.kill(signal);
    const ended = await running.ended;
    running = undefined;
    return ended;
  };
  const stop = async () => {
    if (running !== undefined) await end("SIGTERM");
    await store[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await start();
    await store.legible();
  } catch (error) {
    await store[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    get origin() {
      return origin;
    },
    isSpread: Number(environment.URGENCE_WORKERS ?? 1) > 1,
    folder,
    output: () => outputs.map((read) => read()).join(""),
    async command(...args) {
      const { code, stdout, stderr } = await launch(args, settings).ended;
      if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}: ${stderr}`);
      return stdout;
    },
    attempt: (...args) => launch(args, settings).ended,
    async mailedCode(address) {
      const end = performance.now() + 10_000;
      do {
        for (const text of (await mailsTo(join(folder, "mail"), address)).toReversed()) {
          const code = /\b\d{6}\b/.exec(text)?.[0];
          if (code !== undefined) return code;
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      } while (performance.now() < end);
      throw new Error(`no mail with a code for ${address}`);
    },
    mails: (address) => mailsTo(join(folder, "mail"), address),
    breakStore: (service) => store.break(service),
    storage: settings.URGENCE_STORAGE ?? "",
    async filesWith(...texts) {
      const own = await filesWith(folder, ...texts);
      return store.kind === "sqlite" ? own : [...own, ...(await store.filesWith(texts.flatMap(spellings)))];
    },
    end,
    start,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Runs Urgence with these arguments until it ends, on a store in this folder unless another is named. */
export function runUrgence(args: readonly string[], folder: string, environment: Environment = {}): Promise<Ended> {
  const storage = { URGENCE_STORAGE: `sqlite:${join(folder, "store")}` };
  return launch(args, settingsOf(folder, { ...storage, ...environment })).ended;
}

/** Names of the files below a folder that contain one of these texts in any encoding a store would use. */
export async function filesWith(folder: string, ...texts: readonly string[]): Promise<readonly string[]> {
  return filesThatHold(await filesIn(folder), texts.flatMap(spellings));
}

function spellings(text: string): readonly Buffer[] {
  const escaped = JSON.stringify(text).slice(1, -1);
  const asciiOnly = escaped.replaceAll(
    /[^ -~]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  const plain = [text, escaped, asciiOnly, encodeURIComponent(text)].flatMap((each) => [
    Buffer.from(each),
    Buffer.from(each, "utf16le"),
    Buffer.from(Buffer.from(each).toString("hex")),
  ]);
  return [...plain, ...base64Cores(Buffer.from(text))];
}

/** What every base64 text that holds these bytes contains, whatever stands before and after them. */
function base64Cores(bytes: Buffer): readonly Buffer[] {
  if (bytes.length < 6) return [];
  return [0, 1, 2].flatMap((before) => {
    const whole = Buffer.concat([Buffer.alloc(before), bytes]);
    const complete = whole.subarray(0, whole.length - (whole.length % 3)).toString("base64");
    const core = complete.slice(before === 0 ? 0 : 4);
    return [core, core.replaceAll("+", "-").replaceAll("/", "_")].map((each) => Buffer.from(each));
  });
}

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout(): string;
  output(): string;
}

function settingsOf(folder: string, environment: Environment): Environment {
  return {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
    NODE_ENV: "test",
    PORT: "0",
    URGENCE_DATA_FOLDER: join(folder, "store"),
    URGENCE_MAIL: `file:${join(folder, "mail")}`,
    URGENCE_DEMO: "false",
    ...environment,
  };
}

function launch(args: readonly string[], env: Environment): Running {
  const child = spawn(process.execPath, [main, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  const read = (stream: NodeJS.ReadableStream) => {
    const chunks: string[] = [];
    stream.setEncoding("utf8").on("data", (text) => chunks.push(String(text)));
    return () => chunks.join("");
  };
  const stdout = read(child.stdout);
  const stderr = read(child.stderr);
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout: stdout(), stderr: stderr() }));
  });
  return { child, ended, stdout, output: () => stdout() + stderr() };
}

function printedOrigin({ child, ended, stdout }: Running): Promise<string> {
  return new Promise((resolve, reject) => {
    child.stdout?.on("data", () => {
      const found = /https?:\/\/127\.0\.0\.1:\d+/.exec(stdout())?.[0];
      if (found !== undefined) resolve(found);
    });
    ended.then(({ code, stderr }) => reject(new Error(`Urgence ended with ${code}: ${stdout()}${stderr}`)), reject);
  });
}

async function mailsTo(folder: string, address: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => []);
  const texts: string[] = [];
  for (const name of names.filter((entry) => entry.endsWith(".eml")).sort()) {
    const bytes = await readIfThere(join(folder, name));
    if (bytes.length === 0) continue;
    const mail = await PostalMime.parse(bytes);
    if (mail.to?.some((recipient) => recipient.address === address)) texts.push(mail.text ?? "");
  }
  return texts;
}

/** Empty when it was renamed or erased between the listing and the reading. */
async function readIfThere(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return Buffer.alloc(0);
    throw error;
  }
}
