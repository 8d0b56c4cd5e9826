/** The database is slow, stands still, or is kept by somebody else: requests end in time, with a 503 where they cannot be served, and it goes on by itself. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { backends, embedded } from "./backends.ts";
import { assertWhole } from "./check.ts";
import { type Reply, type ServiceProcess, startService } from "./processes.ts";
import { assertRefusal, bodyOf, eventually, startLoad, type Written } from "./writers.ts";

/** Requests of every kind at once, each answered within the deadline of requests. */
async function flood(service: ServiceProcess, written: Written[], each: number): Promise<readonly Reply[]> {
  const replies = Array.from({ length: each }, async (_, n) => {
    const ids = [crypto.randomUUID(), crypto.randomUUID()];
    const one: Written = { ids: ids.slice(0, 1), acknowledged: undefined, pending: { value: n } };
    written.push(one);
    return Promise.all([
      service.send("PUT", `/notes/${ids[0]}`, { data: bodyOf(ids[0] ?? "", n) }).then((reply) => {
        if (reply.status === 201) Object.assign(one, { acknowledged: n, pending: undefined });
        return reply;
      }),
      service.send("GET", "/notes/known"),
      service.send("GET", "/notes?_sort=n&_limit=3"),
      service.send("POST", "/batch", { atomic: true, requests: [{ method: "DELETE", path: `/notes/${ids[1]}` }] }),
      service.send("GET", "/__heartbeat__"),
    ]);
  });
  return (await Promise.all(replies)).flat();
}

function residentMegabytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
}

for (const { name, skip, start, isEmbedded } of backends) {
  test(`${name}: a database that stands still is a 503 in time with every default, nothing piles up, and it goes on by itself`, {
    skip: isEmbedded ? embedded : skip,
  }, async () => {
    await using backend = await start();
    const { server } = backend;
    assert.ok(server !== undefined);
    const url = backend.fresh();
    await using service = await startService({ storage: url });
    const written: Written[] = [{ ids: ["known"], acknowledged: 1, pending: undefined }];
    await service.send("PUT", "/notes/known", { data: bodyOf("known", 1) });
    await flood(service, written, 5);
    const before = residentMegabytes(service.pid);
    server.freeze();
    try {
      const replies = await flood(service, written, 40);
      for (const reply of replies.filter(({ body }) => body?.errno !== undefined || body?.data !== undefined)) {
        assert.ok(assertRefusal(reply), `answered with ${reply.status} by a database that stands still`);
      }
      assert.ok(replies.every(({ status }) => status === 503));
      // Whoever comes later is refused as well, and sooner.
      const later = await flood(service, written, 40);
      assert.ok(later.every(({ status }) => status === 503));
      const grown = residentMegabytes(service.pid) - before;
      assert.ok(grown < 150, `memory grew by ${grown} MB`);
    } finally {
      server.thaw();
    }
    const load = startLoad(service);
    await eventually("it goes on by itself", () => load.counts.acknowledged > 50);
    await eventually("the heartbeat says so", async () => (await service.send("GET", "/__heartbeat__")).status === 200);
    load.stop();
    await load.done;
    await assertWhole(url, [...written, ...load.written]);
  });

  test(`${name}: a way to the database that is slow is slow and nothing else; one that leads nowhere is a 503`, {
    skip: isEmbedded ? embedded : skip,
  }, async () => {
    await using backend = await start();
    const { server } = backend;
    assert.ok(server !== undefined);
    await using proxy = await server.proxy();
    const url = backend.fresh({ statement_timeout: "5", connect_timeout: "5" });
    await using service = await startService({ storage: proxy.through(url) });
    const written: Written[] = [];
    await service.send("PUT", "/notes/known", { data: bodyOf("known", 1) });
    proxy.delay(50);
    const slow = await flood(service, written, 5);
    assert.ok(
      slow.every(({ status }) => status < 300),
      JSON.stringify(slow.find(({ status }) => status >= 300)),
    );
    proxy.delay(0);
    proxy.standStill(true);
    const still = await flood(service, written, 20);
    assert.ok(
      still.every(({ status }) => status === 503),
      JSON.stringify(still.find(({ status }) => status !== 503)),
    );
    assert.ok(proxy.open < 40, `${proxy.open} connections are open`);
    proxy.standStill(false);
    const load = startLoad(service);
    await eventually("it goes on by itself", () => load.counts.acknowledged > 50);
    load.stop();
    await load.done;
    await assertWhole(url, [...written, ...load.written]);
  });

  test(`${name}: while somebody else keeps the store reads go on, writes wait, and are a 503 in time where they wait in vain`, {
    skip,
  }, async () => {
    await using backend = await start();
    const url = backend.fresh();
    await using service = await startService({ storage: url });
    await service.send("PUT", "/notes/known", { data: bodyOf("known", 1) });
    const written: Written[] = [];

    /** Writes of every kind; their answers. */
    function write(each: number): readonly Promise<Reply>[] {
      return Array.from({ length: each }, async (_, n) => {
        const ids = n % 2 === 0 ? [crypto.randomUUID()] : [crypto.randomUUID(), crypto.randomUUID()];
        const one: Written = { ids, acknowledged: undefined, pending: { value: n } };
        written.push(one);
        const requests = ids.map((id) => ({ method: "PUT", path: `/notes/${id}`, body: { data: bodyOf(id, n) } }));
        const [only] = requests;
        const reply =
          n % 2 === 0 && only !== undefined
            ? await service.send("PUT", only.path, only.body)
            : await service.send("POST", "/batch", { atomic: true, requests });
        if (!assertRefusal(reply)) Object.assign(one, { acknowledged: n, pending: undefined });
        return reply;
      });
    }

    const release = await backend.holdWriters(url);
    const first = write(10);
    const reads = await Promise.all(
      Array.from({ length: 20 }, () => service.send("GET", "/notes/known").then(({ status }) => status)),
    );
    assert.deepEqual(new Set(reads), new Set([200]));
    // Those that come when others wait already do not wait for as long again.
    const later = write(10);
    for (const { status } of await Promise.all([...first, ...later])) assert.equal(status, 503);
    const waiting = write(10);
    await release();
    for (const { status } of await Promise.all(waiting)) assert.ok(status < 300, `answered with ${status}`);
    await assertWhole(url, written);
  });
}
