/** Several processes on one store, of each kind: one order of writes, one feed of changes, and background work that one of them does. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { EventSourceParserStream } from "eventsource-parser/stream";
import { backends, type Running } from "../faults/backends.ts";
import { type ServiceProcess, spareProcess } from "../faults/processes.ts";

interface Item {
  readonly id: string;
  readonly last_modified: number;
}
interface Copy extends Item {
  readonly times: number;
  readonly by: number;
}

for (const backend of backends)
  describe(`several processes on one store: ${backend.name}`, { skip: backend.skip }, () => {
    let running: Running;
    before(async () => {
      running = await backend.start();
    });
    after(() => running?.[Symbol.asyncDispose]());

    async function processes(t: TestContext, count: number, settings: object = {}) {
      const storage = running.fresh();
      const started = await Promise.all(
        Array.from({ length: count }, () =>
          spareProcess(join(import.meta.dirname, "service-process.ts")).start({ storage, ...settings }),
        ),
      );
      t.after(() => Promise.all(started.map((each) => each.kill())));
      const [first, ...others] = started;
      assert.ok(first !== undefined);
      return [first, ...others] as const;
    }

    test("revisions are unique and grow for everybody, and nothing acknowledged is lost when one is killed in the middle", async (t) => {
      const [first, second, third] = await processes(t, 3);
      assert.ok(second !== undefined && third !== undefined);
      const acknowledged = new Map<string, number>();
      let newest = 0;
      let killed = false;
      const writer = async (process: ServiceProcess, lane: number): Promise<void> => {
        for (let n = 0; n < 12; n++) {
          // What has been acknowledged to anybody is older than what is asked for now.
          const before = newest;
          try {
            if (lane % 2 === 0) {
              const { status, body } = await process.send("POST", "/notes", { data: { n, text: "single" } });
              if (status !== 201) throw new Error(`status ${status}`);
              acknowledge(before, body?.data as unknown as Item);
            } else {
              const requests = [1, 2, 3].map(() => ({
                method: "POST",
                path: "/v1/notes",
                body: { data: { n, text: "batch" } },
              }));
              const { status, body } = await process.send("POST", "/batch", { requests });
              if (status !== 200) throw new Error(`status ${status}`);
              for (const response of body?.responses ?? [])
                acknowledge(before, (response as unknown as { body: { data: Item } }).body.data);
            }
          } catch (error) {
            if (process === third && killed) return;
            throw error;
          }
        }
      };
      const acknowledge = (before: number, { id, last_modified: revision }: Item): void => {
        assert.ok(revision > before, `${revision} came after ${before}`);
        acknowledged.set(id, revision);
        newest = Math.max(newest, revision);
        if (acknowledged.size < 30 || killed) return;
        killed = true;
        void third.kill();
      };
      await Promise.all(
        [first, second, third].flatMap((process) => Array.from({ length: 4 }, (_, lane) => writer(process, lane))),
      );
      assert.ok(killed);
      for (const process of [first, second]) {
        const { body } = await process.send("GET", "/notes?_sort=last_modified");
        const items = body?.data as unknown as readonly Item[];
        const revisions = items.map(({ last_modified: revision }) => revision);
        assert.equal(new Set(revisions).size, revisions.length);
        const stored = new Map(items.map(({ id, last_modified: revision }) => [id, revision]));
        for (const [id, revision] of acknowledged) assert.equal(stored.get(id), revision);
      }
    });

    test("a live stream on one sees at once what is written on another", async (t) => {
      const [first, second] = await processes(t, 2);
      assert.ok(second !== undefined);
      const stop = new AbortController();
      t.after(() => stop.abort());
      const response = await fetch(`${first.origin}/v1/notes?_watch=true`, {
        headers: { accept: "text/event-stream" },
        signal: stop.signal,
      });
      assert.equal(response.headers.get("content-type")?.startsWith("text/event-stream"), true);
      const events = response.body?.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
      assert.ok(events !== undefined);
      const written: string[] = [];
      for (let n = 0; n < 5; n++) {
        const { body } = await second.send("POST", "/notes", { data: { n, text: "elsewhere" } });
        written.push(String(body?.data?.id));
      }
      const seen: string[] = [];
      for await (const { data } of events) {
        const id = /"id":"([^"]+)"/.exec(data)?.[1];
        if (id !== undefined) seen.push(id);
        if (seen.length === written.length) break;
      }
      assert.deepEqual(seen, written);
    });

    test("a consumer works in one of them, and in another when that one is killed; each entry takes effect once", async (t) => {
      const all = await processes(t, 2);
      const [first] = all;
      const ids: string[] = [];
      const write = async (process: ServiceProcess): Promise<void> => {
        const { body } = await process.send("POST", "/notes", { data: { n: 0, text: "to copy" } });
        ids.push(String(body?.data?.id));
      };
      const copiesOf = async (process: ServiceProcess): Promise<readonly Copy[]> =>
        (await process.send("GET", "/copies")).body?.data as unknown as readonly Copy[];
      for (let n = 0; n < 10; n++) for (const process of all) await write(process);
      while ((await copiesOf(first)).length < ids.length);
      const before = await copiesOf(first);
      const holder = all.find(({ pid }) => pid === before[0]?.by);
      const other = all.find((each) => each !== holder);
      assert.ok(holder !== undefined && other !== undefined);
      assert.deepEqual(new Set(before.map(({ by }) => by)), new Set([holder.pid]));
      const tries = (await other.send("GET", "/tries")).body?.data as unknown as readonly Copy[];
      assert.deepEqual(
        tries.map(({ by }) => by),
        [holder.pid],
      );
      // In the middle of its work.
      const writing = Array.from({ length: 30 }, () => write(other));
      await holder.kill();
      await Promise.all(writing);
      let copies = await copiesOf(other);
      while (copies.length < ids.length) copies = await copiesOf(other);
      assert.deepEqual(new Set(copies.map(({ id }) => id)), new Set(ids));
      assert.ok(copies.every(({ times }) => times === 1));
      assert.ok(copies.some(({ by }) => by === other.pid));
    });

    test("a webhook is told of each event once while all live, and of all when one is killed", async (t) => {
      const told: string[] = [];
      const receiver = createServer((request, response) => {
        told.push(String(request.headers["webhook-id"]));
        request.resume().on("end", () => response.end());
      });
      receiver.listen(0, "127.0.0.1");
      await once(receiver, "listening");
      t.after(() => receiver.close().closeAllConnections());
      const { port } = receiver.address() as AddressInfo;
      const url = `http://127.0.0.1:${port}/`;
      const secret = `whsec_${Buffer.alloc(24, 1).toString("base64")}`;
      const all = await processes(t, 2, { webhooks: [{ name: "all", url, secret, resources: ["notes"] }] });
      const [first, second] = all;
      assert.ok(second !== undefined);
      for (let n = 0; n < 10; n++)
        for (const process of all) await process.send("POST", "/notes", { data: { n, text: "told" } });
      while (told.length < 20) await once(receiver, "request");
      assert.equal(new Set(told).size, 20);
      assert.equal(told.length, 20);
      const copies = (await first.send("GET", "/copies")).body?.data as unknown as readonly Copy[];
      const holder = all.find(({ pid }) => pid === copies[0]?.by) ?? first;
      const other = holder === first ? second : first;
      await holder.kill();
      for (let n = 0; n < 5; n++) await other.send("POST", "/notes", { data: { n, text: "told later" } });
      while (new Set(told).size < 25) await once(receiver, "request");
    });
  });
