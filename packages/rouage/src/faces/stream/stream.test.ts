import assert from "node:assert/strict";
import { connect } from "node:net";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Type } from "typebox";
import type { AuthenticationPolicy } from "../../auth/policy.ts";
import { manualClock } from "../../clock.ts";
import { compose } from "../../compose.ts";
import { authenticated, everyone, owner, role } from "../../operations/access.ts";
import { anonymous } from "../../principal.ts";
import { resource } from "../../resource.ts";
import { serve } from "../../runtime/run.ts";
import { service } from "../../service.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { eventually, follow, serving, storages } from "./fixture.ts";

const open = { create: [everyone], read: [everyone], write: [everyone] };
const kittens = resource("kittens", {
  schema: Type.Object({ name: Type.String(), weight: Type.Optional(Type.Number()) }),
  access: open,
});

const kindsOf = (events: readonly { readonly event?: string | undefined }[]) => events.map(({ event }) => event);
const dataOf = (events: readonly { readonly data: string }[]) => events.map(({ data }) => JSON.parse(data));

for (const kind of storages) {
  describe(`change streams on ${kind}`, () => {
    test("tell first what changed since a revision, then what happens, with revisions as ids", async (t) => {
      const { call, follow } = await serving(t, [kittens], { kind });
      const tom = await call("POST", "/kittens", { name: "Tom" });
      const tim = await call("POST", "/kittens", { name: "Tim" });
      const mia = await call("POST", "/kittens", { name: "Mia" });
      const gone = await call("DELETE", `/kittens/${tim.id}`);
      const stream = await follow(`/kittens?_since=${tom.last_modified}`);
      assert.equal(stream.status, 200);
      assert.equal(stream.response.headers["content-type"], "text/event-stream");
      assert.equal(stream.response.headers["cache-control"], "no-store");
      assert.equal(stream.response.headers["x-accel-buffering"], "no");
      await stream.until(() => stream.events.some(({ event }) => event === "ready"));
      const max = await call("PUT", "/kittens/max", { name: "Max" });
      const fat = await call("PATCH", "/kittens/max", { weight: 9 });
      const end = await call("DELETE", "/kittens/max");
      await stream.until(() => stream.events.length === 6);
      assert.deepEqual(kindsOf(stream.events), ["update", "delete", "ready", "create", "update", "delete"]);
      assert.deepEqual(dataOf(stream.events), [mia, gone, { last_modified: gone.last_modified }, max, fat, end]);
      assert.deepEqual(
        stream.events.map(({ id }) => Number(id)),
        [mia, gone, gone, max, fat, end].map(({ last_modified }) => last_modified),
      );
      assert.match(stream.text(), /^retry: [234]\d{3}\n\n/);
    });

    test("without a revision tell where the list is, and then only what happens", async (t) => {
      const { call, follow } = await serving(t, [kittens], { kind });
      const tom = await call("POST", "/kittens", { name: "Tom" });
      const stream = await follow("/kittens");
      await stream.until(() => stream.events.length === 1);
      assert.deepEqual(
        stream.events.map(({ event, id }) => [event, id]),
        [["ready", String(tom.last_modified)]],
      );
      const mia = await call("POST", "/kittens", { name: "Mia" });
      await stream.until(() => stream.events.length === 2);
      assert.deepEqual(JSON.parse(stream.events[1]?.data ?? ""), mia);
    });

    test("clients that come back again and again, while others write, miss nothing and hear nothing twice", async (t) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(fc.constantFrom("put", "put", "delete"), fc.integer({ min: 0, max: 4 })), {
            minLength: 5,
            maxLength: 40,
          }),
          fc.array(fc.integer({ min: 1, max: 8 }), { maxLength: 6 }),
          async (writes, cuts) => {
            const { running, follow, stop } = await serving(t, [kittens], { kind });
            const writing = (async () => {
              for (const [index, [what, id]] of writes.entries()) {
                const response = await running.fetch(
                  new Request(`http://local/v1/kittens/k${id}`, {
                    method: what === "put" ? "PUT" : "DELETE",
                    headers: { "content-type": "application/json" },
                    ...(what === "put" ? { body: JSON.stringify({ data: { name: `n${index}` } }) } : {}),
                  }),
                );
                await response.text();
              }
            })();
            const copy = new Map<string, object>();
            const told: number[] = [];
            let lastId = "0";
            const take = (events: readonly { data: string; id?: string | undefined; event?: string | undefined }[]) => {
              for (const { data, id, event } of events) {
                lastId = id ?? lastId;
                if (event === "ready") continue;
                const object = JSON.parse(data);
                told.push(object.last_modified);
                if (object.deleted === true) copy.delete(object.id);
                else copy.set(object.id, object);
              }
            };
            for (const cut of cuts) {
              const stream = await follow("/kittens", undefined, { "last-event-id": lastId });
              await stream.until(
                () => stream.events.length >= cut || stream.events.some(({ event }) => event === "ready"),
              );
              take(stream.events);
              stream.close();
            }
            await writing;
            const last = await follow("/kittens", undefined, { "last-event-id": lastId });
            await last.until(() => last.events.some(({ event }) => event === "ready"));
            take(last.events);
            last.close();
            const response = await running.fetch(new Request("http://local/v1/kittens"));
            const list = (await response.json()) as { data: object[] };
            const byId = (objects: Iterable<object>) =>
              [...objects].sort((a, b) => ((a as { id: string }).id < (b as { id: string }).id ? -1 : 1));
            assert.deepEqual(byId(copy.values()), byId(list.data));
            assert.deepEqual(
              told,
              [...new Set(told)].sort((a, b) => a - b),
            );
            await stop();
          },
        ),
        { numRuns: kind === "memory" ? 25 : 10 },
      );
    });

    test("one that stays while others write hears every change once, in the order of revisions", async (t) => {
      const { call, follow } = await serving(t, [kittens], { kind });
      for (let n = 0; n < 450; n += 50)
        await Promise.all(Array.from({ length: 50 }, (_, i) => call("PUT", `/kittens/old${n + i}`, { name: "old" })));
      const stream = await follow("/kittens?_since=0");
      const written: number[] = [];
      await Promise.all(
        Array.from({ length: 5 }, async (_, writer) => {
          for (let n = 0; n < 20; n++)
            written.push((await call("PUT", `/kittens/new${writer}`, { name: `${n}` })).last_modified);
        }),
      );
      const highest = Math.max(...written);
      await stream.until(() => Number(stream.events.at(-1)?.id) === highest);
      const revisions = stream.events
        .filter(({ event }) => event !== "ready")
        .map(({ data }) => JSON.parse(data).last_modified);
      assert.deepEqual(
        revisions,
        [...new Set(revisions)].sort((a, b) => a - b),
      );
      const last = new Map(dataOf(stream.events).map(({ id, name }) => [id, name]));
      last.delete(undefined);
      assert.equal(last.size, 455);
      for (let writer = 0; writer < 5; writer++) assert.equal(last.get(`new${writer}`), "19");
    });

    test("filters and projections hold for what happens as for lists; who saw an object hears that it is gone", async (t) => {
      const { call, follow } = await serving(t, [kittens], { kind });
      const stream = await follow("/kittens?min_weight=3&_fields=weight");
      await stream.until(() => stream.events.length === 1);
      await call("PUT", "/kittens/thin", { name: "Thin", weight: 1 });
      const fat = await call("PUT", "/kittens/fat", { name: "Fat", weight: 5 });
      await call("DELETE", "/kittens/thin");
      const end = await call("DELETE", "/kittens/fat");
      await stream.until(() => stream.events.length === 3);
      assert.deepEqual(dataOf(stream.events.slice(1)), [
        { id: "fat", last_modified: fat.last_modified, weight: 5 },
        end,
      ]);
      const again = await follow(`/kittens?min_weight=3&_since=0`);
      await again.until(() => again.events.at(-1)?.event === "ready");
      assert.deepEqual(dataOf(again.events.slice(0, -1)), [end]);
    });

    test("rules on objects and fields hold for each change", async (t) => {
      const diaries = resource("diaries", {
        schema: Type.Object({
          text: Type.String(),
          mood: Type.Optional(Type.String()),
          pin: Type.Optional(Type.String({ writeOnly: true })),
        }),
        access: { create: [authenticated], read: [owner, role("admin")], write: [owner] },
        fieldAccess: { mood: { read: [owner] } },
      });
      const { call, follow } = await serving(t, [diaries], { kind });
      await call("PUT", "/diaries/a0", { text: "ann's" }, "ann");
      const ann = await follow("/diaries?_since=0", "ann");
      const admin = await follow("/diaries", "admin");
      await ann.until(() => ann.events.at(-1)?.event === "ready");
      await admin.until(() => admin.events.length === 1);
      await call("PUT", "/diaries/b1", { text: "bob's", mood: "sad", pin: "1" }, "bob");
      await call("DELETE", "/diaries/b1", undefined, "bob");
      await call("PUT", "/diaries/a1", { text: "ann's", mood: "gay", pin: "2" }, "ann");
      await call("DELETE", "/diaries/a0", undefined, "ann");
      await ann.until(() => ann.events.length === 4);
      await admin.until(() => admin.events.length === 5);
      const strip = (events: readonly { data: string }[]) =>
        dataOf(events).map(({ last_modified: _, ...rest }) => rest);
      assert.deepEqual(strip(ann.events.filter(({ event }) => event !== "ready")), [
        { id: "a0", text: "ann's" },
        { id: "a1", text: "ann's", mood: "gay" },
        { id: "a0", deleted: true },
      ]);
      assert.deepEqual(strip(admin.events.slice(1)), [
        { id: "b1", text: "bob's" },
        { id: "b1", deleted: true },
        { id: "a1", text: "ann's" },
        { id: "a0", deleted: true },
      ]);
    });

    test("what the log does not keep is told from the list, each state once", async (t) => {
      const quiet = resource("quiet", { schema: Type.Object({ n: Type.Number() }), access: open, logBodies: false });
      const { call, follow } = await serving(t, [quiet], { kind });
      const stream = await follow("/quiet?_since=0");
      await stream.until(() => stream.events.length === 1);
      const told = [await call("PUT", "/quiet/a", { n: 1 })];
      await stream.until(() => stream.events.length === 2);
      told.push(await call("PUT", "/quiet/a", { n: 2 }));
      await stream.until(() => stream.events.length === 3);
      told.push(await call("DELETE", "/quiet/a"));
      await stream.until(() => stream.events.length === 4);
      assert.deepEqual(dataOf(stream.events.slice(1)), told);
    });

    test("what is shared is told to whom it is shared with, until it is not", async (t) => {
      const notes = resource("notes", { schema: Type.Object({ text: Type.String() }), sharing: true });
      const { origin, follow, call } = await serving(t, [notes], { kind });
      const put = async (id: string, text: string, read: readonly string[]) => {
        const response = await fetch(`${origin}/v1/notes/${id}`, {
          method: "PUT",
          headers: { "content-type": "application/json", authorization: "Test ann" },
          body: JSON.stringify({ data: { text }, permissions: { read } }),
        });
        assert.ok(response.ok, await response.text());
      };
      await call("PUT", "/notes/mine", { text: "bob's own" }, "bob");
      const bob = await follow("/notes", "bob");
      await bob.until(() => bob.events.length === 1);
      await put("one", "secret", []);
      await put("one", "for bob", ["test:bob"]);
      await put("one", "secret again", []);
      await put("two", "for all", ["system.Everyone"]);
      await bob.until(() => bob.events.length === 3);
      assert.deepEqual(
        dataOf(bob.events.slice(1)).map(({ text }) => text),
        ["for bob", "for all"],
      );
    });

    test("lists of one's own and nested lists have streams; singletons have none", async (t) => {
      const mine = resource("mine", { schema: Type.Object({ n: Type.Number() }), perUser: true });
      const people = resource("people", { schema: Type.Object({}), access: open });
      const pets = resource("pets", { schema: Type.Object({ n: Type.Number() }), parent: people, access: open });
      const profile = resource("profile", {
        schema: Type.Object({ n: Type.Number() }),
        perUser: true,
        singleton: true,
      });
      const { call, follow } = await serving(t, [mine, people, pets, profile], { kind });
      await call("PUT", "/people/p1", {});
      await call("PUT", "/people/p2", {});
      const ann = await follow("/mine", "ann");
      const first = await follow("/people/p1/pets");
      for (const stream of [ann, first]) await stream.until(() => stream.events.length === 1);
      await call("PUT", "/mine/x", { n: 1 }, "bob");
      await call("PUT", "/mine/x", { n: 2 }, "ann");
      await call("PUT", "/people/p2/pets/x", { n: 3 });
      await call("PUT", "/people/p1/pets/x", { n: 4 });
      for (const stream of [ann, first]) await stream.until(() => stream.events.length === 2);
      assert.equal(JSON.parse(ann.events[1]?.data ?? "").n, 2);
      assert.equal(JSON.parse(first.events[1]?.data ?? "").n, 4);
      await call("PUT", "/profile", { n: 5 }, "ann");
      const none = await follow("/profile", "ann");
      assert.equal(none.status, 406);
      const nobody = await follow("/mine");
      assert.equal(nobody.status, 401);
      const nowhere = await follow("/people/p3/pets");
      assert.equal(nowhere.status, 404);
      await call("DELETE", "/people/p1");
      await eventually(first.isClosed);
      assert.equal(first.events.at(-1)?.event, "end");
      assert.equal(JSON.parse(first.events.at(-1)?.data ?? "").code, 404);
    });
  });
}

describe("who may stream", () => {
  const guarded = resource("guarded", {
    schema: Type.Object({ n: Type.Number() }),
    access: { create: [everyone], read: [role("reader")], write: [everyone] },
  });

  test("a stream ends with the token that opened it", async (t) => {
    const clock = manualClock();
    const tokens: AuthenticationPolicy = {
      name: "token",
      securityScheme: { type: "http", scheme: "token" },
      authenticate: () => ({
        id: "test:ann",
        roles: new Set(["reader"]),
        claims: { exp: clock.now() / 1000 + 60 },
        policy: "token",
      }),
    };
    const { call, follow } = await serving(t, [guarded], { clock, declaration: { authentication: [tokens] } });
    const stream = await follow("/guarded");
    await stream.until(() => stream.events.length === 1);
    clock.advance(59_000);
    await call("PUT", "/guarded/a", { n: 1 });
    await stream.until(() => stream.events.length === 2);
    clock.advance(1000);
    await call("PUT", "/guarded/a", { n: 2 });
    await eventually(stream.isClosed);
    assert.equal(stream.events.at(-1)?.event, "end");
    assert.deepEqual(JSON.parse(stream.events.at(-1)?.data ?? "").errno, 105);
    assert.ok(!stream.text().includes('"n":2'));
  });

  test("credentials are looked at anew: who lost its role, or is signed out, hears no more, even when nothing happens", async (t) => {
    for (const after of [{ ...anonymous, id: "test:ann" }, anonymous]) {
      const clock = manualClock();
      let principal = { ...anonymous, id: "test:ann", roles: new Set(["reader"]) } as typeof anonymous;
      const changing: AuthenticationPolicy = {
        name: "changing",
        securityScheme: { type: "http", scheme: "changing" },
        authenticate: () => principal,
      };
      const { follow, metric, stop } = await serving(t, [guarded], {
        clock,
        settings: { stream_heartbeat_seconds: 0.01 },
        declaration: { authentication: [changing] },
      });
      const stream = await follow("/guarded");
      await stream.until(() => stream.comments() > 1);
      principal = after;
      clock.advance(60_000);
      await eventually(stream.isClosed);
      assert.equal(stream.events.at(-1)?.event, "end");
      assert.equal(metric('stream_ends_total{reason="refused",service="kittens"}'), 1);
      await stop();
    }
  });

  test("there are so many streams and no more, of all callers and of one; requests have a limit of their own", async (t) => {
    const { follow, call, metric } = await serving(t, [kittens], {
      settings: { stream_limit: 3, stream_limit_per_caller: 2, max_concurrent_requests: 1 },
    });
    const first = await follow("/kittens", "ann");
    await follow("/kittens", "ann");
    const third = await follow("/kittens", "ann");
    assert.equal(third.status, 429);
    assert.ok(Number(third.response.headers["retry-after"]) > 0);
    assert.match(third.text(), /"errno":117/);
    assert.equal((await follow("/kittens", "bob")).status, 200);
    assert.equal((await follow("/kittens", "cat")).status, 429);
    await call("POST", "/kittens", { name: "Tom" });
    assert.equal(metric('streams_open{service="kittens"}'), 3);
    first.close();
    await eventually(() => metric('streams_open{service="kittens"}') === 2);
    assert.equal((await follow("/kittens", "ann")).status, 200);
  });
});

describe("requests for streams", () => {
  test("name the revision strictly, and nothing that has no meaning for a stream", async (t) => {
    const { follow } = await serving(t, [kittens]);
    for (const since of ["x", "-1", "1.5", "99999999999999999", '"1', "1,2"]) {
      const stream = await follow("/kittens", undefined, { "last-event-id": since });
      assert.equal(stream.status, 400, since);
      assert.match(stream.text(), /Last-Event-ID/);
      assert.equal((await follow(`/kittens?_since=${encodeURIComponent(since)}`)).status, 400, since);
    }
    for (const parameter of ["_sort=name", "_limit=1", "_token=x", "_before=1", "color=red", "_fields=color"]) {
      const stream = await follow(`/kittens?${parameter}`);
      assert.equal(stream.status, 400, parameter);
      assert.match(stream.text(), /"errno":107/);
    }
    assert.equal((await follow("/kittens?_since=%221%22&_whatever=1")).status, 200);
    assert.equal((await follow("/kittens?_since=null")).status, 200);
  });

  test("lists stay lists for who takes anything, or JSON rather", async (t) => {
    const { follow } = await serving(t, [kittens]);
    for (const accept of [
      "*/*",
      "text/*, */*;q=0.1",
      "application/json",
      "text/event-stream;q=0.5, application/json",
    ]) {
      const { response } = await follow("/kittens", undefined, { accept });
      assert.equal(response.headers["content-type"], "application/json", accept);
    }
    const { response } = await follow("/kittens", undefined, { accept: "text/event-stream, application/json;q=0.9" });
    assert.equal(response.headers["content-type"], "text/event-stream");
  });

  test("pages of other origins may follow a list", async (t) => {
    const { follow, origin } = await serving(t, [kittens]);
    const { response } = await follow("/kittens", undefined, { origin: "https://elsewhere.example" });
    assert.equal(response.headers["access-control-allow-origin"], "*");
    const preflight = await fetch(`${origin}/v1/kittens`, {
      method: "OPTIONS",
      headers: { origin: "https://elsewhere.example", "access-control-request-method": "GET" },
    });
    assert.match(preflight.headers.get("access-control-allow-headers") ?? "", /Last-Event-ID/);
  });

  test("a client that comes back after tombstones were purged is told to start afresh", async (t) => {
    const { call, follow, running } = await serving(t, [kittens]);
    const tom = await call("POST", "/kittens", { name: "Tom" });
    const gone = await call("DELETE", `/kittens/${tom.id}`);
    await call("POST", "/kittens", { name: "Mia" });
    await running.storage.purgeTombstones({ resource: "kittens", parent: "" }, gone.last_modified + 1);
    const late = await follow("/kittens", undefined, { "last-event-id": String(tom.last_modified) });
    assert.equal(late.status, 410);
    assert.match(late.text(), /"errno":204/);
    assert.equal((await follow("/kittens?_since=0")).status, 200);
  });

  test("a silent stream shows that it is alive", async (t) => {
    const { follow } = await serving(t, [kittens], { settings: { stream_heartbeat_seconds: 0.01 } });
    const stream = await follow("/kittens");
    await stream.until(() => stream.comments() >= 3);
    assert.equal(stream.events.length, 1);
  });
});

test("a door of several services passes streams through, and ends them when it drains", async (t) => {
  const running = await service({ name: "kittens", version: "1", resources: [kittens] }).start({
    log: silentLogger,
    settings: { storage: "memory:" },
  });
  const door = compose({ name: "door", version: "1", services: [running], log: silentLogger, settings: { port: 0 } });
  const server = await serve(door);
  t.after(() => server.stop());
  const stream = await follow(t, `${server.origin}/v1/kittens`);
  await stream.until(() => stream.events.length === 1);
  await running.storage.commit([
    {
      kind: "put",
      key: { resource: "kittens", parent: "", id: "a" },
      body: '{ "name":\n"a" }',
      expect: { kind: "any" },
    },
  ]);
  await stream.until(() => stream.events.length === 2);
  assert.equal(JSON.parse(stream.events[1]?.data ?? "").name, "a");
  door.drain();
  await eventually(stream.isClosed);
  assert.equal(stream.response.complete, true);
});

describe("the end of streams", () => {
  test("stopping ends them in order, refuses new ones, and is not held up by a client that reads nothing", async (t) => {
    const { follow, running, stop, origin, call, metric } = await serving(t, [kittens], {
      settings: { stop_timeout_seconds: 20 },
    });
    const stream = await follow("/kittens");
    await stream.until(() => stream.events.length === 1);
    const deaf = connect(Number(new URL(origin).port), "127.0.0.1");
    t.after(() => deaf.destroy());
    deaf.on("error", () => {});
    deaf.write("GET /v1/kittens HTTP/1.1\r\nhost: a\r\naccept: text/event-stream\r\n\r\n");
    await new Promise((resolve) => deaf.once("data", resolve));
    deaf.pause();
    const name = "x".repeat(200_000);
    for (let n = 0; n < 40; n++) await call("PUT", `/kittens/k${n}`, { name });
    await stream.until(() => stream.events.length === 41);
    running.drain();
    await eventually(stream.isClosed);
    assert.equal(stream.response.complete, true, "ended, not cut");
    assert.equal((await follow("/kittens")).status, 503);
    await eventually(() => metric('streams_open{service="kittens"}') === 0);
    const start = performance.now();
    await stop();
    assert.ok(performance.now() - start < 5000);
  });

  test("one that reads too slowly is cut off with a bounded backlog, and misses nothing when it comes back", async (t) => {
    const { follow, call, origin, metric } = await serving(t, [kittens]);
    const slow = connect(Number(new URL(origin).port), "127.0.0.1");
    t.after(() => slow.destroy());
    slow.on("error", () => {});
    let heard = "";
    slow.on("data", (data) => {
      heard += data.toString("latin1");
    });
    slow.write("GET /v1/kittens?_since=0 HTTP/1.1\r\nhost: a\r\naccept: text/event-stream\r\n\r\n");
    await eventually(() => heard.includes("event: ready"));
    slow.pause();
    const name = "x".repeat(500_000);
    let count = 0;
    while (metric('stream_ends_total{reason="slow",service="kittens"}') !== 1 && count < 200)
      await call("PUT", `/kittens/k${count++}`, { name });
    assert.equal(metric('stream_ends_total{reason="slow",service="kittens"}'), 1);
    slow.resume();
    await new Promise((resolve) => slow.once("close", resolve));
    const ids = [...heard.matchAll(/^id: (\d+)\n(?=data: \{.*\}\n\n)/gm)].map(([, id]) => id);
    const again = await follow("/kittens", undefined, { "last-event-id": ids.at(-1) ?? "0" });
    await again.until(() => again.events.some(({ event }) => event === "ready"));
    const whole = new Set(
      [...heard.matchAll(/^event: \w+\nid: \d+\ndata: \{"id":"(k\d+)".*\}\n\n/gm)].map(([, id]) => id),
    );
    for (const { id } of dataOf(again.events)) whole.add(id);
    whole.delete(undefined);
    assert.equal(whole.size, count);
  });
});
