import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { manualClock } from "../../clock.ts";
import { openLedger, withLedger } from "../erasure-ledger.ts";
import * as mongodb from "../mongodb/test-stores.ts";
import { openStorage } from "../open.ts";
import { startTestStores, withoutPostgres } from "../postgres/test-stores.ts";
import type { Change, Storage } from "../storage.ts";
import { afterPuttingBack } from "./put-back.ts";

const list = { resource: "things", parent: "" };
const put = (id: string, parent = ""): Change => ({
  ...{ kind: "put", key: { ...list, parent, id }, body: '{"name":"Vautrinelle"}', expect: { kind: "any" } },
});

async function check(open: (clock: ReturnType<typeof manualClock>) => Promise<Storage>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "rouage-put-back-"));
  try {
    const clock = manualClock();
    await using storage = await open(clock);
    await storage.define([{ resource: "things", indexes: [], unique: [] }]);
    const ledger = await openLedger({ folder, service: "things" });
    await storage.commit([put("stays"), put("zelie"), put("note", "zelie")]);
    const since = clock.now() + 1;
    clock.advance(10_000);
    // What was erased in the time that is lost, as the ledger has it; the store itself still holds it.
    await using lost = await openStorage("memory:", { clock });
    await lost.define([{ resource: "things", indexes: [], unique: [] }]);
    await withLedger(lost, ledger, clock.now).erase([
      { ...list, id: "zelie" },
      { ...list, parent: "zelie" },
    ]);
    const seen = clock.now();
    clock.advance(1);

    const erased = await ledger.since(since);
    const { lists, erasedAgain } = await afterPuttingBack(storage, {
      resources: ["things"],
      now: clock.now(),
      since,
      erased,
    });
    assert.deepEqual([lists, erasedAgain], [2, 4], "two objects and their log entries");
    assert.deepEqual(
      (await Array.fromAsync(storage.scan("things", { tombstones: true }))).map(({ id }) => id),
      ["stays"],
    );
    assert.deepEqual(
      (await Array.fromAsync(storage.log())).filter(({ body }) => body !== undefined).map(({ id }) => id),
      ["stays"],
    );
    assert.ok((await storage.purgedBefore(list)) > seen + 1, "who has seen what is lost begins anew");
    const current = await storage.timestamp(list);
    assert.ok(current + 1 >= (await storage.purgedBefore(list)));
    const [result] = await storage.commit([put("new")]);
    assert.ok(result?.kind === "created" && result.object.revision > current);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test("a store that was put back begins anew for its clients, and who was erased since goes again", () =>
  check((clock) => openStorage("memory:", { clock })));

test("the same in PostgreSQL", { skip: withoutPostgres() }, async () => {
  await using stores = await startTestStores();
  await check((clock) => openStorage(stores.fresh().url, { clock }));
});

test("the same in MongoDB", { skip: mongodb.withoutMongo() }, async () => {
  await using stores = await mongodb.startTestStores();
  await check((clock) => openStorage(stores.fresh().url, { clock }));
});
