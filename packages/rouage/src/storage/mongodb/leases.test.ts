import assert from "node:assert/strict";
import { test } from "node:test";
import { mongoLeases } from "./leases.ts";
import { collectionsOf } from "./names.ts";
import { describeOnServers } from "./test-stores.ts";

describeOnServers("leases in MongoDB", (fresh) => {
  async function eventually<T>(take: () => Promise<T | undefined>): Promise<T> {
    for (let tries = 0; tries < 1_000; tries++) {
      const taken = await take();
      if (taken !== undefined) return taken;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return assert.fail("it never came to pass");
  }

  test("one that nobody renews is another's after a while, and no sooner; its holder learns of it", async () => {
    const { leases } = collectionsOf(fresh().database, "x");
    // As a process leaves it that was killed.
    await leases.insertOne({ _id: "work", holder: "dead", beat: 3 });
    const two = mongoLeases({ leases, lastsMs: 300 });
    const started = performance.now();
    const lease = await eventually(() => two.take("work"));
    assert.ok(performance.now() - started >= 300);
    // Somebody takes it away: that is noticed when it is renewed.
    await leases.deleteOne({ _id: "work" });
    await eventually(async () => (lease.lost.aborted ? true : undefined));
    await two.close();
  });

  test("one that is renewed stays whose it is, and is given back when the storage closes", async () => {
    const { leases } = collectionsOf(fresh().database, "x");
    const [one, two] = [mongoLeases({ leases, lastsMs: 1_000 }), mongoLeases({ leases, lastsMs: 1_000 })];
    const lease = await one.take("work");
    const beats = async () => ((await leases.findOne({ _id: "work" }))?.beat ?? 0) > 6;
    for (let is = await beats(); !is; is = await beats()) assert.equal(await two.take("work"), undefined);
    assert.equal(lease?.lost.aborted, false);
    await one.close();
    assert.ok((await two.take("work")) !== undefined);
    await two.close();
  });
});
