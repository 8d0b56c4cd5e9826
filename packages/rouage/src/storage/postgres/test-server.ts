/** A throw-away server for tests: a cluster of its own in a temporary folder, reached by a socket in it. Not for production. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { chown, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadDriver } from "./driver.ts";

export interface TestServer {
  /** URL of a database, without a schema. */
  readonly url: string;
  readonly folder: string;
  /** Process of the server, undefined while it does not run. */
  readonly pid: number | undefined;
  /** SIGKILL to all of its processes, as a power cut does it to them. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Ends it at once and removes its folder, for a process that is about to end itself and waits for nothing any more. */
  remove(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Folder of the server's programs; undefined where there is none on this machine. */
export function findPostgres(): string | undefined {
  const named = process.env.POSTGRES_BIN;
  if (named !== undefined) return named;
  const debian = "/usr/lib/postgresql";
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [...versions.map((version) => join(debian, version, "bin")), ...(process.env.PATH ?? "").split(":")];
  return folders.find((folder) => existsSync(join(folder, "initdb")) && existsSync(join(folder, "postgres")));
}

/** Why tests that need a server are skipped; false: they are not. In CI a missing server is a failure. */
export function withoutPostgres(): string | false {
  if (process.env.ROUAGE_TEST_POSTGRES !== undefined || findPostgres() !== undefined || process.env.CI !== undefined) {
    return false;
  }
  return "PostgreSQL is not installed: `npm run services` installs it, or ROUAGE_TEST_POSTGRES names a server's URL";
}

/** A folder that is given may be on a small disk, which segments of the usual 16 MB would fill. */
const smallLog = ["--wal-segsize=1"];

/** @param given where its files go; default: a temporary folder, removed in the end */
export async function startTestServer(
  settings: Readonly<Record<string, string>> = {},
  given?: string,
): Promise<TestServer> {
  const programs = findPostgres();
  if (programs === undefined) throw new Error("PostgreSQL is not installed: run `npm run services`");
  const folder = given ?? (await mkdtemp(join(tmpdir(), "rouage-postgres-")));
  // The server refuses to run as root.
  const owner = process.getuid?.() === 0 ? ids() : undefined;
  if (owner !== undefined) await chown(folder, owner.uid, owner.gid);
  const data = join(folder, "data");
  execFileSync(
    join(programs, "initdb"),
    [
      "-D",
      data,
      "-U",
      "rouage",
      "-A",
      "trust",
      "-E",
      "UTF8",
      "--locale=C",
      "--no-sync",
      ...(given === undefined ? [] : smallLog),
    ],
    { ...owner, stdio: ["ignore", "ignore", "pipe"], cwd: folder },
  );
  const options = { listen_addresses: "", unix_socket_directories: folder, max_connections: "200", ...settings };
  const url = `postgres://rouage@/postgres?host=${encodeURIComponent(folder)}`;
  const driver = await loadDriver();
  let server: ChildProcess | undefined;

  async function start(): Promise<void> {
    const flags = Object.entries(options).flatMap(([key, value]) => ["-c", `${key}=${value}`]);
    for (let tries = 0; ; tries++) {
      const started = spawn(join(programs ?? "", "postgres"), ["-D", data, ...flags], {
        ...owner,
        cwd: folder,
        stdio: "ignore",
      });
      // A process that has nothing else to do may end; who starts the server says what becomes of it then.
      started.unref();
      server = started;
      while (started.exitCode === null) {
        if (await answers()) return;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      // What is left of one that was killed keeps the next from starting for a moment.
      if (tries > 50) throw new Error(`the test server ended with ${started.exitCode}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** It listens for a while before it lets anybody in. */
  async function answers(): Promise<boolean> {
    const client = new driver.Client({ connectionString: url });
    client.on("error", () => {});
    try {
      await client.connect();
      await client.end();
      return true;
    } catch {
      return false;
    }
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const ending = server;
    server = undefined;
    if (ending?.pid === undefined || ending.exitCode !== null) return;
    const gone = new Promise((resolve) => ending.once("exit", resolve));
    ending.ref();
    if (signal === "SIGKILL") killAll(ending.pid);
    else ending.kill(signal);
    await gone;
  }

  await start();
  return {
    url,
    folder,
    get pid() {
      return server?.pid;
    },
    kill: () => end("SIGKILL"),
    start,
    remove() {
      if (server?.pid !== undefined) killAll(server.pid);
      rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
    },
    async [Symbol.asyncDispose]() {
      await end("SIGINT");
      if (given === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A process and those that it has started. */
function killAll(parent: number): void {
  for (const pid of [parent, ...children(parent)]) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It is gone already.
    }
  }
}

function children(pid: number): readonly number[] {
  try {
    return execFileSync("ps", ["-o", "pid=", "--ppid", String(pid)], { encoding: "utf8" })
      .trim()
      .split(/\s+/)
      .map(Number);
  } catch {
    return [];
  }
}

function ids(): { readonly uid: number; readonly gid: number } {
  const id = (flag: string) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}
