/**
 * Measures a storage: point reads, grouped durable creates with their log entry, pages by an index, and whether a read stays
 * as fast among a million objects. `node bench/storage.ts [sqlite|memory] [objects]`
 */
import { randomUUIDv7 } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { systemClock } from "../packages/rouage/src/clock.ts";
import { openStorage } from "../packages/rouage/src/storage/open.ts";
import type { Storage } from "../packages/rouage/src/storage/storage.ts";

const scheme = process.argv[2] ?? "sqlite";
const large = Number(process.argv[3] ?? 1_000_000);
const folder = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), "rouage-bench-"));
const list = { resource: "people", parent: "" };

try {
  const small = await filled(1_000, "small");
  const smallReads = await reads(small.storage, small.ids);
  console.log(`get by id among ${count(1_000)}:`.padEnd(44), count(smallReads), "/s");
  await small.storage.close();

  for (const concurrency of [1, 64, 256]) {
    const { storage } = await filled(0, `writes${concurrency}`);
    const rate = await creates(storage, concurrency);
    console.log(`durable creates with log, ${concurrency} at a time:`.padEnd(44), count(rate), "/s");
    await storage.close();
  }

  const started = performance.now();
  const big = await filled(large, "large");
  const seconds = (performance.now() - started) / 1000;
  console.log(`filling with ${count(large)} (commits of 500):`.padEnd(44), count(large / seconds), "/s");
  await setTimeout(3_000);
  const bigReads = await reads(big.storage, big.ids);
  console.log(`get by id among ${count(large)}:`.padEnd(44), count(bigReads), "/s");
  console.log("slower than among 1 000 by a factor of".padEnd(44), (smallReads / bigReads).toFixed(2));

  const sort = [{ field: "last_modified", direction: "descending" }] as const;
  console.log(
    "page of 50, newest first:".padEnd(44),
    count(await rate(() => big.storage.list(list, { sort, limit: 50 }))),
    "/s",
  );
  let group = 0;
  const byIndex = () =>
    big.storage.list(list, {
      filter: { kind: "compare", field: "group", operator: "eq", value: group++ % 1_000 },
      sort,
      limit: 50,
    });
  console.log("page of 50 by an index, newest first:".padEnd(44), count(await rate(byIndex)), "/s");
  if (scheme === "sqlite") {
    const path = join(folder, "large.db");
    const before = performance.now();
    await big.storage.erase([{ ...list, id: big.ids[0] ?? "" }]);
    const size = Math.round(statSync(path).size / 1e6);
    console.log(
      `erasing one object, store of ${count(size)} MB:`.padEnd(44),
      Math.round(performance.now() - before),
      "ms",
    );
  }
  await big.storage.close();
} finally {
  rmSync(folder, { recursive: true });
}

async function filled(objects: number, name: string): Promise<{ storage: Storage; ids: readonly string[] }> {
  const url = scheme === "memory" ? "memory:" : `sqlite:${join(folder, `${name}.db`)}`;
  const storage = await openStorage(url, { clock: systemClock });
  await storage.define([{ resource: "people", indexes: [["group"]], unique: [] }]);
  const ids: string[] = [];
  while (ids.length < objects) {
    const changes = Array.from({ length: Math.min(500, objects - ids.length) }, () => {
      const id = randomUUIDv7();
      ids.push(id);
      return change(id, ids.length);
    });
    await storage.commit(changes);
  }
  return { storage, ids };
}

function change(id: string, n: number) {
  const body = JSON.stringify({ name: `Person ${n}`, group: n % 1_000, notes: "x".repeat(300) });
  return { kind: "put", key: { ...list, id }, body, expect: { kind: "absent" }, owner: "account:1" } as const;
}

async function reads(storage: Storage, ids: readonly string[]): Promise<number> {
  let next = 1;
  const run = (times: number) => {
    for (let n = 0; n < times; n++) {
      next = (Math.imul(next, 1_664_525) + 1_013_904_223) >>> 0;
      storage.get({ ...list, id: ids[next % ids.length] ?? "" });
    }
  };
  run(200_000);
  const started = performance.now();
  run(400_000);
  return 400_000 / ((performance.now() - started) / 1000);
}

async function creates(storage: Storage, concurrency: number): Promise<number> {
  const until = performance.now() + 2_000;
  let made = 0;
  const writer = async () => {
    while (performance.now() < until) {
      await storage.commit([change(randomUUIDv7(), made)]);
      made++;
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: concurrency }, writer));
  return made / ((performance.now() - started) / 1000);
}

async function rate(work: () => Promise<unknown>): Promise<number> {
  for (let n = 0; n < 200; n++) await work();
  const started = performance.now();
  for (let n = 0; n < 3_000; n++) await work();
  return 3_000 / ((performance.now() - started) / 1000);
}

function count(value: number): string {
  return Math.round(value).toLocaleString("en").replaceAll(",", " ");
}
