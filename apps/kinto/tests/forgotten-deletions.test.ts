/** What clients are answered that were away for longer than deletions are remembered. */
import assert from "node:assert/strict";
import { kintoTest, type Running } from "./support/running.ts";

const as = "alice";
const records = "/buckets/b/collections/c/records";

async function purged({ ask, kinto }: Pick<Running, "ask" | "kinto">): Promise<number> {
  await ask("PUT", "/buckets/b", { as, body: {} });
  await ask("PUT", "/buckets/b/collections/c", { as, body: {} });
  for (const id of ["a", "b", "c"]) await ask("PUT", `${records}/${id}`, { as, body: { data: { id } } });
  const seen = revisionOf(await ask("GET", records, { as }));
  await ask("DELETE", `${records}/a`, { as });
  const list = { resource: "record", parent: "bucket/b/collection/c" };
  assert.equal(await kinto.storage.purgeTombstones(list, (await kinto.storage.timestamp(list)) + 1), 1);
  return seen;
}

const revisionOf = ({ headers }: { readonly headers: Headers }) => Number((headers.get("etag") ?? "").slice(1, -1));
const ids = (data: readonly { readonly id: string }[]) => data.map(({ id }) => id).sort();

kintoTest("changes since before a purge are the whole list, and say so", {}, async (running) => {
  const seen = await purged(running);
  const { ask } = running;
  const whole = await ask("GET", `${records}?_sort=id&_since=${seen}&_limit=1`, { as });
  assert.equal(whole.status, 200);
  assert.deepEqual(ids(whole.body.data), ["b"]);
  assert.equal(whole.headers.get("content-location"), `/v1${records}?_sort=id&_limit=1`);
  const next = new URL(whole.headers.get("next-page") ?? "");
  assert.deepEqual(ids((await ask("GET", `${next.pathname.slice(3)}${next.search}`, { as })).body.data), ["c"]);
  assert.equal((await ask("HEAD", `${records}?_since="${seen}"`, { as })).headers.get("total-records"), "2");
  const afterwards = await ask("GET", `${records}?_since=${revisionOf(whole)}`, { as });
  assert.deepEqual(afterwards.body.data, []);
  assert.equal(afterwards.headers.get("content-location"), null);
});

kintoTest("the same inside of a batch", {}, async (running) => {
  const seen = await purged(running);
  const requests = [{ path: `${records}?_since=${seen}` }];
  const { body } = await running.ask("POST", "/batch", { as, body: { requests } });
  assert.equal(body.responses[0].status, 200);
  assert.deepEqual(ids(body.responses[0].body.data), ["b", "c"]);
});

kintoTest("filters by revision and streams are still refused: more would be wrong there", {}, async (running) => {
  const seen = await purged(running);
  const { ask } = running;
  const filtered = await ask("GET", `${records}?gt_last_modified=${seen}`, { as });
  assert.equal(filtered.status, 410);
  assert.equal(filtered.body.errno, 204);
  const headers = { accept: "text/event-stream" };
  assert.equal((await ask("GET", `${records}?_since=${seen}`, { as, headers })).status, 410);
});

kintoTest("nobody reads more than without", {}, async (running) => {
  const seen = await purged(running);
  assert.equal((await running.ask("GET", `${records}?_since=${seen}`, { as: "bob" })).status, 403);
});
