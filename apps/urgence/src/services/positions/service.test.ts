import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { manualClock, type Service } from "rouage";
import { openStorage } from "rouage/storage";
import { anyStorage, type StorageKind, testStorages, testStore } from "../../../../../scripts/test-stores.ts";
import { phoneHash } from "../../shared/phone.ts";
import {
  captureLog,
  eventually,
  requestAs,
  type TestCaller,
  temporaryFolder,
  testCalls,
  testPolicy,
} from "../../shared/test-callers.ts";
import { inboxLifetimeMs, inboxList } from "./aml-inbox.ts";
import { type PositionsDeps, positionsService } from "./service.ts";
import { eraseExpired } from "./store.ts";

const key = Buffer.from("a key for tests");
const ada: TestCaller = { id: "0198aaaa-0000-7000-8000-000000000001", roles: ["person"] };
const bob: TestCaller = { id: "0198aaaa-0000-7000-8000-000000000002", roles: ["person"] };
const internal: TestCaller = { id: "service:access", roles: ["service"] };
const number = "+33639980001";

const vectors = new Map(
  (await readFile(new URL("../../../tests/data/aml/messages.txt", import.meta.url), "utf8"))
    .split("\n")
    .filter((line) => line.includes("\t"))
    .map((line) => line.split("\t", 2) as [string, string]),
);
const vector = (kind: string) => vectors.get(kind) ?? assert.fail(kind);

async function setUp(kind: StorageKind = anyStorage, more: Partial<PositionsDeps> = {}) {
  const folder = await temporaryFolder();
  const clock = manualClock(Date.UTC(2026, 5, 1, 12));
  const accounts = { down: false };
  const call = testCalls(({ body }) => {
    if (accounts.down) throw new Error("accounts is away");
    const { phone_hash } = body as { phone_hash: string };
    return phone_hash === phoneHash(key, number) ? { person: ada.id } : undefined;
  });
  const store = await testStore(kind, join(folder.path, "positions.db"));
  const storage = await openStorage(store.url, { clock });
  const { log, lines } = captureLog();
  const definition = positionsService({ authentication: [testPolicy], call, phoneHashKey: key, ...more });
  const service = await definition.start({ clock, storage, log });
  const send = async (caller: TestCaller | undefined, method: string, path: string, body?: unknown, headers = {}) => {
    const response = await service.fetch(requestAs(caller, method, path, body, headers));
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: parse(text) };
  };
  return {
    service,
    storage,
    clock,
    call,
    accounts,
    lines,
    filesWith: store.filesWith,
    send,
    aml: (body: string, headers: Record<string, string> = {}) =>
      send(undefined, "POST", "/aml", body, { "content-type": "application/x-www-form-urlencoded", ...headers }),
    async [Symbol.asyncDispose]() {
      await service.stop();
      await storage.close();
      await store[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

function parse(text: string) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

for (const kind of testStorages)
  describe(`positions on ${kind}`, () => {
    test("are reported, listed, read and deleted by the person", async () => {
      await using context = await setUp(kind);
      const { send } = context;
      const created = await send(ada, "POST", "/v1/me/positions", {
        data: { coordinates: [2.3522, 48.8566], accuracy: 8, source: "gnss" },
      });
      assert.equal(created.status, 201, created.text);
      const { id, stale, origin, expires_at } = created.json.data;
      assert.deepEqual([stale, origin, expires_at], [false, "person", "2026-06-02T12:00:00.000Z"]);
      const list = await send(ada, "GET", "/v1/me/positions");
      assert.deepEqual(
        list.json.data.map(({ coordinates }: { coordinates: number[] }) => coordinates),
        [[2.3522, 48.8566]],
      );
      assert.equal((await send(ada, "GET", `/v1/me/positions/${id}`)).status, 200);
      assert.equal((await send(ada, "DELETE", `/v1/me/positions/${id}`)).status, 200);
      assert.deepEqual((await send(ada, "GET", "/v1/me/positions")).json.data, []);
    });

    test("publish an event with identifiers only", async () => {
      await using context = await setUp(kind);
      await context.send(ada, "POST", "/v1/me/positions", { coordinates: [2.3522, 48.8566], incident: "2026-0042" });
      const log = await Array.fromAsync(context.storage.log());
      const [event] = log.filter(({ action }) => action === "event");
      assert.equal(event?.type, "position.reported");
      const { position, ...rest } = JSON.parse(event?.body ?? "{}");
      assert.deepEqual(rest, { person: ada.id, origin: "person", incident: "2026-0042" });
      assert.equal(typeof position, "string");
      assert.ok(!log.some(({ body }) => body?.includes("48.8566")));
    });

    test("expire: hidden at once, and erased for good by retention", async () => {
      await using context = await setUp(kind);
      await context.send(ada, "POST", "/v1/me/positions", { coordinates: [2.352211223344, 48.8566] });
      await context.send(ada, "POST", "/v1/me/positions", { coordinates: [2.5, 48.5], incident: "i-1" });
      context.clock.advance(24 * 3_600_000);
      const latest = await context.send(ada, "GET", "/v1/me/positions/latest");
      assert.deepEqual(latest.json.data.coordinates, [2.5, 48.5]);
      assert.equal(await eraseExpired(context.storage, context.clock), 1);
      assert.equal((await context.send(ada, "GET", "/v1/me/positions")).json.data.length, 1);
      assert.deepEqual(await context.filesWith(["2.352211223344"]), []);
      context.clock.advance(6 * 24 * 3_600_000);
      assert.equal(await eraseExpired(context.storage, context.clock), 1);
    });

    test("are erased for good when the account goes, with counts", async () => {
      await using context = await setUp(kind);
      await context.send(ada, "POST", "/v1/me/positions", { coordinates: [2.352211223344, 48.8566] });
      await context.send(bob, "POST", "/v1/me/positions", { coordinates: [1, 1] });
      const erased = await context.send(internal, "DELETE", `/internal/people/${ada.id}`);
      assert.equal(erased.status, 200);
      assert.equal(erased.json.data.positions, 1);
      assert.equal((await context.send(internal, "GET", `/internal/people/${ada.id}/position`)).status, 404);
      assert.equal((await context.send(bob, "GET", "/v1/me/positions")).json.data.length, 1);
      assert.deepEqual(await context.filesWith(["2.352211223344"]), []);
    });

    test("an AML message of a registered number becomes the person's last position", async () => {
      await using context = await setUp(kind);
      const body = vector("https")
        .replace("%2B447477593102", encodeURIComponent(number))
        .replace("1476189444435", String(context.clock.now() - 10_000));
      const answer = await context.aml(body);
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.json.data.number_read, true);
      const position = await context.send(internal, "GET", `/internal/people/${ada.id}/position`);
      assert.deepEqual(position.json.data.coordinates, [-4.26325, 55.85732, 0]);
      assert.deepEqual(
        [position.json.data.origin, position.json.data.authenticated, position.json.data.age_seconds],
        ["aml", false, 10],
      );
    });

    test("an AML message of an unknown number is acknowledged alike and dropped", async () => {
      await using context = await setUp(kind);
      const answer = await context.aml(vector("https"));
      assert.equal(answer.status, 200);
      assert.deepEqual(await Array.fromAsync(context.storage.scan(inboxList)), []);
      assert.equal(await context.storage.count({ resource: "positions", parent: ada.id }), 0);
    });

    test("an AML message waits while accounts is away, and is delivered when it is back", async () => {
      await using context = await setUp(kind);
      context.accounts.down = true;
      const answer = await context.aml(vector("sms-v1"), { "content-type": "text/plain", "x-aml-sender": number });
      assert.equal(answer.status, 200);
      assert.equal((await Array.fromAsync(context.storage.scan(inboxList))).length, 1);
      context.accounts.down = false;
      await restart(context);
      await eventually(async () => (await context.storage.count({ resource: "positions", parent: ada.id })) === 1);
      assert.deepEqual(await Array.fromAsync(context.storage.scan(inboxList)), []);
    });

    test("an AML message that nobody could be asked about for half an hour is erased", async () => {
      await using context = await setUp(kind);
      context.accounts.down = true;
      await context.aml(vector("https"));
      context.clock.advance(inboxLifetimeMs);
      await restart(context);
      await eventually(
        async () => (await Array.fromAsync(context.storage.scan(inboxList, { tombstones: true }))).length === 0,
      );
    });
  });

/** The same store under a new service, whose retention runs at its start. */
async function restart({ service: former, storage, clock, call }: Awaited<ReturnType<typeof setUp>>): Promise<void> {
  await former.stop();
  const service = await positionsService({ authentication: [testPolicy], call, phoneHashKey: key }).start({
    clock,
    storage,
  });
  await service.stop();
}

describe("positions: who may do what", () => {
  const mfaPending: TestCaller = { id: "x", roles: ["mfa-pending"] };
  const responder: TestCaller = { id: "r", roles: ["responder"], amr: ["pwd", "otp"] };
  for (const [name, caller, method, path, status] of [
    ["nobody reports", undefined, "POST", "/v1/me/positions", 401],
    ["nobody lists", undefined, "GET", "/v1/me/positions", 401],
    ["nobody reads the last one", undefined, "GET", "/v1/me/positions/latest", 401],
    ["a responder who is no person reports", responder, "POST", "/v1/me/positions", 403],
    ["an account without its second factor reports", mfaPending, "POST", "/v1/me/positions", 403],
    ["a person asks the internal route", ada, "GET", `/internal/people/${bob.id}/position`, 403],
    ["a responder asks the internal route", responder, "GET", `/internal/people/${bob.id}/position`, 403],
    ["a person erases another", ada, "DELETE", `/internal/people/${bob.id}`, 403],
    ["anybody asks the internal route", undefined, "GET", `/internal/people/${bob.id}/position`, 401],
    ["a person replaces a report", ada, "PUT", "/v1/me/positions/abc", 405],
  ] as const)
    test(`${name}: ${status}`, async () => {
      await using context = await setUp();
      const body = method === "POST" || method === "PUT" ? { data: { coordinates: [0, 0] } } : undefined;
      assert.equal((await context.send(caller, method, path, body)).status, status);
    });

  test("one person's positions are not another's", async () => {
    await using context = await setUp();
    const { json } = await context.send(ada, "POST", "/v1/me/positions", { coordinates: [1, 2] });
    assert.equal((await context.send(bob, "GET", `/v1/me/positions/${json.data.id}`)).status, 404);
    assert.deepEqual((await context.send(bob, "GET", "/v1/me/positions")).json.data, []);
    assert.equal((await context.send(bob, "GET", "/v1/me/positions/latest")).status, 404);
  });
});

describe("positions: forms and formats", () => {
  for (const [name, body] of [
    ["our form, wrapped", { data: { coordinates: [2.35, 48.85] } }],
    ["our form, bare", { coordinates: [2.35, 48.85] }],
    [
      "the report's JSON, bare",
      { type: "Point", coordinate: [2.35, 48.85], locationAccuracy: 5, locationSource: "GPS", crs: "EPSG:4326" },
    ],
    ["the report's JSON, wrapped", { data: { coordinate: [2.35, 48.85], deviceOrientation: 10, gpsOrientation: 20 } }],
    ["a GeoJSON Feature", { type: "Feature", geometry: { type: "Point", coordinates: [2.35, 48.85] }, properties: {} }],
  ] as const)
    test(`${name} is accepted`, async () => {
      await using context = await setUp();
      const { status, json, text } = await context.send(ada, "POST", "/v1/me/positions", body);
      assert.equal(status, 201, text);
      assert.deepEqual(json.data.coordinates, [2.35, 48.85]);
    });

  test("a GeoJSON Feature is accepted under its own media type", async () => {
    await using context = await setUp();
    const body = {
      type: "Feature",
      geometry: { type: "Point", coordinates: [2.35, 48.85] },
      properties: { accuracy: 3 },
    };
    const { status } = await context.send(ada, "POST", "/v1/me/positions", body, {
      "content-type": "application/geo+json",
    });
    assert.equal(status, 201);
  });

  for (const [name, body, field] of [
    ["a foreign reference system", { coordinates: [2, 48], crs: "EPSG:2154" }, "crs"],
    ["a latitude beyond the pole", { coordinates: [2, 91] }, "coordinates.1"],
    ["a fix in the future", { coordinates: [2, 48], fix_time: "2026-06-01T12:01:00Z" }, "fix_time"],
    ["an unknown field", { coordinates: [2, 48], wat: 1 }, "wat"],
    ["a source not in the list", { coordinates: [2, 48], source: "dowsing" }, "source"],
    ["no coordinates", { accuracy: 3 }, "coordinates"],
    ["a heading over 360", { coordinates: [2, 48], heading: 361 }, "heading"],
  ] as const)
    test(`${name} is refused with its name`, async () => {
      await using context = await setUp();
      const { status, json } = await context.send(ada, "POST", "/v1/me/positions", body);
      assert.equal(status, 400);
      assert.ok(
        json.details.some((detail: { name: string }) => detail.name?.includes(field)),
        JSON.stringify(json.details),
      );
    });

  test("a body nested beyond any stack is a 400", async () => {
    await using context = await setUp();
    for (const open of ["[", '{"position":', '{"data":', '{"coordinate":['])
      assert.equal((await context.send(ada, "POST", "/v1/me/positions", open.repeat(5000))).status, 400);
    const deep = `{"data":${"[".repeat(30_000)}${"]".repeat(30_000)}}`;
    assert.equal((await context.send(ada, "POST", "/v1/me/positions", deep)).status, 400);
  });

  test("more reports a minute than the limit are 429 with Retry-After", async () => {
    await using context = await setUp(anyStorage, { reportsPerMinute: 2 });
    const report = () => context.send(ada, "POST", "/v1/me/positions", { coordinates: [0, 0] });
    assert.deepEqual([(await report()).status, (await report()).status], [201, 201]);
    const refused = await report();
    assert.deepEqual([refused.status, refused.headers.get("retry-after")], [429, "60"]);
    assert.equal((await context.send(bob, "POST", "/v1/me/positions", { coordinates: [0, 0] })).status, 201);
  });

  test("any JSON body is answered with 201 or 400", async () => {
    await using context = await setUp(anyStorage, { reportsPerMinute: 1000 });
    await fc.assert(
      fc.asyncProperty(fc.json(), async (body) => {
        const { status } = await context.send(ada, "POST", "/v1/me/positions", body);
        assert.ok(status === 201 || status === 400, `${status} for ${body}`);
      }),
      { numRuns: 200 },
    );
  });

  test("go out as GeoJSON and PIDF-LO when Accept prefers them", async () => {
    await using context = await setUp();
    await context.send(ada, "POST", "/v1/me/positions", { coordinates: [2.35, 48.85], accuracy: 9 });
    const list = await context.send(ada, "GET", "/v1/me/positions", undefined, { accept: "application/geo+json" });
    assert.equal(list.headers.get("content-type"), "application/geo+json");
    assert.equal(list.headers.get("vary")?.toLowerCase(), "accept");
    assert.equal(list.json.type, "FeatureCollection");
    assert.deepEqual(list.json.features[0].geometry.coordinates, [2.35, 48.85]);
    const one = await context.send(ada, "GET", "/v1/me/positions/latest", undefined, {
      accept: "application/geo+json",
    });
    assert.equal(one.json.type, "Feature");
    const xml = await context.send(ada, "GET", "/v1/me/positions/latest", undefined, {
      accept: "application/pidf+xml",
    });
    assert.equal(xml.headers.get("content-type"), "application/pidf+xml");
    assert.match(xml.text, /<gml:pos>48\.85 2\.35<\/gml:pos>/);
    const head = await context.send(ada, "HEAD", "/v1/me/positions", undefined, { accept: "application/geo+json" });
    assert.deepEqual([head.status, head.headers.get("content-type")], [200, "application/geo+json"]);
    const json = await context.send(ada, "GET", "/v1/me/positions", undefined, {
      accept: "application/json, application/geo+json;q=0.5",
    });
    assert.ok(Array.isArray(json.json.data));
  });

  test("errors stay errors whatever the format", async () => {
    await using context = await setUp();
    const { status, json } = await context.send(ada, "GET", "/v1/me/positions/latest", undefined, {
      accept: "application/geo+json",
    });
    assert.deepEqual([status, json.errno], [404, 110]);
  });
});

describe("AML: always 2xx", () => {
  for (const kind of ["sms-v1", "sms-v2", "https"])
    test(`the vector ${kind} is accepted with 200, at both paths`, async () => {
      await using context = await setUp();
      for (const path of ["/aml", "/v1/aml"]) {
        const type = kind === "https" ? "application/x-www-form-urlencoded" : "text/plain";
        const answer = await context.send(undefined, "POST", path, vector(kind), { "content-type": type });
        assert.equal(answer.status, 200, answer.text);
        assert.equal(answer.json.data.status, "accepted");
        assert.equal(answer.json.data.position.stale, true);
      }
    });

  for (const [name, body, reason] of [
    ["a cut SMS", vector("sms-v1").replace("mnc=20;", ""), "length-mismatch"],
    ["a wrong latitude", vector("https").replace("55.85732", "155"), "invalid-attribute"],
    ["nonsense", "hello", "malformed"],
    ["nothing", "", "malformed"],
    ["too much", "x".repeat(100_000), "too-large"],
  ] as const)
    test(`${name} is rejected with 202 and the reason ${reason}`, async () => {
      await using context = await setUp();
      const answer = await context.aml(body);
      assert.equal(answer.status, 202, answer.text);
      assert.deepEqual([answer.json.data.status, answer.json.data.reason], ["rejected", reason]);
    });

  test("more than the limit from one address are rejected with 202", async () => {
    await using context = await setUp(anyStorage, { amlPerMinute: 2 });
    for (const expected of [200, 200, 202]) assert.equal((await context.aml(vector("https"))).status, expected);
    context.clock.advance(60_000);
    assert.equal((await context.aml(vector("https"))).status, 200);
  });

  test("a store that fails is told by 202, so that the network may send again", async () => {
    await using context = await setUp();
    await context.storage.close();
    const answer = await context.aml(vector("https"));
    assert.deepEqual([answer.status, answer.json.data.reason], [202, "unavailable"]);
  });

  test("with a secret, an unsigned message is rejected and a signed one proves its position", async () => {
    await using context = await setUp(anyStorage, { amlSecret: "s3cret" });
    const body = vector("https").replace("%2B447477593102", encodeURIComponent(number));
    assert.equal((await context.aml(body)).json.data.reason, "unsigned");
    const signature = createHmac("sha256", "s3cret").update(body).digest("hex");
    assert.equal((await context.aml(body, { "x-aml-signature": signature })).status, 200);
    const wrong = await context.aml(body, { "x-aml-signature": "00" });
    assert.equal(wrong.json.data.reason, "wrong-signature");
    const position = await context.send(internal, "GET", `/internal/people/${ada.id}/position`);
    assert.equal(position.json.data.authenticated, true);
  });

  test("the number is in no log line, no URL and not in the store", async () => {
    await using context = await setUp();
    context.accounts.down = true;
    await context.aml(vector("https").replace("%2B447477593102", encodeURIComponent(number)));
    await context.aml(`nonsense ${number}`);
    const log = JSON.stringify(await Array.fromAsync(context.storage.scan(inboxList)));
    for (const text of [context.lines.join("\n"), log, context.call.made.map(({ path }) => path).join()])
      assert.ok(!text.includes(number.slice(1)), text);
    assert.ok(context.lines.length > 0);
  });

  test("any body and any content type is answered with 200 or 202", async () => {
    await using context = await setUp(anyStorage, { amlPerMinute: 100_000 });
    await fc.assert(
      fc.asyncProperty(
        fc.string(),
        fc.constantFrom("text/plain", "application/json", "image/png"),
        async (body, type) => {
          const { status } = await context.send(undefined, "POST", "/aml", body, { "content-type": type });
          assert.ok(status === 200 || status === 202, String(status));
        },
      ),
      { numRuns: 100 },
    );
  });
});

test("the positions service names its paths without the internal ones in its description", async () => {
  await using context = await setUp();
  const service: Service = context.service;
  assert.ok(service.paths.some(({ path }) => path === "/aml"));
  assert.ok(!JSON.stringify(service.openapi()).includes("/internal/"));
});
