/** Laws of batches, over random ones: the same as one request after the other, all or nothing when atomic, and never a 5xx. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { Type } from "typebox";
import { manualClock } from "../../clock.ts";
import { authenticated, everyone } from "../../operations/access.ts";
import { resource } from "../../resource.ts";
import { service } from "../../service.ts";
import type { Service } from "../../service-declaration.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { namedCaller } from "../rest/fixture.ts";

const kittens = resource("kittens", {
  schema: Type.Object({ name: Type.String({ maxLength: 3 }), chip: Type.Optional(Type.Integer()) }),
  access: { create: [authenticated], read: [everyone], write: [authenticated] },
  unique: ["chip"],
});

const folder = mkdtempSync(join(tmpdir(), "rouage-batches-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let stores = 0;
const urls = { memory: () => "memory:", sqlite: () => `sqlite:${join(folder, `${stores++}.db`)}` };

async function started(storage: string): Promise<Service> {
  return service({ name: "kittens", version: "1.0.0", resources: [kittens], authentication: [namedCaller] }).start({
    log: silentLogger,
    clock: manualClock(),
    settings: { storage },
  });
}

interface Item {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

const id = fc.constantFrom("a", "b", "c");
const data = fc.record(
  { name: fc.constantFrom("x", "y", "too long"), chip: fc.integer({ min: 1, max: 3 }) },
  { requiredKeys: ["name"] },
);
const headers = fc.option(
  fc.constantFrom<Record<string, string>>(
    { "If-None-Match": "*" },
    { "If-Match": "*" },
    { Authorization: "" },
    { "If-Match": "x" },
  ),
  { nil: undefined, freq: 5 },
);
const item: fc.Arbitrary<Item> = fc
  .oneof(
    fc.record({ method: fc.constant("PUT"), path: id.map((it) => `/kittens/${it}`), body: fc.record({ data }) }),
    fc.record({ method: fc.constant("PATCH"), path: id.map((it) => `/v1/kittens/${it}`), body: fc.record({ data }) }),
    fc.record({
      method: fc.constant("POST"),
      path: fc.constant("/kittens"),
      body: fc.record({ data: fc.tuple(id, data).map(([it, rest]) => ({ id: it, ...rest })) }),
    }),
    fc.record({
      method: fc.constant("DELETE"),
      path: fc.oneof(
        id.map((it) => `/kittens/${it}`),
        fc.constant("/kittens?chip=1"),
      ),
    }),
    fc.record({ path: fc.constantFrom("/kittens", "/kittens/a", "/kittens?_sort=name&min_chip=2", "/nothing") }),
  )
  .chain((it) => headers.map((own) => (own === undefined ? it : { ...it, headers: own })));

for (const [kind, storageUrl] of Object.entries(urls)) {
  test(`on ${kind} a batch answers and leaves behind what its requests one after the other do`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(item, { maxLength: 8 }), fc.array(item, { maxLength: 8 }), async (first, second) => {
        const [batched, single] = [await started(storageUrl()), await started(storageUrl())];
        try {
          for (const requests of [first, second]) {
            const { status, json } = await ask(batched, "POST", "/v1/batch", { requests });
            assert.equal(status, 200, JSON.stringify(json));
            const alone = [];
            for (const { method = "GET", path, headers: own, body } of requests) {
              const url = path.startsWith("/v1") ? path : `/v1${path}`;
              alone.push(await ask(single, method, url, body, own));
            }
            assert.deepEqual(json.responses.map(comparable), alone.map(comparable), JSON.stringify(requests));
          }
          assert.deepEqual(await content(batched), await content(single));
        } finally {
          await batched.stop(0);
          await single.stop(0);
        }
      }),
      { numRuns: kind === "memory" ? 60 : 25 },
    );
  });

  test(`on ${kind} an atomic batch changes everything or nothing`, async () => {
    const [atomic, plain] = [await started(storageUrl()), await started(storageUrl())];
    await fc.assert(
      fc.asyncProperty(fc.array(item, { minLength: 1, maxLength: 4 }), async (requests) => {
        const before = await content(atomic);
        const { status, json } = await ask(atomic, "POST", "/v1/batch", { requests, atomic: true });
        assert.equal(status, 200, JSON.stringify(json));
        const statuses: number[] = json.responses.map((response: { status: number }) => response.status);
        assert.equal(statuses.length, requests.length);
        const failed = statuses.filter((each) => each >= 400);
        if (failed.length === 0) {
          await ask(plain, "POST", "/v1/batch", { requests });
        } else {
          assert.equal(failed.filter((each) => each !== 424).length, 1, String(statuses));
          assert.equal(failed.length, statuses.length);
          assert.deepEqual(await content(atomic), before);
        }
        assert.deepEqual((await content(atomic)).map(withoutRevision), (await content(plain)).map(withoutRevision));
      }),
      { numRuns: kind === "memory" ? 200 : 60 },
    );
    await atomic.stop(0);
    await plain.stop(0);
  });
}

const nonsense = fc.oneof(
  fc.anything(),
  fc.constantFrom("/kittens", "/", "/v1/kittens/%", "/%", "/kittens/%ff", "//", "/\ud800", "/é", "PUT", "QUERY"),
);
const oddPath = fc.oneof(
  fc.constantFrom(
    "/%",
    "/kittens/%ff",
    "/v1/kittens/%00",
    "//",
    "///v1",
    "/v1",
    "/v9/x",
    "/?",
    "/#",
    "/kittens?%",
    "/é?ü=ñ",
    "/../kittens",
  ),
  fc.string({ unit: "binary" }).map((text) => `/${text}`),
  fc.webPath().map((text) => `/v1/kittens${text}`),
);
const hostile = fc.oneof(
  fc.json({ maxDepth: 8 }),
  fc
    .record(
      {
        requests: fc.array(
          fc.oneof(
            item,
            fc.record({ method: fc.constantFrom("GET", "PUT", "QUERY"), path: oddPath, body: fc.constant({}) }),
            nonsense,
            fc.record({ method: nonsense, path: nonsense, headers: nonsense, body: nonsense }, { requiredKeys: [] }),
          ),
          { maxLength: 30 },
        ),
        defaults: fc.oneof(
          nonsense,
          fc.record({ headers: fc.dictionary(fc.string(), fc.string()), path: nonsense }, { requiredKeys: [] }),
        ),
        atomic: fc.oneof(fc.boolean(), nonsense),
      },
      { requiredKeys: [] },
    )
    .map((value) => {
      try {
        return JSON.stringify(value) ?? "null";
      } catch {
        return "{}";
      }
    }),
);

test("no body gives a 5xx, and one that is refused changes nothing", async () => {
  const running = await started("memory:");
  await fc.assert(
    fc.asyncProperty(hostile, async (body) => {
      const before = await content(running);
      const { status, json } = await ask(running, "POST", "/v1/batch", body);
      assert.ok(status === 200 || status === 400, `${status} ${body}`);
      if (status === 400) assert.deepEqual(await content(running), before);
      else for (const response of json.responses) assert.ok(response.status < 500, JSON.stringify(response));
    }),
    { numRuns: 500 },
  );
  await running.stop(0);
});

/** Ids and revisions are each store's own. */
// biome-ignore lint/suspicious/noExplicitAny: answers of any shape
function comparable({ status, body, json }: { status: number; body?: any; json?: any }): unknown {
  const shown = body === "" || body === undefined ? (json ?? null) : body;
  return { status, body: JSON.parse(JSON.stringify(shown), (key, value) => (key === "last_modified" ? 0 : value)) };
}

function withoutRevision({ last_modified: _, ...rest }: Record<string, unknown>): object {
  return rest;
}

async function content(running: Service): Promise<Record<string, unknown>[]> {
  return (await ask(running, "GET", "/v1/kittens?_sort=id&_since=0")).json.data.filter(
    (entry: { deleted?: true }) => entry.deleted !== true,
  );
}

async function ask({ fetch }: Service, method: string, path: string, body?: unknown, own: Record<string, string> = {}) {
  const response = await fetch(
    new Request(`http://test${path}`, {
      method,
      headers: { authorization: "Test bob", "content-type": "application/json", ...lower(own) },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    }),
  );
  return { status: response.status, json: JSON.parse((await response.text()) || "null") };
}

function lower(own: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(own).map(([name, value]) => [name.toLowerCase(), value]));
}
