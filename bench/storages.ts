/**
 * `npm run bench -- --storage sqlite|postgres|mongodb`: a whole service on a storage against the storage's driver alone, doing the same statements behind bare
 * `node:http`, in turn. Prints what it measured and judges nothing. `--quick`, `--only get,list,create,update,batch`.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startTestServer as startMongoServer } from "../packages/rouage/src/storage/mongodb/test-server.ts";
import { startTestServer } from "../packages/rouage/src/storage/postgres/test-server.ts";
import { groups, kitten } from "./kitten.ts";
import { assertWrk, type Load, type LoadResult, load, median, type ServerProcess, startServer } from "./load.ts";

interface Kittens {
  readonly port: number;
  readonly token: string;
  readonly ids: readonly string[];
}

type Work = Omit<Load, "url" | "seconds">;

/** URLs of stores, each of its own, and how to end what they are in. */
interface Stores {
  fresh(): string;
  /** Clients at a time, where the server cannot bear as many as for everything else. */
  readonly connections?: Readonly<Partial<Record<Part, number>>>;
  stop(): Promise<void>;
}

const folder = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), "rouage-bench-"));
let made = 0;

const storages: Readonly<Record<string, () => Promise<Stores>>> = {
  sqlite: async () => ({ fresh: () => `sqlite:${join(folder, `kittens-${made++}.db`)}`, stop: async () => {} }),
  /** With all of the server's defaults: what is committed is on disk. */
  postgres: async () => {
    const server = await startTestServer();
    return { fresh: () => `${server.url}&schema=kittens_${made++}`, stop: () => server[Symbol.asyncDispose]() };
  },
  /** FerretDB over SQLite, which syncs what is committed. It looks at every object for a list or an update, and goes on when nobody waits any more. */
  mongodb: async () => {
    const server = await startMongoServer({ careless: false });
    return {
      fresh: () => `${server.url}kittens_${made++}?prefix=kittens`,
      connections: { list: 2, update: 2 },
      stop: () => server[Symbol.asyncDispose](),
    };
  },
};

const parts = ["get", "list", "create", "update", "batch"] as const;
type Part = (typeof parts)[number];
const { values } = parseArgs({
  options: { storage: { type: "string" }, quick: { type: "boolean", default: false }, only: { type: "string" } },
});
const only = values.only?.split(",") ?? parts;
const open = Object.hasOwn(storages, values.storage ?? "") ? storages[values.storage ?? ""] : undefined;
if (open === undefined) fail(`--storage takes one of ${Object.keys(storages).join(", ")}`);
const unknown = only.filter((part) => !(parts as readonly string[]).includes(part));
if (unknown.length > 0) fail(`--only takes ${parts.join(", ")}; ${unknown.join(", ")} is none of them`);
const rounds = values.quick ? 3 : 5;
const seconds = values.quick ? 1 : 2;

const servers: ServerProcess<unknown>[] = [];
let stores: Stores | undefined;
process.once("SIGINT", () => process.exit(130));
process.once("exit", () => {
  for (const { child } of servers) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

try {
  assertWrk();
  const [busy = 0] = loadavg();
  if (busy > 1) console.log(`The machine is busy (load average ${busy.toFixed(1)}): this run will say little.\n`);
  stores = await open();
  await compare(stores);
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
for (const server of servers) await server.stop();
await stores?.stop();
process.exit();

async function compare(made: Stores): Promise<void> {
  console.log(
    `${values.storage}: 64 connections, ${rounds} rounds of ${seconds} s each in turn, medians. Driver: bare node:http that runs the same statements,`,
  );
  console.log(
    "one transaction for each request or one for all that wait; ours with token, access rules, ETag, log and metrics.\n",
  );
  console.log(row("", "driver /s", "rouage /s", "ratio", "driver p50", "p99 ms", "rouage p50", "p99 ms"));
  const service = await filled(made.fresh());
  const authorization = { authorization: `Bearer ${service.info.token}` };
  const json = { ...authorization, "content-type": "application/json" };
  const body = JSON.stringify({ data: kitten(1, 0) }).replace("Kitten 0", "Kitten %d");
  const lists = Array.from({ length: groups }, (_, group) => `?group=${group}&_sort=-last_modified`);
  const requests = Array.from({ length: 25 }, () => ({ body: JSON.parse(body) }));
  const batch = JSON.stringify({ defaults: { method: "POST", path: "/kittens" }, requests });

  // Each has a store of its own with the same objects, and each is measured while the others rest.
  const alone = await driver(made, "one-by-one");
  const together = await driver(made, "grouped");
  const show = async (part: Part, title: string, work: (ids: readonly string[]) => Work, more: "" | "batch" = "") => {
    if (!only.includes(part)) return;
    const connections = made.connections?.[part];
    const named = connections === undefined ? title : `${title}, ${connections} conn.`;
    const few = connections === undefined ? {} : { connections };
    const urlOf = (port: number) => `http://127.0.0.1:${port}/v1/${more === "batch" ? "batch" : "kittens"}`;
    const ours = { url: urlOf(service.info.port), work: { ...work(service.info.ids), ...few } };
    const reads = part === "get" || part === "list";
    for (const limit of reads ? [alone] : [alone, together]) {
      const driven = { url: urlOf(limit.port), work: { ...work(limit.ids), ...few } };
      print(reads ? named : `${named}, ${limit.mode}`, await inTurn([driven, ours]));
    }
  };
  const pathsOf = (ids: readonly string[]) => ids.map((id) => `/${id}`);
  await show("get", "GET by id", (ids) => ({ headers: authorization, paths: pathsOf(ids) }));
  await show("list", "list of 50, filter and sort", () => ({ headers: authorization, paths: lists }));
  await show("create", "create", () => ({ method: "POST", headers: json, body }));
  await show("batch", "batch of 25 creates", () => ({ method: "POST", headers: json, body: batch }), "batch");
  await show("update", "update", (ids) => ({ method: "PUT", headers: json, paths: pathsOf(ids), body }));
}

function filled(url: string): Promise<ServerProcess<Kittens>> {
  return start<Kittens>("rouage.ts", (own) => [own, "1000", url]);
}

/** The driver on a store of its own, which a service has filled and left. */
async function driver(made: Stores, mode: "one-by-one" | "grouped") {
  const url = made.fresh();
  const filler = await filled(url);
  await filler.stop();
  const server = await start<{ readonly port: number }>("driver.ts", () => [url, mode]);
  return { port: server.info.port, ids: filler.info.ids, mode: mode.replaceAll("-", " ") };
}

async function start<T>(script: string, args: (folder: string) => readonly string[]): Promise<ServerProcess<T>> {
  const own = join(folder, `server-${servers.length}`);
  mkdirSync(own);
  const server = await startServer<T>(join(import.meta.dirname, "servers", script), args(own), join(own, "log"));
  servers.push(server);
  return server;
}

interface Driven {
  readonly url: string;
  readonly work: Work;
}

/** Each in turn, the order turned round each time; one round before counts for nothing. */
async function inTurn(
  both: readonly [Driven, Driven],
): Promise<readonly [readonly LoadResult[], readonly LoadResult[]]> {
  const results: [LoadResult[], LoadResult[]] = [[], []];
  for (let round = -1; round < rounds; round++)
    for (const index of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      const { url, work } = both[index];
      const result = await load({ ...work, url, seconds });
      if (round >= 0) results[index].push(result);
    }
  return results;
}

function print(title: string, [driven, ours]: readonly [readonly LoadResult[], readonly LoadResult[]]): void {
  const ratio = median(ours.map(({ perSecond }, round) => perSecond / (driven[round]?.perSecond ?? Number.NaN)));
  const of = (results: readonly LoadResult[], key: keyof LoadResult) => median(results.map((result) => result[key]));
  const times = [driven, ours].flatMap((results) => [of(results, "p50").toFixed(2), of(results, "p99").toFixed(2)]);
  const rates = [count(of(driven, "perSecond")), count(of(ours, "perSecond"))];
  console.log(row(title, ...rates, Number.isFinite(ratio) ? ratio.toFixed(2) : "–", ...times));
  const errors = [...driven, ...ours].reduce((sum, result) => sum + result.errors, 0);
  if (errors > 0) console.log(`  ${errors} requests of these failed`);
}

function row(title: string, ...cells: readonly string[]): string {
  return title.padEnd(34) + cells.map((cell) => cell.padStart(11)).join("");
}

function count(value: number): string {
  return Math.round(value).toLocaleString("en").replaceAll(",", " ");
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
