/** The database is killed under load and started again: the service says so while it is gone, goes on by itself, and nothing acknowledged is lost. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../src/clock.ts";
import { openStorage } from "../../src/storage/index.ts";
import { backends, embedded } from "./backends.ts";
import { assertWhole } from "./check.ts";
import { startService } from "./processes.ts";
import { eventually, startLoad } from "./writers.ts";

for (const { name, skip, start, isEmbedded, isSlow = false } of backends)
  test(`${name}: SIGKILL of the database under load, and its return`, {
    skip: isEmbedded ? embedded : skip,
  }, async () => {
    const [rounds, enough] = isSlow ? [2, 20] : [4, 100];
    await using backend = await start();
    const { server } = backend;
    assert.ok(server !== undefined);
    const url = backend.fresh({ connect_timeout: "2" });
    await using service = await startService({ storage: url });
    const load = startLoad(service);
    // Another process follows the log meanwhile.
    await using watching = await openStorage(url, { clock: systemClock, asFound: true });
    const followed: number[] = [];
    const end = new AbortController();
    const following = (async () => {
      for await (const { position } of watching.log({ follow: true, signal: end.signal })) followed.push(position);
    })();

    const heartbeat = async () => (await service.send("GET", "/__heartbeat__")).status;
    for (let round = 0; round < rounds; round++) {
      const before = load.counts.acknowledged;
      await eventually("the load is under way", () => load.counts.acknowledged > before + enough);
      const refused = load.counts.refused;
      await server.kill();
      await eventually("writes are refused", () => load.counts.refused > refused + 8);
      await eventually("the heartbeat says so", async () => (await heartbeat()) === 503);
      await server.start();
      const then = load.counts.acknowledged;
      await eventually("it goes on by itself", () => load.counts.acknowledged > then + enough / 5);
      await eventually("the heartbeat says so too", async () => (await heartbeat()) === 200);
    }
    load.stop();
    await load.done;
    await assertWhole(url, load.written);
    const logged = await Array.fromAsync(watching.log(), ({ position }) => position);
    await eventually("the follower has heard of everything", () => followed.length >= logged.length);
    assert.deepEqual(followed, logged);
    end.abort();
    await following;
  });
