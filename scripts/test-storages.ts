/**
 * `npm run test:storages [-- STORAGE…]`: the whole suites of the applications, pages and stories included, on each storage that is a server. Where the
 * environment names none, one is started for all of them. `npm test` runs the same suites on the storages that need no server.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { startTestServer as startMongo } from "../packages/rouage/src/storage/mongodb/test-server.ts";
import { startTestServer } from "../packages/rouage/src/storage/postgres/test-server.ts";
import { exceptions, type StorageKind, serverKinds, testServerSettings } from "./test-stores.ts";

const suites = ["test:apps", "test:stories"];

interface Server extends AsyncDisposable {
  readonly environment: Readonly<Record<string, string>>;
}

/** The one that the environment names. */
const named: Server = { environment: {}, [Symbol.asyncDispose]: async () => {} };

const servers: Readonly<Partial<Record<StorageKind, () => Promise<Server>>>> = {
  async postgres() {
    if (process.env.ROUAGE_TEST_POSTGRES !== undefined) return named;
    const server = await startTestServer(testServerSettings);
    return {
      environment: { ROUAGE_TEST_POSTGRES: server.url },
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
  async mongodb() {
    if (process.env.ROUAGE_TEST_MONGODB !== undefined) return named;
    const server = await startMongo();
    return {
      environment: { ROUAGE_TEST_MONGODB: server.url, ROUAGE_TEST_MONGODB_FOLDER: server.folder },
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
};

const asked = process.argv.slice(2);
const kinds = asked.length === 0 ? serverKinds : serverKinds.filter((kind) => asked.includes(kind));
if (kinds.length < asked.length) {
  process.stderr.write(`test:storages runs on ${serverKinds.join(", ")}\n`);
  process.exit(2);
}

const failed: string[] = [];
for (const kind of kinds) {
  await using server = await start(kind);
  for (const suite of suites) {
    const begin = performance.now();
    // Not synchronously: what a server says has to be read meanwhile, or it stands still once the pipe is full.
    const running = spawn("npm", ["run", suite], {
      stdio: "inherit",
      env: { ...process.env, ...server.environment, ROUAGE_TEST_STORAGE: kind },
    });
    const [status] = await once(running, "exit");
    if (status !== 0) failed.push(`${suite} on ${kind}`);
    process.stdout.write(`\n${suite} on ${kind}: ${Math.round((performance.now() - begin) / 1000)} s\n\n`);
  }
}
process.stdout.write("not on each storage:\n");
for (const { file, on, because } of exceptions) process.stdout.write(`  ${file}: on ${on} alone, because ${because}\n`);
if (failed.length > 0) {
  process.stderr.write(`failed: ${failed.join(", ")}\n`);
  process.exitCode = 1;
}

function start(kind: StorageKind): Promise<Server> {
  const found = servers[kind];
  if (found === undefined) throw new Error(`${kind} is no server`);
  return found();
}
