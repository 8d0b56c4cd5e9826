/** The plugin history: entries written with the change, who may read them, trimming, and collections as they were. */
import assert from "node:assert/strict";
import { clientOf } from "./support/kinto-http.ts";
import { type Ask, kintoTest } from "./support/running.ts";

const settings = {
  includes: "kinto.plugins.history kinto.plugins.default_bucket kinto.plugins.flush",
  collection_create_principals: "system.Authenticated",
};

async function library(ask: Ask): Promise<void> {
  await ask("PUT", "/buckets/b", { as: "ann" });
  await ask("PUT", "/buckets/b/collections/c", { as: "ann" });
}

kintoTest("history keeps an entry of every change, newest first", settings, async ({ ask }) => {
  await library(ask);
  const { body: group } = await ask("PUT", "/buckets/b/groups/g", { as: "ann", body: { data: { members: ["bob"] } } });
  const { body: made } = await ask("PUT", "/buckets/b/collections/c/records/r", {
    as: "ann",
    body: { data: { n: 1 } },
  });
  const { body: changed } = await ask("PATCH", "/buckets/b/collections/c/records/r", {
    as: "ann",
    body: { data: { n: 2 }, permissions: { read: ["bob"] } },
  });
  const { body: gone } = await ask("DELETE", "/buckets/b/collections/c/records/r", { as: "ann" });
  const { body, headers } = await ask("GET", "/buckets/b/history", { as: "ann" });
  assert.deepEqual(
    body.data.map(({ action, resource_name, uri }: Record<string, string>) => [action, resource_name, uri]),
    [
      ["delete", "record", "/buckets/b/collections/c/records/r"],
      ["update", "record", "/buckets/b/collections/c/records/r"],
      ["create", "record", "/buckets/b/collections/c/records/r"],
      ["create", "group", "/buckets/b/groups/g"],
      ["create", "collection", "/buckets/b/collections/c"],
      ["create", "bucket", "/buckets/b"],
    ],
  );
  const [deletion, update, creation, grouped] = body.data;
  assert.deepEqual(deletion.target.data, gone.data);
  assert.deepEqual(update.target.data, changed.data);
  assert.deepEqual(update.target.permissions.read, ["bob"]);
  assert.deepEqual(creation.target.data, made.data);
  assert.deepEqual(grouped.target.data, group.data);
  assert.deepEqual([creation.collection_id, creation.record_id, creation.bucket_id], ["c", "r", undefined]);
  assert.match(creation.date, /^\d{4}-\d\d-\d\dT/);
  assert.match(creation.user_id, /^basicauth:/);
  assert.match(headers.get("etag") ?? "", /^"\d+"$/);
  const filtered = await ask("GET", "/buckets/b/history?target.data.id=r&action=update", { as: "ann" });
  assert.deepEqual(filtered.body.data, [update]);
  const head = await ask("HEAD", "/buckets/b/history", { as: "ann" });
  assert.equal(head.headers.get("total-records"), "6");
  assert.equal((await ask("PUT", `/buckets/b/history/${creation.id}`, { as: "ann", body: { data: {} } })).status, 405);
  assert.equal((await ask("POST", "/buckets/b/history", { as: "ann", body: { data: {} } })).status, 405);
});

kintoTest("history says nothing of a write that is taken back", settings, async ({ ask }) => {
  await library(ask);
  const { body } = await ask("POST", "/batch", {
    as: "ann",
    body: {
      atomic: true,
      requests: [
        { method: "PUT", path: "/buckets/b/collections/c/records/a", body: { data: {} } },
        { method: "PUT", path: "/buckets/b/collections/c/records/bad%20id", body: { data: {} } },
      ],
    },
  });
  assert.deepEqual(
    body.responses.map(({ status }: { status: number }) => status),
    [424, 400],
  );
  const { body: entries } = await ask("GET", "/buckets/b/history?resource_name=record", { as: "ann" });
  assert.deepEqual(entries.data, []);
});

kintoTest(
  "history is read by whoever may read the bucket, and entries by whoever could read the object",
  settings,
  async ({ ask, kinto }) => {
    await library(ask);
    const bob = await idOf(ask, "bob");
    await ask("PUT", "/buckets/b/collections/c/records/r", {
      as: "ann",
      body: { data: {}, permissions: { read: [bob] } },
    });
    await ask("PUT", "/buckets/b/collections/c/records/s", { as: "ann" });
    const { body } = await ask("GET", "/buckets/b/history", { as: "bob" });
    assert.deepEqual(
      body.data.map(({ uri }: { uri: string }) => uri),
      ["/buckets/b/collections/c/records/r"],
    );
    assert.equal((await ask("GET", "/buckets/b/history", { as: "eve" })).status, 403);
    assert.equal((await ask("GET", "/buckets/b/history")).status, 401);
    assert.equal((await ask("DELETE", "/buckets/b/history", { as: "bob" })).status, 403);
    const purged = await ask("DELETE", "/buckets/b/history?resource_name=record", { as: "ann" });
    assert.equal(purged.body.data.length, 2);
    assert.equal((await ask("GET", "/buckets/b/history", { as: "ann" })).body.data.length, 2);
    assert.equal(kinto.capabilities.history?.description, "Track changes on data.");
    const { body: shown } = await ask("GET", "/buckets/b", { as: "ann" });
    assert.deepEqual(Object.keys(shown.permissions), ["write"]);
    const refused = await ask("PATCH", "/buckets/b", { as: "ann", body: { permissions: { "history:create": [bob] } } });
    assert.equal(refused.status, 400);
  },
);

kintoTest("history of a deleted bucket is its deletion alone", settings, async ({ ask }) => {
  await library(ask);
  await ask("DELETE", "/buckets/b", { as: "ann" });
  await ask("PUT", "/buckets/b", { as: "ann" });
  const { body } = await ask("GET", "/buckets/b/history", { as: "ann" });
  assert.deepEqual(
    body.data.map(({ action }: { action: string }) => action),
    ["create", "delete"],
  );
});

kintoTest(
  "history leaves out what the settings exclude",
  { ...settings, "history.exclude_resources": "/buckets/b/collections/c" },
  async ({ ask }) => {
    await library(ask);
    await ask("PUT", "/buckets/b/collections/c/records/r", { as: "ann" });
    await ask("PUT", "/buckets/b/collections/d", { as: "ann" });
    const { body } = await ask("GET", "/buckets/b/history", { as: "ann" });
    assert.deepEqual(
      body.data.map(({ uri }: { uri: string }) => uri),
      ["/buckets/b/collections/d", "/buckets/b"],
    );
  },
);

kintoTest(
  "history keeps no more entries of a kind than the settings say",
  { ...settings, "history.auto_trim_max_count": "3" },
  async ({ ask }) => {
    await library(ask);
    for (let n = 0; n < 6; n++) await ask("PUT", `/buckets/b/collections/c/records/r${n}`, { as: "ann" });
    const { body } = await ask("GET", "/buckets/b/history", { as: "ann" });
    assert.deepEqual(
      body.data.map(({ uri }: { uri: string }) => uri.split("/").at(-1)),
      ["r5", "r4", "r3", "c", "b"],
    );
  },
);

kintoTest("a snapshot shows a collection as it was at each of its revisions", settings, async ({ ask }) => {
  await library(ask);
  const records = "/buckets/b/collections/c/records";
  const live = new Map<string, object>();
  const states: { at: number; expected: object[] }[] = [];
  const steps = ["put a", "put b", "put a", "delete b", "put c", "put b", "delete a", "put d"];
  for (const step of steps) {
    const [what, id = ""] = step.split(" ");
    const answer =
      what === "put"
        ? await ask("PUT", `${records}/${id}`, { as: "ann", body: { data: { step } } })
        : await ask("DELETE", `${records}/${id}`, { as: "ann" });
    if (what === "put") live.set(id, answer.body.data);
    else live.delete(id);
    states.push({ at: answer.body.data.last_modified, expected: [...live.values()] });
  }
  const byId = (data: readonly object[]) =>
    data.toSorted((a, b) => String((a as { id: string }).id).localeCompare((b as { id: string }).id));
  for (const { at, expected } of states) {
    const { body } = await ask("GET", `/buckets/b/snapshot/collections/c@${at}`, { as: "ann" });
    assert.deepEqual(byId(body.data), byId(expected));
    const revisions = body.data.map(({ last_modified }: { last_modified: number }) => last_modified);
    assert.deepEqual(
      revisions,
      revisions.toSorted((a: number, b: number) => b - a),
    );
  }
  assert.deepEqual((await ask("GET", "/buckets/b/snapshot/collections/c@1", { as: "ann" })).body.data, []);
  for (const at of ["c@-1", "c@now", "c", "@5", "c@"])
    assert.equal((await ask("GET", `/buckets/b/snapshot/collections/${at}`, { as: "ann" })).status, 400, at);
  assert.equal((await ask("GET", "/buckets/b/snapshot/collections/none@5", { as: "ann" })).status, 404);
  assert.equal((await ask("GET", "/buckets/b/snapshot/collections/c@5", { as: "eve" })).status, 403);
  assert.equal((await ask("GET", "/buckets/b/snapshot/collections/c@5")).status, 401);
});

kintoTest("kinto-http reads history and snapshots", settings, async ({ remote }) => {
  const client = clientOf(remote, "ann");
  await client.createBucket("b");
  const bucket = client.bucket("b");
  await bucket.createCollection("c");
  const collection = bucket.collection("c");
  const { data: first } = await collection.createRecord({ id: "r", n: 1 });
  await collection.updateRecord({ id: "r", n: 2 });
  await collection.deleteRecord("r");
  const { data: entries } = await bucket.listHistory();
  assert.equal(entries.length, 5);
  const snapshot = await collection.listRecords({ at: first.last_modified });
  assert.deepEqual(snapshot.data, [first]);
  assert.equal(await collection.isHistoryComplete(), true);
});

async function idOf(ask: Ask, as: string): Promise<string> {
  return (await ask("GET", "/", { as })).body.user.id;
}
