/**
 * `npm run bench`: a whole Rouage service against bare `node:http`, in turn on the same core, load from the other. Prints
 * what it measured and judges nothing. `--storage sqlite|postgres|mongodb` compares with that storage's driver instead (`storages.ts`). `--quick` for short rounds, `--only get,list,create,update,batch,kinto,permissions,size,workers,start` for some of it.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { groups, kitten } from "./kitten.ts";
import { assertWrk, type Load, type LoadResult, load, median, type ServerProcess, startServer } from "./load.ts";
import { measureStart } from "./start.ts";
import { measureWorkers } from "./workers.ts";

interface Kittens {
  readonly port: number;
  readonly token: string;
  readonly ids: readonly string[];
  /** Seconds that filling took. */
  readonly seconds: number;
}

interface Raw {
  readonly port: number;
}

/** What is put on a server; the URL's origin is filled in for each. */
type Work = Omit<Load, "url" | "seconds">;

/** The Kinto application, filled. */
interface Kinto {
  readonly port: number;
  readonly owner: string;
  readonly member: string;
  readonly ids: readonly string[];
  readonly sharedRecords: number;
  readonly sharedGroups: number;
}

if (process.argv.some((argument) => argument.startsWith("--storage"))) await import("./storages.ts");

const parts = ["get", "list", "create", "update", "batch", "kinto", "permissions", "size", "workers", "start"] as const;
type Part = (typeof parts)[number];

const { values } = parseArgs({ options: { quick: { type: "boolean", default: false }, only: { type: "string" } } });
const only = values.only?.split(",") ?? parts;
const unknown = only.filter((part) => !(parts as readonly string[]).includes(part));
if (unknown.length > 0) fail(`--only takes ${parts.join(", ")}; ${unknown.join(", ")} is none of them`);
const wanted = (part: Part) => only.includes(part);
const rounds = values.quick ? 3 : 5;
const seconds = values.quick ? 1 : 2;
const many = values.quick ? 100_000 : 1_000_000;

const folder = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), "rouage-bench-"));
const servers: ServerProcess<unknown>[] = [];
let folders = 0;
process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));
process.once("exit", () => {
  for (const { child } of servers) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

try {
  if (parts.some((part) => part !== "start" && wanted(part))) assertWrk();
  const [busy = 0] = loadavg();
  if (busy > 1) console.log(`The machine is busy (load average ${busy.toFixed(1)}): this run will say little.\n`);
  if (parts.slice(0, 5).some(wanted)) await compareWithRaw();
  if (wanted("kinto") || wanted("permissions")) await measureKinto();
  if (wanted("size")) await compareSizes();
  if (wanted("workers")) await showWorkers();
  if (wanted("start")) await showStart();
} catch (error) {
  fail(error instanceof Error ? error.message : String(error));
}
process.exit();

async function compareWithRaw(): Promise<void> {
  const object = { id: "01980000-0000-7000-8000-000000000000", last_modified: 1_780_000_000_000, ...kitten(1, 500) };
  const one = await raw(JSON.stringify({ data: object }));
  const page = await raw(JSON.stringify({ data: Array.from({ length: 50 }, () => object) }));
  const service = await rouage(1_000);
  const authorization = { authorization: `Bearer ${service.info.token}` };
  const json = { ...authorization, "content-type": "application/json" };
  const paths = service.info.ids.map((id) => `/${id}`);
  const body = JSON.stringify({ data: kitten(1, 0) }).replace("Kitten 0", "Kitten %d");
  const lists = Array.from({ length: groups }, (_, group) => `?group=${group}&_sort=-last_modified`);

  console.log(
    `64 connections, ${rounds} rounds of ${seconds} s each in turn, medians; token, access rules, ETag, log and`,
  );
  console.log("metrics on, SQLite in a file. Raw: bare node:http, the same bytes in JSON or an echo of the body.\n");
  console.log(row("", "raw /s", "rouage /s", "ratio", "raw p50", "p99 ms", "rouage p50", "p99 ms"));
  const compare = async (part: Part, title: string, limit: ServerProcess<Raw>, work: Work) => {
    if (wanted(part)) show(title, await inTurn([urlOf(limit), urlOf(service)], work));
  };
  await compare("get", "GET by id", one, { headers: authorization, paths });
  await compare("list", "list of 50, filter and sort", page, { headers: authorization, paths: lists });
  await compare("update", "update (PUT), durable", one, { method: "PUT", headers: json, paths, body });
  await compare("create", "create (POST), durable", one, { method: "POST", headers: json, body });
  if (wanted("batch")) {
    const requests = Array.from({ length: 25 }, () => ({ body: JSON.parse(body) }));
    const batch = JSON.stringify({ defaults: { method: "POST", path: "/kittens" }, requests });
    const work: Work = { method: "POST", headers: json, body: batch };
    show("batch of 25 creates, durable", await inTurn([urlOf(one), `${originOf(service)}/v1/batch`], work));
  }
  await Promise.all([one, page, service].map((server) => server.stop()));
}

/** The Kinto application: a record by id as one of its clients reads it, and all that somebody may reach. */
async function measureKinto(): Promise<void> {
  const kinto = await start<Kinto>("kinto.ts", (own) => [own]);
  const { ids, owner, member, sharedRecords, sharedGroups } = kinto.info;
  const records = `${originOf(kinto)}/v1/buckets/bench/collections/kittens/records`;
  if (wanted("kinto")) {
    const headers = { authorization: owner };
    const answer = await fetch(`${records}/${ids[0]}`, { headers });
    const one = await raw(await answer.text());
    const work: Work = { headers, paths: ids.map((id) => `/${id}`) };
    show("Kinto: GET of a record", await inTurn([urlOf(one), records], work));
    await one.stop();
  }
  if (wanted("permissions")) {
    const times: number[] = [];
    let entries = 0;
    for (let round = 0; round < rounds; round++) {
      const begun = performance.now();
      entries = 0;
      for (let url: string | null = `${originOf(kinto)}/v1/permissions?_limit=10000`; url !== null; ) {
        const answer = await fetch(url, { headers: { authorization: member } });
        entries += ((await answer.json()) as { readonly data: readonly unknown[] }).data.length;
        url = answer.headers.get("next-page");
      }
      times.push(performance.now() - begun);
    }
    const given = `${count(sharedRecords)} records and ${count(sharedGroups)} groups`;
    console.log(
      `Kinto: /permissions of a member with ${given}: ${count(entries)} entries in ${median(times).toFixed(0)} ms`,
    );
  }
  await kinto.stop();
}

async function showWorkers(): Promise<void> {
  const { raw, rouage } = await measureWorkers(rounds, seconds);
  for (const [name, { one, two, ratio }] of [["bare node:http", raw] as const, ["rouage", rouage] as const]) {
    const figures = `${count(Math.round(one))} /s; two: ${count(Math.round(two))} /s; ratio ${ratio.toFixed(2)}`;
    console.log(`GET by id, ${name}, one worker: ${figures}`);
  }
}

async function compareSizes(): Promise<void> {
  const small = await rouage(1_000);
  const large = await rouage(many);
  // Checkpoints of the filling end before anything is measured.
  await setTimeout(2_000);
  const work = ({ info }: ServerProcess<Kittens>): Work => ({
    headers: { authorization: `Bearer ${info.token}` },
    paths: info.ids.map((id) => `/${id}`),
  });
  const results: [LoadResult[], LoadResult[]] = [[], []];
  for (let round = -1; round < rounds; round++)
    for (const [index, server] of [small, large].entries()) {
      const result = await load({ ...work(server), url: urlOf(server), seconds });
      if (round >= 0) results[index]?.push(result);
    }
  const [few, lots] = results;
  const factor = median(few.map(({ perSecond }, round) => perSecond / (lots[round]?.perSecond ?? Number.NaN)));
  console.log(`\nGET by id among 1 000 objects: ${count(summary(few).perSecond)} /s`);
  console.log(
    `GET by id among ${count(many)} objects: ${count(summary(lots).perSecond)} /s, slower by a factor of ${factor.toFixed(2)}`,
  );
  console.log(`filling with ${count(many)} objects, durable: ${large.info.seconds.toFixed(1)} s`);
  await Promise.all([small.stop(), large.stop()]);
}

async function showStart(): Promise<void> {
  const starts: { readonly answerMs: number; readonly idleMegabytes: number }[] = [];
  // The first start makes keys and compiles; the ones after it are what a restart costs.
  for (let index = 0; index < 3; index++)
    starts.push(await measureStart(join(folder, "urgence"), { idleMs: index === 2 ? 5_000 : 0 }));
  const [first, ...later] = starts.map(({ answerMs }) => Math.round(answerMs));
  console.log(`\nUrgence, start to first answer: ${first} ms the first time, then ${later.join(" and ")} ms`);
  console.log(`Urgence, resident memory 5 s later: ${starts.at(-1)?.idleMegabytes.toFixed(0)} MB`);
}

/** One line: what bare `node:http` does, what we do, and the ratio, round by round. */
function show(title: string, [bare, ours]: readonly [readonly LoadResult[], readonly LoadResult[]]): void {
  const ratio = median(ours.map(({ perSecond }, round) => perSecond / (bare[round]?.perSecond ?? Number.NaN)));
  const [a, b] = [summary(bare), summary(ours)];
  const latencies = [a.p50, a.p99, b.p50, b.p99].map((ms) => ms.toFixed(2));
  console.log(row(title, count(a.perSecond), count(b.perSecond), ratio.toFixed(2), ...latencies));
  const errors = a.errors + b.errors;
  if (errors > 0) console.log(`  ${errors} requests of these failed`);
}

/** The same work on each server in turn, the order turned round each time; one round before counts for nothing. */
async function inTurn([bare, ours]: readonly [string, string], work: Work): Promise<[LoadResult[], LoadResult[]]> {
  const results: [LoadResult[], LoadResult[]] = [[], []];
  for (let round = -1; round < rounds; round++) {
    const order = round % 2 === 0 ? [0, 1] : [1, 0];
    for (const index of order) {
      const result = await load({ ...work, url: index === 0 ? bare : ours, seconds });
      if (round >= 0) results[index]?.push(result);
    }
  }
  return results;
}

function raw(body: string): Promise<ServerProcess<Raw>> {
  return start<Raw>("raw.ts", () => [body]);
}

/** A service with this many objects in a store of its own. */
function rouage(objects: number): Promise<ServerProcess<Kittens>> {
  return start<Kittens>("rouage.ts", (own) => [own, String(objects)]);
}

async function start<T>(script: string, args: (folder: string) => readonly string[]): Promise<ServerProcess<T>> {
  const own = join(folder, String(folders++));
  mkdirSync(own);
  const server = await startServer<T>(join(import.meta.dirname, "servers", script), args(own), join(own, "log"));
  servers.push(server);
  return server;
}

function urlOf(server: ServerProcess<Raw>): string {
  return `${originOf(server)}/v1/kittens`;
}

function originOf({ info }: ServerProcess<Raw>): string {
  return `http://127.0.0.1:${info.port}`;
}

function summary(results: readonly LoadResult[]): LoadResult {
  const of = (key: keyof LoadResult) => median(results.map((result) => result[key]));
  const errors = results.reduce((sum, result) => sum + result.errors, 0);
  return { perSecond: of("perSecond"), p50: of("p50"), p99: of("p99"), errors };
}

function row(title: string, ...cells: readonly string[]): string {
  return title.padEnd(30) + cells.map((cell) => cell.padStart(11)).join("");
}

function count(value: number): string {
  return Math.round(value).toLocaleString("en").replaceAll(",", " ");
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
