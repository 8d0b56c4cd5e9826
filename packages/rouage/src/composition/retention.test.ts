import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Type } from "typebox";
import { manualClock } from "../clock.ts";
import { everyone } from "../operations/access.ts";
import { type ResourceOptions, resource } from "../resource.ts";
import { type Service, service } from "../service.ts";
import { silentLogger } from "../telemetry/log.ts";

async function started(t: TestContext, options: Partial<ResourceOptions<never>>, settings: Record<string, unknown>) {
  const clock = manualClock();
  const kittens = resource("kittens", {
    schema: Type.Object({}),
    access: { create: [everyone], read: [everyone], write: [everyone] },
    ...(options as object),
  });
  const running = await service({ name: "kittens", version: "1", resources: [kittens] }).start({
    log: silentLogger,
    clock,
    settings: { storage: "memory:", ...settings },
  });
  t.after(() => running.stop(0));
  return { running, clock };
}

async function call(running: Service, path: string, method = "GET") {
  const init = method === "PUT" ? { headers: { "content-type": "application/json" }, body: '{"data":{}}' } : {};
  const response = await running.fetch(new Request(`http://local${path}`, { method, ...init }));
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers whose shape they assert
  const json: any = await response.json();
  return { status: response.status, json };
}

/** The service's own task works at its own pace: waits until it has been there. */
async function purged(running: Service): Promise<number> {
  for (;;) {
    const before = await running.storage.purgedBefore({ resource: "kittens", parent: "" });
    if (before > 0) return before;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("a client that was away for longer than tombstones are kept is told to start afresh", {
  timeout: 20_000,
}, async (t) => {
  const { running, clock } = await started(t, {}, { tombstone_retention_seconds: 10 });
  const created = (await call(running, "/v1/kittens/tom", "PUT")).json.data.last_modified;
  const deleted = (await call(running, "/v1/kittens/tom", "DELETE")).json.data.last_modified;
  await call(running, "/v1/kittens/ann", "PUT");
  assert.equal((await call(running, `/v1/kittens?_since=${created}`)).json.data.length, 2);
  clock.advance(10_000);
  const before = await purged(running);
  assert.equal(before, deleted + 1);

  for (const query of [
    `_since=${created}`,
    `_since="${created}"`,
    `gt_last_modified=${created}`,
    `min_last_modified=${deleted}`,
    `_since=${created}&_limit=1&_sort=id`,
  ]) {
    const { status, json } = await call(running, `/v1/kittens?${query}`);
    assert.equal(status, 410, query);
    assert.equal(json.errno, 204);
    assert.deepEqual(json.details, { purged_before: before });
    assert.match(json.message, /read the list from the start/);
  }
  for (const query of [
    "",
    "_since=0",
    `_since=${deleted}`,
    `min_last_modified=${before}`,
    `_before=${before}`,
    `last_modified=${deleted}`,
  ])
    assert.equal((await call(running, `/v1/kittens?${query}`)).status, 200, query);
});

test("a resource may keep its tombstones for another time than the others", { timeout: 20_000 }, async (t) => {
  const { running, clock } = await started(
    t,
    { retention: { tombstoneSeconds: 10 } },
    { tombstone_retention_seconds: 1e6 },
  );
  await call(running, "/v1/kittens/tom", "PUT");
  await call(running, "/v1/kittens/tom", "DELETE");
  clock.advance(10_000);
  await purged(running);
  assert.deepEqual((await call(running, "/v1/kittens?_since=0")).json.data, []);
});

test("without a retention nothing is ever purged, and nothing runs", async (t) => {
  const { running } = await started(t, {}, {});
  await call(running, "/v1/kittens/tom", "PUT");
  await assert.rejects(running.storage.count({ resource: "retention-positions", parent: "" }));
});

test("a retention that is no time is refused", () => {
  for (const tombstoneSeconds of [0, -1, Number.NaN])
    assert.throws(
      () => resource("kittens", { schema: Type.Object({}), retention: { tombstoneSeconds } }),
      /tombstoneSeconds/,
    );
});
