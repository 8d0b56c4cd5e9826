/**
 * A throw-away server for tests that speaks the protocol of MongoDB: FerretDB over SQLite, in a temporary folder, on a free port. Not for
 * production.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { Socket } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export interface TestServer {
  /** URL without a database. */
  readonly url: string;
  readonly port: number;
  readonly folder: string;
  /** Process of the server, undefined while it does not run. */
  readonly pid: number | undefined;
  /** SIGKILL, as a power cut does it. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Ends it at once and removes its folder, for a process that is about to end itself and waits for nothing any more. */
  remove(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

export const ferretVersion = "1.24.2";

/** Where `npm run services` builds it, outside of the project: with the changes of `scripts/ferretdb.ts`. */
export function ferretFolder(): string {
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "rouage", `ferretdb-${ferretVersion}-keys`);
}

/** The program; undefined where there is none on this machine. */
export function findFerret(): string | undefined {
  const program = process.env.FERRETDB_BIN ?? join(ferretFolder(), "ferretdb");
  return existsSync(program) ? program : undefined;
}

/** Why tests that need a server are skipped; false: they are not. In CI a missing server is a failure. */
export function withoutMongo(): string | false {
  if (process.env.ROUAGE_TEST_MONGODB !== undefined || findFerret() !== undefined || process.env.CI !== undefined) {
    return false;
  }
  return "FerretDB is not installed: `npm run services` builds it, or ROUAGE_TEST_MONGODB names a server's URL";
}

export interface TestServerOptions {
  /** False: what is acknowledged is on the disk. Default: it is where the operating system keeps it, which outlives SIGKILL. */
  readonly careless?: boolean;
}

/** @param given where its files go; default: a temporary folder, removed in the end */
export async function startTestServer(
  { careless = true }: TestServerOptions = {},
  given?: string,
): Promise<TestServer> {
  const program = findFerret();
  if (program === undefined) throw new Error("FerretDB is not installed: run `npm run services`");
  const folder = given ?? (await mkdtemp(join(tmpdir(), "rouage-mongodb-")));
  const data = join(folder, "data");
  await mkdir(data, { recursive: true });
  let server: ChildProcess | undefined;
  let port = 0;

  async function start(): Promise<void> {
    const started = spawn(
      program ?? "",
      [
        "--handler=sqlite",
        `--sqlite-url=file:${data}/${careless ? "?_pragma=synchronous(off)" : ""}`,
        `--state-dir=${folder}`,
        `--listen-addr=127.0.0.1:${port}`,
        "--debug-addr=-",
        "--telemetry=disable",
        "--log-format=json",
      ],
      { cwd: folder, stdio: ["ignore", "ignore", "pipe"] },
    );
    // A process that has nothing else to do may end; who starts the server says what becomes of it then.
    started.unref();
    server = started;
    port = await new Promise<number>((resolve, reject) => {
      const said: string[] = [];
      const lines = createInterface({ input: started.stderr });
      lines.on("line", (line) => {
        said.push(line);
        const found = /Listening on TCP [^"]*:(\d+)\.\.\./.exec(line)?.[1];
        if (found !== undefined) resolve(Number(found));
        // Read on, so that it never waits for somebody to read.
        if (said.length > 20) said.shift();
      });
      started.once("error", reject);
      started.once("exit", (code) => reject(new Error(`the test server ended with ${code}:\n${said.join("\n")}`)));
    });
    // Nobody has to stay to hear what else it says.
    if (started.stderr instanceof Socket) started.stderr.unref();
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const ending = server;
    server = undefined;
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return;
    const gone = new Promise((resolve) => ending.once("exit", resolve));
    ending.ref();
    ending.kill(signal);
    await gone;
  }

  await start();
  return {
    url: `mongodb://127.0.0.1:${port}/`,
    port,
    folder,
    get pid() {
      return server?.pid;
    },
    kill: () => end("SIGKILL"),
    start,
    remove() {
      server?.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
    },
    async [Symbol.asyncDispose]() {
      await end("SIGKILL");
      if (given === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}
