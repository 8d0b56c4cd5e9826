/** More requests than there are connections to the database, or slots: what cannot be served in time is refused, and what comes later is served. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { backends, embedded } from "./backends.ts";
import { assertWhole } from "./check.ts";
import { startService } from "./processes.ts";
import { assertRefusal, bodyOf, eventually, startLoad } from "./writers.ts";

for (const { name, skip, start, isEmbedded, sharesConnections, watching, isSlow = false } of backends) {
  test(`${name}: where every connection is in use, others wait their turn, and are a 503 in time`, {
    skip: isEmbedded ? embedded : skip,
  }, async () => {
    await using backend = await start();
    const { server } = backend;
    assert.ok(server !== undefined);
    await using proxy = await server.proxy();
    const url = backend.fresh({ pool: "6", connect_timeout: "1" });
    await using service = await startService({ storage: proxy.through(url) });
    await service.send("PUT", "/notes/known", { data: bodyOf("known", 1) });
    // Each list takes longer than a hundredth of the wait.
    proxy.delay(40);
    const lists = await Promise.all(
      Array.from({ length: 200 }, () => service.send("GET", "/notes?_sort=n&_limit=3").then(assertRefusal)),
    );
    assert.ok(lists.includes(false), "some are served");
    assert.ok(lists.includes(true), "not all can be");
    const objects = await Promise.all(
      Array.from({ length: 200 }, () => service.send("GET", "/notes/known").then(assertRefusal)),
    );
    assert.ok(objects.includes(false), "some are served");
    assert.equal(objects.includes(true), !sharesConnections, "single objects");
    proxy.delay(0);
    assert.ok(!assertRefusal(await service.send("GET", "/notes?_sort=n&_limit=3")));
    assert.ok(proxy.open <= 6 + watching, `${proxy.open} connections`);
    await assertWhole(url, [{ ids: ["known"], acknowledged: 1, pending: undefined }]);
  });

  test(`${name}: far more writers than can be served at once are served or refused, each write whole`, {
    skip,
  }, async () => {
    await using backend = await start();
    const url = backend.fresh({ pool: "6" });
    await using service = await startService({ storage: url });
    const load = startLoad(service, { writers: 200, readers: 40 });
    await eventually("a lot is written", () => load.counts.acknowledged > (isSlow ? 200 : 2_000), 60_000);
    load.stop();
    await load.done;
    await assertWhole(url, load.written);
  });
}
