/** The connection to the database breaks in the middle of a commit: what nobody knows is not acknowledged, and whoever tries again is told what is so. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { backends, embedded } from "./backends.ts";
import { assertWhole } from "./check.ts";
import { type Reply, type ServiceProcess, startService } from "./processes.ts";
import { assertRefusal, bodyOf, eventually, startLoad, type Written } from "./writers.ts";

/** A request, how it is sent again, and what that may be answered where the first came through and where it did not. */
interface Attempt {
  readonly what: string;
  send(service: ServiceProcess, id: string): Promise<Reply>;
  readonly came: readonly number[];
  readonly lost: readonly number[];
}

const attempts: readonly Attempt[] = [
  {
    what: "a create with If-None-Match",
    send: (service, id) => service.send("PUT", `/notes/${id}`, { data: bodyOf(id, 0) }, { "if-none-match": "*" }),
    came: [412],
    lost: [201],
  },
  {
    what: "a create with an Idempotency-Key",
    send: (service, id) =>
      service.send("POST", "/notes", { data: { id, ...bodyOf(id, 0) } }, { "idempotency-key": `"${id}"` }),
    came: [201],
    lost: [201],
  },
  {
    what: "an atomic batch with an Idempotency-Key",
    send: (service, id) =>
      service.send(
        "POST",
        "/batch",
        {
          atomic: true,
          requests: [
            { method: "PUT", path: `/notes/${id}`, headers: { "If-None-Match": "*" }, body: { data: bodyOf(id, 0) } },
          ],
        },
        { "idempotency-key": `"${id}"` },
      ),
    came: [200],
    lost: [200],
  },
];

for (const { name, skip, start, isEmbedded, isSlow = false } of backends) {
  test(`${name}: a commit whose answer is lost is a 503 or found out, and the same request again is answered right`, {
    skip: isEmbedded ? embedded : skip,
  }, async () => {
    await using backend = await start();
    const { server } = backend;
    assert.ok(server !== undefined);
    await using proxy = await server.proxy();
    const url = backend.fresh();
    // Without tasks of the service on the wire, the next commit is the one that is meant.
    await using service = await startService({ storage: proxy.through(url) });
    const written: Written[] = [];
    for (const { what, send, came, lost } of attempts)
      for (const when of ["answered", "before"] as const) {
        const id = randomUUID();
        proxy.cutNext(server.commit, when, server.committed);
        const cuts = proxy.cuts;
        const first = await send(service, id);
        assert.equal(proxy.cuts, cuts + 1, `${what}: nothing was cut`);
        const hasCome: boolean = server.findsOut || when === "answered";
        if (server.findsOut) assert.ok(first.status < 300, `${what}, ${when}: was answered with ${first.status}`);
        else assert.ok(assertRefusal(first), `${what}, ${when}: was answered with ${first.status}`);
        const { data } = (await service.send("GET", `/notes/${id}`)).body ?? {};
        assert.equal(data?.n, hasCome ? 0 : undefined, `${what}, ${when}`);
        const again = await send(service, id);
        assert.ok((hasCome ? came : lost).includes(again.status), `${what}, ${when}: again ${again.status}`);
        for (const { status } of again.body?.responses ?? []) assert.equal(status, 201, what);
        written.push({ ids: [id], acknowledged: 0, pending: undefined });
      }
    await assertWhole(url, written);
  });

  test(`${name}: connections are cut under load, in the middle of commits and anywhere`, {
    skip: isEmbedded ? embedded : skip,
  }, async () => {
    await using backend = await start();
    const { server } = backend;
    assert.ok(server !== undefined);
    await using proxy = await server.proxy();
    const url = backend.fresh();
    await using service = await startService({ storage: proxy.through(url) });
    const load = startLoad(service);
    for (let round = 0; round < (isSlow ? 8 : 20); round++) {
      const { acknowledged } = load.counts;
      await eventually("the load is under way", () => load.counts.acknowledged > acknowledged + (isSlow ? 5 : 20));
      const { cuts } = proxy;
      if (round % 4 === 3) proxy.cutAll();
      else {
        proxy.cutNext(server.commit, round % 2 === 0 ? "answered" : "before", server.committed);
        await eventually("a connection was cut", () => proxy.cuts > cuts);
      }
    }
    load.stop();
    await load.done;
    assert.ok(server.findsOut || load.counts.refused > 0, "nobody noticed: this proves nothing");
    await assertWhole(url, load.written);
  });
}
