/** PROTOCOL §1.1, §1.8, §0.10: the envelope of shared resources, by `fetch` on whole services, on each embedded storage. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { Type } from "typebox";
import { resource } from "../../resource.ts";
import { service } from "../../service.ts";
import type { Service } from "../../service-declaration.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { namedCaller } from "./fixture.ts";

const albums = resource("albums", {
  schema: Type.Object({ title: Type.Optional(Type.String()), year: Type.Optional(Type.Integer()) }),
  sharing: true,
});
const photos = resource("photos", { schema: Type.Object({}), parent: albums, sharing: true });
const notes = resource("notes", { schema: Type.Object({}) });

const folder = mkdtempSync(join(tmpdir(), "rouage-shared-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let stores = 0;
const urls = { memory: () => "memory:", sqlite: () => `sqlite:${join(folder, `${stores++}.db`)}` };

for (const [kind, storageUrl] of Object.entries(urls))
  suite(`the envelope of shared objects on ${kind}`, () => {
    async function started(): Promise<Service> {
      const running = await service({
        name: "albums",
        version: "1.0.0",
        resources: [albums, photos, notes],
        authentication: [namedCaller],
      }).start({ log: silentLogger, settings: { storage: storageUrl() } });
      after(() => running.stop());
      return running;
    }

    test("permissions come in front of the data, with the creator's own", async () => {
      const running = await started();
      const made = await ask(running, "PUT", "/v1/albums/a", {
        data: { title: "A" },
        permissions: { read: ["test:eve"], "photos:create": ["system.Authenticated"] },
      });
      assert.equal(made.status, 201, made.text);
      assert.deepEqual(Object.keys(made.json), ["permissions", "data"]);
      assert.deepEqual(made.json.permissions, {
        read: ["test:eve"],
        write: ["test:bob"],
        "photos:create": ["system.Authenticated"],
      });
      const read = await ask(running, "GET", "/v1/albums/a");
      assert.deepEqual(read.json.permissions, made.json.permissions);
      const forReader = await ask(running, "GET", "/v1/albums/a", undefined, { authorization: "Test eve" });
      assert.deepEqual(forReader.json.permissions, {});
      assert.equal(forReader.json.data.title, "A");
    });

    test("lists and deletions carry no permissions", async () => {
      const running = await started();
      await ask(running, "PUT", "/v1/albums/a", { data: {} });
      assert.deepEqual(Object.keys((await ask(running, "GET", "/v1/albums")).json), ["data"]);
      assert.deepEqual(Object.keys((await ask(running, "DELETE", "/v1/albums/a")).json), ["data"]);
    });

    test("PUT replaces all permissions and keeps the data it does not have; absent permissions stay", async () => {
      const running = await started();
      await ask(running, "PUT", "/v1/albums/a", { data: { title: "A" }, permissions: { read: ["test:eve"] } });
      const shared = await ask(running, "PUT", "/v1/albums/a", { permissions: { "photos:create": ["test:eve"] } });
      assert.deepEqual(shared.json.permissions, { write: ["test:bob"], "photos:create": ["test:eve"] });
      assert.equal(shared.json.data.title, "A");
      const kept = await ask(running, "PUT", "/v1/albums/a", { data: { title: "B" } });
      assert.deepEqual(kept.json.permissions, shared.json.permissions);
    });

    test("each kind of PATCH takes permissions", async () => {
      const running = await started();
      await ask(running, "PUT", "/v1/albums/a", { data: { title: "A" }, permissions: { read: ["test:eve"] } });
      const merged = await ask(running, "PATCH", "/v1/albums/a", { permissions: { read: ["test:ann"] } });
      assert.deepEqual(merged.json.permissions, { read: ["test:ann"], write: ["test:bob"] }, merged.text);
      const dropped = await ask(
        running,
        "PATCH",
        "/v1/albums/a",
        { permissions: { read: null } },
        {
          "content-type": "application/merge-patch+json",
        },
      );
      assert.deepEqual(dropped.json.permissions, { write: ["test:bob"] }, dropped.text);
      const patch = [
        { op: "add", path: "/permissions/read/system.Everyone" },
        { op: "replace", path: "/data/title", value: "Patched" },
      ];
      const patched = await ask(running, "PATCH", "/v1/albums/a", patch, {
        "content-type": "application/json-patch+json",
      });
      assert.deepEqual(patched.json.permissions, { read: ["system.Everyone"], write: ["test:bob"] }, patched.text);
      assert.equal(patched.json.data.title, "Patched");
      const empty = await ask(running, "PATCH", "/v1/albums/a", {});
      assert.match(empty.json.message, /Provide at least one of data or permissions/);
    });

    test("permissions that do not exist are a 400, and so are permissions of what is not shared", async () => {
      const running = await started();
      const unknown = await ask(running, "PUT", "/v1/albums/a", { data: {}, permissions: { zz: ["a"] } });
      assert.equal(unknown.status, 400);
      assert.match(unknown.text, /zz/);
      for (const permissions of [1, [], "x", { read: "test:eve" }, { read: [1] }])
        assert.equal((await ask(running, "PUT", "/v1/albums/a", { data: {}, permissions })).status, 400);
      const notShared = await ask(running, "POST", "/v1/notes", { data: {}, permissions: {} });
      assert.match(notShared.json.message, /permissions cannot be set on this resource/);
    });

    test("412 shows the object without its permissions", async () => {
      const running = await started();
      await ask(running, "PUT", "/v1/albums/a", { data: { title: "A" } });
      const { status, json } = await ask(running, "PUT", "/v1/albums/a", { data: {} }, { "if-match": '"1"' });
      assert.equal(status, 412);
      assert.deepEqual(Object.keys(json.details.existing).sort(), ["id", "last_modified", "title"]);
    });

    test("a mistake in the body of who may write is a 400, whoever is asked", async () => {
      const running = await started();
      await ask(running, "PUT", "/v1/albums/a", { data: {} });
      assert.equal((await ask(running, "PUT", "/v1/albums/a", "{")).status, 400);
    });

    test("?explain tells a writer why somebody may, or may not; nobody else", async () => {
      const running = await started();
      await ask(running, "PUT", "/v1/albums/a", { data: {}, permissions: { read: ["test:eve"] } });
      await ask(running, "PUT", "/v1/albums/a/photos/p", { data: {} });
      const may = await ask(running, "GET", "/v1/albums/a/photos/p?explain=read&principal=test:eve");
      assert.equal(may.status, 200, may.text);
      assert.deepEqual(
        [may.json.data.id, may.json.data.principal, may.json.data.permission, may.json.data.allowed],
        ["p", "test:eve", "read", true],
      );
      assert.deepEqual(may.json.data.because, [{ uri: "/albums/a", permission: "read", principal: "test:eve" }]);
      assert.equal(may.headers.get("cache-control"), "no-cache, no-store");
      const mayNot = await ask(running, "GET", "/v1/albums/a?explain=write&principal=test:eve");
      assert.deepEqual([mayNot.json.data.allowed, mayNot.json.data.because], [false, []]);
      const own = await ask(running, "GET", "/v1/albums/a?explain=write");
      assert.deepEqual([own.json.data.principal, own.json.data.allowed], ["test:bob", true]);
      const asEve = { authorization: "Test eve" };
      assert.equal((await ask(running, "GET", "/v1/albums/a?explain=write", undefined, asEve)).status, 403);
      assert.equal((await ask(running, "GET", "/v1/albums/a?explain=zz")).status, 400);
    });

    test("a batch sees the permissions it has just given, and an atomic one takes them back", async () => {
      const running = await started();
      const eve = { Authorization: "Test eve" };
      const requests = [
        { method: "PUT", path: "/albums/a", body: { permissions: { read: ["test:eve"] } } },
        { path: "/albums/a", headers: eve },
      ];
      const failing = await ask(running, "POST", "/v1/batch", {
        atomic: true,
        requests: [...requests, { method: "PATCH", path: "/albums/a", headers: eve, body: { data: { title: "X" } } }],
      });
      assert.deepEqual(statuses(failing.json), [424, 424, 403]);
      assert.equal((await ask(running, "GET", "/v1/albums/a", undefined, { authorization: "Test eve" })).status, 403);
      assert.deepEqual(statuses((await ask(running, "POST", "/v1/batch", { requests })).json), [201, 200]);
    });
  });

test("§1.12 how long something may be kept can be said for each list and object", async () => {
  const shown = resource("shown", {
    schema: Type.Object({}),
    access: { read: [{ name: "all", decide: () => true }], write: [{ name: "all", decide: () => true }] },
    cacheSeconds: async ({ id }) => (id === undefined ? 60 : id === "never" ? undefined : 5),
  });
  const running = await service({
    name: "shown",
    version: "1.0.0",
    resources: [shown],
    authentication: [namedCaller],
  }).start({
    log: silentLogger,
    settings: { storage: "memory:" },
  });
  after(() => running.stop());
  const none = { authorization: "" };
  for (const id of ["some", "never"]) await ask(running, "PUT", `/v1/shown/${id}`, {});
  const kept = async (path: string, headers: Record<string, string>) =>
    (await ask(running, "GET", path, undefined, headers)).headers.get("cache-control");
  assert.equal(await kept("/v1/shown", none), "max-age=60");
  assert.equal(await kept("/v1/shown/some", none), "max-age=5");
  assert.equal(await kept("/v1/shown/never", none), "no-cache, no-store");
  assert.equal(await kept("/v1/shown/some", {}), "no-cache, no-store");
});

function statuses(json: { responses: readonly { status: number }[] }): number[] {
  return json.responses.map(({ status }) => status);
}

async function ask(
  { fetch }: Service,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
) {
  const response = await fetch(
    new Request(`http://test${path}`, {
      method,
      headers: {
        authorization: "Test bob",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    }),
  );
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: JSON.parse(text || "null") };
}
