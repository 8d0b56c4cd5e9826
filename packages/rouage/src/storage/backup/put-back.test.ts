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
import { verifyStorage } from "../verify/verify.ts";
import { afterPuttingBack } from "./put-back.ts";

const list = { resource: "things", parent: "" };
const put = (id: string, parent = ""): Change => ({
  ...{ kind: "put", key: { ...list, parent, id }, body: '{"name":"Vautrinelle"}', expect: { kind: "any" } },
});

interface Checked {
  open(clock: ReturnType<typeof manualClock>): Promise<Storage>;
  /** Positions go on above all that was handed out, and what it does not know begins anew as well. */
  readonly isWhole?: boolean;
}

async function check({ open, isWhole = false }: Checked): Promise<void> {
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
    const position = await storage.position();
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
      (await Array.fromAsync(storage.log()))
        .filter(({ body, action }) => body !== undefined && action !== "event")
        .map(({ id }) => id),
      ["stays"],
    );
    assert.ok((await storage.purgedBefore(list)) > seen + 1, "who has seen what is lost begins anew");
    const current = await storage.timestamp(list);
    assert.ok(current + 1 >= (await storage.purgedBefore(list)));
    const [result] = await storage.commit([put("new")]);
    assert.ok(result?.kind === "created" && result.object.revision > current);
    if (!isWhole) return;
    const skipped = position + 1_000_000_000;
    const news = await Array.fromAsync(storage.log({ after: position }));
    assert.deepEqual(
      news.map(({ type, id, position }) => [type ?? id, position]),
      [
        ["store.restored", skipped],
        ["new", skipped + 1],
      ],
    );
    assert.deepEqual(JSON.parse(news[0]?.body ?? ""), { backup: new Date(since).toISOString() });
    const all = await Array.fromAsync(storage.log());
    assert.deepEqual(await Array.fromAsync(storage.log({ reverse: true })), [...all].reverse());
    const unknown = { ...list, parent: "began in the time that is lost" };
    assert.ok((await storage.purgedBefore(unknown)) > seen);
    assert.ok((await storage.timestamp(unknown, true)) + 1 >= (await storage.purgedBefore(unknown)));
    await storage.close();
    await using again = await open(clock);
    await again.define([{ resource: "things", indexes: [], unique: [] }]);
    assert.ok((await again.purgedBefore(unknown)) > seen, "the next start knows it too");
    const report = await verifyStorage(again);
    assert.deepEqual(report.violations, []);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test("a store that was put back begins anew for its clients, and who was erased since goes again", () =>
  check({ open: (clock) => openStorage("memory:", { clock }) }));

test("the same in PostgreSQL", { skip: withoutPostgres() }, async () => {
  await using stores = await startTestStores();
  const { url } = stores.fresh();
  await check({ open: (clock) => openStorage(url, { clock }), isWhole: true });
});

test("the same in MongoDB", { skip: mongodb.withoutMongo() }, async () => {
  await using stores = await mongodb.startTestStores();
  await check({ open: (clock) => openStorage(stores.fresh().url, { clock }) });
});
