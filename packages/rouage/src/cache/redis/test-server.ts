/** A throw-away server for tests, in a temporary folder and reached by a socket in it. Not for production. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TestServer {
  /** `redis:` URL without parameters but the socket's; append `&prefix=…` and the like. */
  readonly url: string;
  readonly folder: string;
  readonly socket: string;
  /** Process of the server, undefined while it does not run. */
  readonly pid: number | undefined;
  /** SIGKILL: what it held is gone. */
  kill(): Promise<void>;
  start(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The server's program; undefined where there is none on this machine. */
export function findRedis(): string | undefined {
  const named = process.env.REDIS_SERVER;
  if (named !== undefined) return named;
  const folders = ["/usr/bin", "/usr/local/bin", ...(process.env.PATH ?? "").split(":")];
  return folders.map((folder) => join(folder, "redis-server")).find(existsSync);
}

/** Why tests that need a server are skipped; false: they are not. In CI a missing server is a failure. */
export function withoutRedis(): string | false {
  if (findRedis() !== undefined || process.env.CI !== undefined) return false;
  return "Redis is not installed: `npm run services` installs it, or REDIS_SERVER names its program";
}

/** @param settings as in redis.conf, such as `{ maxmemory: "2mb" }` */
export async function startTestServer(settings: Readonly<Record<string, string>> = {}): Promise<TestServer> {
  const program = findRedis();
  if (program === undefined) throw new Error("Redis is not installed: run `npm run services`");
  const folder = await mkdtemp(join(tmpdir(), "rouage-redis-"));
  const socket = join(folder, "redis.sock");
  // Nothing on disk, and no port unless asked for.
  const options = { port: "0", unixsocket: socket, save: "", appendonly: "no", dir: folder, ...settings };
  let server: ChildProcess | undefined;

  async function start(): Promise<void> {
    await rm(socket, { force: true });
    const flags = Object.entries(options).flatMap(([key, value]) => [`--${key}`, value]);
    const started = spawn(program ?? "", flags, { cwd: folder, stdio: "ignore" });
    server = started;
    while (started.exitCode === null) {
      if (await answers()) return;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Error(`the test server ended with ${started.exitCode}`);
  }

  const answers = (): Promise<boolean> =>
    new Promise((resolve) => {
      const probe = connect(socket)
        .once("connect", () => {
          probe.destroy();
          resolve(true);
        })
        .once("error", () => resolve(false));
    });

  async function end(): Promise<void> {
    const ending = server;
    server = undefined;
    if (ending?.pid === undefined || ending.exitCode !== null || ending.signalCode !== null) return;
    const gone = new Promise((resolve) => ending.once("exit", resolve));
    ending.kill("SIGKILL");
    await gone;
  }

  await start();
  return {
    url: `redis:///?socket=${encodeURIComponent(socket)}`,
    folder,
    socket,
    get pid() {
      return server?.pid;
    },
    kill: end,
    start,
    async [Symbol.asyncDispose]() {
      await end();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
