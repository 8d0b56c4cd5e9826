import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { systemClock } from "rouage";
import { openStorage } from "rouage/storage";
import { anyStorage, testStore } from "../../../scripts/test-stores.ts";
import { claimStore } from "./installation.ts";

async function withStorage(work: (storage: Awaited<ReturnType<typeof openStorage>>) => Promise<void>) {
  await using store = await testStore(anyStorage, "");
  await using storage = await openStorage(store.url, { clock: systemClock });
  await work(storage);
}

test("a store is opened with the keys it was made with, and with no others", () =>
  withStorage(async (storage) => {
    const cards = randomBytes(32);
    const phone = randomBytes(32);
    await claimStore(storage, { cards }, "keys");
    await claimStore(storage, { cards, phone }, "keys");
    await claimStore(storage, { cards, phone }, "keys");
    await assert.rejects(claimStore(storage, { cards: randomBytes(32), phone }, "data/keys"), {
      message:
        "the keys in data/keys are not those that this store was made with (cards): all processes on a store need the same folder of keys; put it there, or name it in URGENCE_KEYS",
    });
    await assert.rejects(claimStore(storage, { cards, phone: randomBytes(32) }, "keys"), /\(phone\)/);
  }));

test("of several processes that start at the same time with other keys, one is let in", () =>
  withStorage(async (storage) => {
    const starts = Array.from({ length: 5 }, () => claimStore(storage, { cards: randomBytes(32) }, "keys"));
    const ended = await Promise.allSettled(starts);
    assert.deepEqual(ended.map(({ status }) => status).toSorted(), ["fulfilled", ...Array(4).fill("rejected")]);
  }));
