import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { Type } from "typebox";
import { everyone, role } from "../operations/access.ts";
import { resource } from "../resource.ts";
import { service } from "../service.ts";
import type { BackgroundTask } from "../service-declaration.ts";
import type { Change, Storage } from "../storage/storage.ts";
import { silentLogger } from "../telemetry/log.ts";
import { deadLetters } from "./consumer.ts";
import type { ChangeEvent } from "./events.ts";
import { type ListenerOptions, listen } from "./events-listener.ts";
import { eventSource } from "./events-source.ts";

const open = { create: [everyone], read: [everyone], write: [everyone] };
const people = resource("people", { schema: Type.Object({ name: Type.String() }), access: open });
const pets = resource("pets", {
  schema: Type.Object({
    name: Type.String(),
    chip: Type.Optional(Type.String({ writeOnly: true })),
    note: Type.Optional(Type.String()),
  }),
  parent: people,
  access: open,
  fieldAccess: { note: { read: [role("vet")] } },
});
const quiet = resource("quiet", { schema: Type.Object({ n: Type.Number() }), access: open, logBodies: false });

async function started(
  t: TestContext,
  tasks: readonly BackgroundTask[],
  { folder, storage }: { readonly folder?: string; readonly storage?: Storage } = {},
) {
  const running = await service({ name: "kittens", version: "1", resources: [people, pets, quiet], tasks }).start({
    log: silentLogger,
    ...(storage === undefined ? {} : { storage }),
    settings: { storage: folder === undefined ? "memory:" : `sqlite:${join(folder, "events.db")}` },
  });
  t.after(() => running.stop());
  const call = async (method: string, path: string, data?: object, id = "r-1") => {
    const response = await running.fetch(
      new Request(`http://local/v1${path}`, {
        method,
        headers: { "content-type": "application/json", "x-request-id": id },
        ...(data === undefined ? {} : { body: JSON.stringify({ data }) }),
      }),
    );
    assert.ok(response.ok, await response.clone().text());
    // biome-ignore lint/suspicious/noExplicitAny: tests look into answers whose shape they assert
    return ((await response.json()) as any).data;
  };
  return { running, call };
}

/** A listener that keeps what it hears. */
function recorder(options: Partial<ListenerOptions> = {}) {
  const events: ChangeEvent[] = [];
  let wake = (): void => {};
  const task = listen({
    name: "recorder",
    wait: async () => {},
    ...options,
    async handler(event, context) {
      await options.handler?.(event, context);
      events.push(event);
      wake();
    },
  });
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo())
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  };
  return { task, events, until, payloads: () => events.map(({ payload }) => payload) };
}

function put(id: string, name: string): Change {
  const key = { resource: "people", parent: "", id };
  return { kind: "put", key, body: JSON.stringify({ name }), expect: { kind: "any" } };
}

describe("events", () => {
  test("say what happened to which object, where, by whom, and how it was before", async (t) => {
    const { task, until, payloads, events } = recorder();
    const { call, running } = await started(t, [task]);
    const ann = await call("PUT", "/people/ann", { name: "Ann" });
    await call("PUT", "/people/ann/pets/rex", { name: "Rex" });
    await until(() => events.length === 2);
    const old = await call("PATCH", "/people/ann", { name: "Anna" });
    const gone = await call("DELETE", "/people/ann/pets/rex");
    await until(() => events.length === 4);
    const [created, nested, updated, deleted] = payloads();
    assert.deepEqual(created, {
      type: "people.create",
      timestamp: created?.timestamp,
      action: "create",
      uri: "/people/ann",
      resource_name: "people",
      people_id: "ann",
      impacted_objects: [{ new: ann }],
    });
    assert.ok(Math.abs((created?.timestamp ?? 0) - Date.now()) < 60_000);
    assert.equal(nested?.uri, "/people/ann/pets/rex");
    assert.equal(nested?.people_id, "ann");
    assert.equal(nested?.pets_id, "rex");
    assert.deepEqual(updated?.impacted_objects, [{ new: old, old: ann }]);
    const { old: before, new: now } = deleted?.impacted_objects[0] ?? {};
    assert.deepEqual(now, gone);
    assert.equal(before?.name, "Rex");
    await running.storage.commit([put("eve", "Eve")], { principal: "account:bob", requestId: "r-2" });
    await until(() => events.length === 5);
    assert.equal(payloads()[4]?.user_id, "account:bob");
  });

  test("of one request and one list are one, in the order in which they first occur", async (t) => {
    const { task, until, payloads, events } = recorder();
    const { running, call } = await started(t, [task]);
    await running.storage.commit([put("a", "A"), put("b", "B")], { requestId: "first" });
    await until(() => events.length === 1);
    await running.storage.commit([put("c", "C"), put("a", "AA"), put("d", "D"), put("b", "BB")], {
      requestId: "second",
    });
    await until(() => events.length === 3);
    const [, created, updated] = payloads();
    assert.deepEqual([created?.action, updated?.action], ["create", "update"]);
    assert.equal(created?.uri, "/people");
    assert.equal(created?.people_id, undefined);
    assert.deepEqual(
      updated?.impacted_objects.map(({ new: now, old }) => [now.name, old?.name]),
      [
        ["AA", "A"],
        ["BB", "B"],
      ],
    );
    await call("DELETE", "/people", undefined, "third");
    await until(() => events.length === 4);
    assert.equal(payloads()[3]?.impacted_objects.length, 4);
    await running.storage.commit([put("x", "1"), put("x", "2")], { requestId: "fourth" });
    await until(() => events.length === 6);
    assert.equal(payloads()[5]?.impacted_objects[0]?.old?.name, "1");
  });

  test("hold no field that is never sent, and nothing of resources whose bodies are not logged", async (t) => {
    const all = recorder();
    const few = recorder({ name: "few", publicOnly: true });
    const { call } = await started(t, [all.task, few.task]);
    await call("PUT", "/people/ann", { name: "Ann" });
    await call("PUT", "/people/ann/pets/rex", { name: "Rex", chip: "secret", note: "bites" });
    const silent = await call("PUT", "/quiet/q", { n: 1 });
    for (const { until, events } of [all, few]) await until(() => events.length === 3);
    const pet = (from: typeof all) => from.payloads()[1]?.impacted_objects[0]?.new;
    assert.equal(pet(all)?.chip, undefined);
    assert.equal(pet(all)?.note, "bites");
    assert.equal(pet(few)?.note, undefined);
    assert.deepEqual(all.payloads()[2]?.impacted_objects, [{ new: { id: "q", last_modified: silent.last_modified } }]);
  });
});

test("a log that ends because its storage closes ends the reading of events", async () => {
  let reads = 0;
  const source = eventSource({
    storage: {
      // biome-ignore lint/correctness/useYield: it has ended
      log: async function* () {
        reads++;
      },
      position: async () => 0,
    },
    begun: async () => undefined,
  });
  assert.deepEqual(await Array.fromAsync(source.log({ follow: true })), []);
  assert.equal(reads, 2);
});

describe("a listener", () => {
  test("hears of the resources and actions it names", async (t) => {
    const { task, until, payloads, events } = recorder({ resources: [people], actions: ["delete"] });
    const { call } = await started(t, [task]);
    await call("PUT", "/people/ann", { name: "Ann" });
    await call("PUT", "/quiet/q", { n: 1 });
    await call("DELETE", "/quiet/q");
    await call("DELETE", "/people/ann");
    await until(() => events.length === 1);
    assert.equal(payloads()[0]?.type, "people.delete");
  });

  test("that is new hears of what happens from now on, or of everything", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "events-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const before = await started(t, [], { folder });
    await before.call("PUT", "/people/ann", { name: "Ann" });
    await before.running.stop();
    const late = recorder({ name: "late" });
    const early = recorder({ name: "early", fromStart: true });
    const { call } = await started(t, [late.task, early.task], { folder });
    await call("PUT", "/people/bob", { name: "Bob" });
    await early.until(() => early.events.length === 2);
    await late.until(() => late.events.length === 1);
    assert.equal(late.payloads()[0]?.people_id, "bob");
  });

  test("that was away hears of what happened meanwhile, and of what it had not finished under the same id", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "events-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const { promise: reached, resolve } = Promise.withResolvers<string>();
    const hanging = recorder({
      handler: (event, { signal }) => {
        resolve(event.id);
        return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("stopped"))));
      },
    });
    const first = await started(t, [hanging.task], { folder });
    await first.running.storage.commit([put("a", "A")], { requestId: "one" });
    const id = await reached;
    // More of the same request: not part of what was begun.
    await first.running.storage.commit([put("b", "B")], { requestId: "one" });
    await first.running.stop();
    const away = await started(t, [], { folder });
    await away.call("PUT", "/people/c", { name: "C" });
    await away.running.stop();
    const { task, until, payloads, events } = recorder();
    await started(t, [task], { folder });
    await until(() => events.length === 3);
    assert.equal(events[0]?.id, id);
    assert.deepEqual(
      payloads().map(({ people_id }) => people_id),
      ["a", "b", "c"],
    );
    assert.equal(new Set(events.map((event) => event.id)).size, 3);
  });

  test("that fails is asked again, in order; what it has handled it is not asked again in between", async (t) => {
    const tries: string[] = [];
    const { task, until, events } = recorder({
      handler: (event, { attempt }) => {
        tries.push(`${event.payload.action} ${attempt}`);
        if (event.payload.action === "update" && attempt < 3) throw new Error("not yet");
      },
    });
    const { running } = await started(t, [task]);
    await running.storage.commit([put("a", "A"), put("a", "AA"), put("b", "B")], { requestId: "one" });
    await until(() => events.length === 2);
    assert.deepEqual(tries, ["create 1", "update 1", "update 2", "update 3"]);
  });

  test("that never succeeds leaves a dead letter, and the others of the same request are not lost with it", async (t) => {
    const { task, until, events, payloads } = recorder({
      retry: { attempts: 2 },
      handler: ({ payload }) => {
        if (payload.action === "create" && payload.impacted_objects[0]?.new.id === "a") throw new Error("never");
      },
    });
    const { running } = await started(t, [task]);
    await running.storage.commit([put("a", "A"), put("a", "AA")], { requestId: "one" });
    await running.storage.commit([put("b", "B")], { requestId: "two" });
    await until(() => events.length === 2);
    assert.deepEqual(
      payloads().map(({ type }) => type),
      ["people.update", "people.create"],
    );
    const letters = await Array.fromAsync(deadLetters(running.storage, "recorder"));
    assert.equal(letters.length, 1);
  });

  test("needs a name that positions can be kept under", () => {
    assert.throws(() => listen({ name: "A b", handler: () => {} }), /lower-case/);
  });
});
