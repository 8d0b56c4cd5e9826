/** The storages that faults are tried on. Another one is an entry of the table at the end. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect as connectSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { systemClock } from "../../src/clock.ts";
import { mongoStorage } from "../../src/storage/mongodb/mongodb.ts";
import { startTestServer as startMongoServer, withoutMongo } from "../../src/storage/mongodb/test-server.ts";
import { connect } from "../../src/storage/postgres/connection.ts";
import { loadDriver } from "../../src/storage/postgres/driver.ts";
import { lockClass } from "../../src/storage/postgres/migrations.ts";
import { literal } from "../../src/storage/postgres/quote.ts";
import { findPostgres, startTestServer } from "../../src/storage/postgres/test-server.ts";
import { parsePostgresUrl } from "../../src/storage/postgres/url.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { silentLogger } from "../../src/telemetry/log.ts";
import { type Disturbance, startProxy } from "./proxy.ts";

export interface Backend {
  readonly name: string;
  /** Why it cannot be tried here; false: it can. In CI a missing server is a failure. */
  readonly skip: string | false;
  /** There is no process beside the service that could fail. */
  readonly isEmbedded: boolean;
  /** It takes a server for tests that is slow whatever is done to it: fewer rounds have to do. */
  readonly isSlow?: boolean;
  /** Requests for single objects need no connection each: however many there are, they go on. */
  readonly sharesConnections: boolean;
  /** Beside those of the pool: of who watches whether the server is there. */
  readonly watching: number;
  /** A disk that has room for a store, and little more. */
  readonly megabytes: number;
  /** @param folder where everything that it writes goes; default: a temporary one */
  start(folder?: string): Promise<Running>;
}

export interface Running extends AsyncDisposable {
  /** URL of a store that does not exist yet. `parameters` are added where a URL has any; `pool` is called as this storage does. */
  fresh(parameters?: Readonly<Record<string, string>>): string;
  /** Keeps everybody else from writing to this store until what it answers is called. */
  holdWriters(url: string): Promise<() => Promise<void>>;
  /** Undefined where there is no process beside the service. */
  readonly server: Server | undefined;
}

export interface Server {
  kill(): Promise<void>;
  start(): Promise<void>;
  isRunning(): boolean;
  /** Stops all of its processes, and has them go on. */
  freeze(): void;
  thaw(): void;
  /** A way to it that can be disturbed, and the URL of a store by that way. */
  proxy(): Promise<Disturbance & { through(url: string): string }>;
  /** What a request to make durable looks like on the wire, and its answer. */
  readonly commit: string;
  readonly committed: string;
  /** What has become of a commit whose answer was lost is found out, so that its caller is answered all the same. */
  readonly findsOut: boolean;
}

let stores = 0;

async function holdWithTransaction(opening: Promise<Storage>): Promise<() => Promise<void>> {
  const storage = await opening;
  let held: Promise<void> | undefined;
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  await new Promise<void>((resolve) => {
    held = storage.transaction(() => {
      resolve();
      return gate;
    });
  });
  return async () => {
    release();
    await held;
    await storage.close();
  };
}

const sqlite: Backend = {
  name: "sqlite",
  skip: false,
  isEmbedded: true,
  sharesConnections: true,
  watching: 0,
  megabytes: 8,
  async start(given) {
    const folder = given ?? (await mkdtemp(join(tmpdir(), "rouage-faults-")));
    return {
      fresh: () => `sqlite:${join(folder, `notes-${stores++}.db`)}`,
      async holdWriters(url) {
        const other = new DatabaseSync(url.slice("sqlite:".length));
        other.exec("BEGIN IMMEDIATE");
        return async () => {
          other.exec("ROLLBACK");
          other.close();
        };
      },
      server: undefined,
      async [Symbol.asyncDispose]() {
        if (given === undefined) await rm(folder, { recursive: true, force: true });
      },
    };
  },
};

const postgres: Backend = {
  name: "postgres",
  isEmbedded: false,
  sharesConnections: true,
  watching: 0,
  megabytes: 100,
  skip:
    findPostgres() !== undefined || process.env.CI !== undefined
      ? false
      : "PostgreSQL is not installed: `npm run services` installs it",
  async start(given) {
    const server = await startTestServer({}, given);
    const socket = join(server.folder, ".s.PGSQL.5432");
    let frozen: readonly number[] = [];
    return {
      fresh: (parameters = {}) =>
        `${server.url}&${new URLSearchParams({ schema: `faults_${stores++}`, ...parameters })}`,
      async holdWriters(url) {
        // By the lock itself: a transaction would be ended for standing still.
        const other = await connect(await loadDriver(), { url: parsePostgresUrl(url), setup: "SELECT 1" });
        const schema = literal(new URLSearchParams(url.split("?")[1]).get("schema") ?? "");
        await other.run(`SELECT pg_advisory_lock(${lockClass}, oid::int) FROM pg_namespace WHERE nspname = ${schema}`);
        return () => other.end();
      },
      server: {
        kill: server.kill,
        start: server.start,
        isRunning: () => server.pid !== undefined && isAlive(server.pid),
        freeze() {
          frozen = familyOf(server.pid ?? 0);
          for (const pid of frozen) process.kill(pid, "SIGSTOP");
        },
        thaw() {
          for (const pid of frozen) process.kill(pid, "SIGCONT");
          frozen = [];
        },
        async proxy() {
          const proxy = await startProxy(() => connectSocket(socket));
          return Object.assign(proxy, {
            through: (url: string) =>
              `postgres://rouage@127.0.0.1:${proxy.port}/postgres?${url.split("&").slice(1).join("&")}`,
          });
        },
        commit: "COMMIT\0",
        committed: "COMMIT\0",
        findsOut: false,
      },
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
};

const mongodb: Backend = {
  name: "mongodb",
  isEmbedded: false,
  isSlow: true,
  sharesConnections: false,
  watching: 2,
  megabytes: 100,
  skip: withoutMongo(),
  async start(given) {
    const server = await startMongoServer({}, given);
    return {
      fresh({ pool, ...parameters } = {}) {
        const own = { prefix: "notes", ...(pool === undefined ? {} : { maxPoolSize: pool }), ...parameters };
        return `${server.url}faults_${stores++}?${new URLSearchParams(own)}`;
      },
      holdWriters: (url) =>
        holdWithTransaction(mongoStorage({ url, clock: systemClock, log: silentLogger, transactionLimitMs: 60_000 })),
      server: {
        kill: server.kill,
        start: server.start,
        isRunning: () => server.pid !== undefined,
        freeze: () => void process.kill(server.pid ?? 0, "SIGSTOP"),
        thaw: () => void process.kill(server.pid ?? 0, "SIGCONT"),
        async proxy() {
          const proxy = await startProxy(() => connectSocket(server.port, "127.0.0.1"));
          return Object.assign(proxy, { through: (url: string) => url.replace(`:${server.port}/`, `:${proxy.port}/`) });
        },
        // A field of the document that is inserted, and how many were.
        commit: "kind\0\u0006\0\0\0entry\0",
        committed: "n\0\u0001\0\0\0",
        findsOut: true,
      },
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
};

/** One that has ended and was not waited for yet is none. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

function familyOf(pid: number): readonly number[] {
  const output = execFileSync("ps", ["-o", "pid=", "--ppid", String(pid)], { encoding: "utf8" });
  // First the children: the first of them that dies is mourned by the whole family.
  return [...output.trim().split(/\s+/).map(Number), pid];
}

export const embedded = "it runs in the process of the service";

export const backends: readonly Backend[] = [sqlite, postgres, mongodb];
