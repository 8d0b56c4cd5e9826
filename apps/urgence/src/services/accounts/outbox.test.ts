import assert from "node:assert/strict";
import { test } from "node:test";
import { manualClock, ServiceError, silentLogger } from "rouage";
import { openStorage } from "rouage/storage";
import { anyStorage, testStore } from "../../../../../scripts/test-stores.ts";
import { MailError, type Mailer, type MailMessage } from "../../mail/mail.ts";
import { mailDefinition, outbox, type PendingMail } from "./outbox.ts";
import { until } from "./testing.ts";

async function setup(send: (message: MailMessage) => Promise<void>, limit?: number) {
  const clock = manualClock();
  const store = await testStore(anyStorage, "");
  const storage = await openStorage(store.url, { clock });
  await storage.define([mailDefinition]);
  const mailer: Mailer = { send, forget: async () => 0, async [Symbol.asyncDispose]() {} };
  const box = outbox({ storage, mailer, clock, log: silentLogger, ...(limit === undefined ? {} : { limit }) });
  const stop = new AbortController();
  const mail: PendingMail = {
    account: "a",
    to: "ada@example.org",
    kind: "verification",
    language: "en",
    code: "123456",
    expires: clock.now() + 900_000,
  };
  const waiting = () => storage.count({ resource: "mail", parent: "" });
  return {
    clock,
    storage,
    box,
    stop,
    mail,
    waiting,
    async [Symbol.asyncDispose]() {
      await storage.close();
      await store[Symbol.asyncDispose]();
    },
  };
}

test("a mail that failed is tried again, later each time, until it is taken", async () => {
  let tries = 0;
  await using context = await setup(async () => {
    tries += 1;
    if (tries < 4) throw new MailError("not now", true);
  });
  const { clock, storage, box, stop, mail, waiting } = context;
  await storage.commit([box.change(mail)]);
  const running = box.run(stop.signal);
  for (const [seen, pause] of [
    [1, 1000],
    [2, 2000],
    [3, 4000],
  ] as const) {
    await until(() => tries === seen, `try ${seen}`);
    await until(
      async () =>
        (
          await storage.list(
            { resource: "mail", parent: "" },
            {
              sort: [{ field: "id", direction: "ascending" }],
              limit: 1,
              filter: { kind: "compare", field: "attempts", operator: "eq", value: seen },
            },
          )
        ).length === 1,
      "the record of the try",
    );
    clock.advance(pause - 1);
    box.kick();
    await new Promise(setImmediate);
    assert.equal(tries, seen, "not before its time");
    clock.advance(1);
    box.kick();
  }
  await until(async () => (await waiting()) === 0, "an empty queue");
  assert.equal(tries, 4);
  stop.abort();
  await running;
});

test("a mail that is refused for good, or too old, is given up", async () => {
  let tries = 0;
  await using context = await setup(async () => {
    tries += 1;
    throw new MailError("no such person", false);
  });
  const { clock, storage, box, stop, mail, waiting } = context;
  await storage.commit([box.change(mail), box.change({ ...mail, expires: clock.now() })]);
  const running = box.run(stop.signal);
  await until(async () => (await waiting()) === 0, "an empty queue");
  assert.equal(tries, 1);
  stop.abort();
  await running;
});

test("one mail that hangs does not hold up the next four", async () => {
  const sent: string[] = [];
  const hang = Promise.withResolvers<void>();
  await using context = await setup(async ({ to }) => {
    if (to.startsWith("slow")) await hang.promise;
    sent.push(to);
  });
  const { storage, box, stop, mail } = context;
  const names = ["slow", "b", "c", "d", "e"];
  await storage.commit(names.map((name) => box.change({ ...mail, to: `${name}@example.org` })));
  const running = box.run(stop.signal);
  await until(() => sent.length === 4, "four mails");
  hang.resolve();
  await until(() => sent.length === 5, "the slow one");
  stop.abort();
  await running;
});

test("a mail whose account is erased while it is being sent does not come back", async () => {
  const gate = Promise.withResolvers<void>();
  let started = false;
  await using context = await setup(async () => {
    started = true;
    await gate.promise;
    throw new MailError("not now", true);
  });
  const { storage, box, stop, mail, waiting } = context;
  await storage.commit([box.change(mail)]);
  const running = box.run(stop.signal);
  await until(() => started, "the try");
  await storage.erase(await box.waitingFor("a"));
  gate.resolve();
  stop.abort();
  await running;
  assert.equal(await waiting(), 0);
});

test("withdrawing takes back what waits and waits for what is being sent", async () => {
  const gate = Promise.withResolvers<void>();
  const sent: string[] = [];
  let begun = 0;
  await using context = await setup(async ({ to }) => {
    begun++;
    await gate.promise;
    sent.push(to);
  });
  const { storage, box, stop, mail, waiting } = context;
  const six = Array.from({ length: 6 }, () => box.change(mail));
  await storage.commit([...six, box.change({ ...mail, account: "b", to: "other@example.org" })]);
  const running = box.run(stop.signal);
  await until(() => begun > 0, "the first try");
  let withdrawn = false;
  const withdrawing = box.withdraw("a").then(() => {
    withdrawn = true;
  });
  await until(async () => (await waiting()) === 1, "the other account's mail alone");
  assert.equal(withdrawn, false);
  gate.resolve();
  await withdrawing;
  const before = sent.filter((to) => to === mail.to).length;
  await until(() => sent.includes("other@example.org"), "the other account's mail");
  assert.equal(sent.filter((to) => to === mail.to).length, before);
  assert.ok(before <= 5);
  stop.abort();
  await running;
});

test("the queue is bounded: too many waiting mails are a 503", async () => {
  await using context = await setup(async () => {}, 2);
  const { storage, box, mail } = context;
  await box.makeRoom();
  await storage.commit([box.change(mail), box.change(mail)]);
  await assert.rejects(box.makeRoom(), (error: unknown) => ServiceError.is(error) && error.code === "unavailable");
});

test("of two instances one sends each mail; what one had when it died the other sends later", async () => {
  const sent: string[] = [];
  let dies = false;
  const gate = Promise.withResolvers<void>();
  await using context = await setup(async ({ to }) => {
    sent.push(to);
    if (dies) return new Promise(() => {});
    await gate.promise;
  });
  const { clock, storage, box, stop, mail, waiting } = context;
  const mailer: Mailer = {
    send: async ({ to }) => void sent.push(to),
    forget: async () => 0,
    async [Symbol.asyncDispose]() {},
  };
  const other = outbox({ storage, mailer, clock, log: silentLogger });
  await storage.commit(Array.from({ length: 8 }, (_, n) => box.change({ ...mail, to: `${n}@example.org` })));
  const running = [box.run(stop.signal), other.run(stop.signal)];
  for (let n = 0; n < 50; n++) {
    box.kick();
    other.kick();
    await new Promise(setImmediate);
  }
  gate.resolve();
  await until(async () => (await waiting()) === 0, "all to be sent");
  assert.deepEqual(
    sent.toSorted(),
    Array.from({ length: 8 }, (_, n) => `${n}@example.org`),
  );

  dies = true;
  await storage.commit([box.change({ ...mail, to: "late@example.org" })]);
  box.kick();
  await until(() => sent.length === 9, "the one that dies to have it");
  other.kick();
  for (let n = 0; n < 20; n++) await new Promise(setImmediate);
  assert.equal(sent.length, 9);
  clock.advance(90_000);
  other.kick();
  await until(async () => (await waiting()) === 0, "the other to send it");
  assert.equal(sent.length, 10);
  stop.abort();
  await running[1];
});
