import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { type ManualClock, manualClock, type Service, silentLogger } from "rouage";
import {
  anyStorage,
  durableStorage,
  type StorageKind,
  type TestStore,
  testStorages,
  testStore,
} from "../../../../../scripts/test-stores.ts";
import {
  authorization,
  captureLog,
  type MadeCall,
  requestAs,
  type TestCaller,
  temporaryFolder,
  testCalls,
  testPolicy,
} from "../../shared/test-callers.ts";
import { profilesService } from "./service.ts";
import { exampleInput, testNow } from "./testing.ts";

const zouzou: TestCaller = { id: "0198f000-0000-7000-8000-000000000001", roles: ["person"] };
const other: TestCaller = { id: "0198f000-0000-7000-8000-000000000002", roles: ["person"] };
const access: TestCaller = { id: "service:access", roles: ["service"] };
/** The API behind the address that is printed on a card. */
const cardApi = (path: string) => path.replace(/^\/e\//, "/v1/cards/");

const data = new URL("../../../tests/data/", import.meta.url);

// biome-ignore lint/suspicious/noExplicitAny: answers are read by path, and a wrong path fails the test
type Answer = { readonly status: number; readonly headers: Headers; readonly text: string; readonly body: any };

interface World extends AsyncDisposable {
  readonly service: Service;
  readonly clock: ManualClock;
  readonly made: MadeCall[];
  readonly store: TestStore;
  send(
    caller: TestCaller | undefined,
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer>;
}

async function world(
  kind: StorageKind,
  options: {
    answer?: (call: MadeCall) => object | undefined;
    log?: ReturnType<typeof captureLog>["log"];
    views?: number;
  } = {},
): Promise<World> {
  const folder = await temporaryFolder();
  const clock = manualClock(testNow);
  const call = testCalls(options.answer ?? (() => ({ audit: "a" })));
  const definition = profilesService({
    authentication: [testPolicy],
    call,
    cardKey: new Uint8Array(32).fill(7),
    publicOrigin: "https://urgence.example",
    ...(options.views === undefined ? {} : { cardViewsPerMinute: options.views }),
  });
  const store = await testStore(kind, join(folder.path, "profiles.db"));
  const service = await definition.start({ settings: { storage: store.url }, clock, log: options.log ?? silentLogger });
  return {
    service,
    clock,
    made: call.made,
    store,
    async send(caller, method, path, body, headers) {
      const response = await service.fetch(requestAs(caller, method, path, body, headers));
      const text = await response.text();
      const isJson = response.headers.get("content-type")?.includes("json") === true && text !== "";
      return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : undefined };
    },
    async [Symbol.asyncDispose]() {
      await service.stop();
      await store[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

for (const kind of testStorages) {
  test(`[${kind}] a profile is created, read, changed with If-Match, and belongs to its person alone`, async () => {
    await using w = await world(kind);
    assert.equal((await w.send(zouzou, "GET", "/v1/me/profile")).status, 404);
    const created = await w.send(zouzou, "PUT", "/v1/me/profile", { data: exampleInput });
    assert.equal(created.status, 201);
    const [item] = created.body.data.allergies.items;
    assert.ok(item.id);
    assert.equal(item.confirmed_by, "self");
    const etag = created.headers.get("etag") ?? "";

    w.clock.advance(60_000);
    const patch = { data: { gp: { statement: "none-known", items: [] } } };
    const patched = await w.send(zouzou, "PATCH", "/v1/me/profile", patch, { "if-match": etag });
    assert.equal(patched.status, 200);
    assert.equal(patched.body.data.allergies.items[0].confirmed_at, item.confirmed_at);
    assert.equal((await w.send(zouzou, "PATCH", "/v1/me/profile", patch, { "if-match": etag })).status, 412);

    assert.equal((await w.send(other, "GET", "/v1/me/profile")).status, 404);
    assert.equal((await w.send(undefined, "GET", "/v1/me/profile")).status, 401);
    assert.equal((await w.send(access, "GET", "/v1/me/profile")).status, 403);
  });

  test(`[${kind}] the history tells who changed which sections, newest first, page by page`, async () => {
    await using w = await world(kind);
    await w.send(zouzou, "PUT", "/v1/me/profile", { data: {} });
    const sections = ["allergies", "conditions", "medications"];
    for (const section of sections) {
      w.clock.advance(1000);
      const change = { data: { [section]: { statement: "listed", items: [{ text: `A ${section}` }] } } };
      assert.equal((await w.send(zouzou, "PATCH", "/v1/me/profile", change)).status, 200);
    }
    const { body } = await w.send(zouzou, "GET", "/v1/me/history");
    assert.deepEqual(
      body.data.map((version: { action: string; by: string; sections: string[] }) => [
        version.action,
        version.by,
        ...version.sections,
      ]),
      [
        ["update", "self", "medications"],
        ["update", "self", "conditions"],
        ["update", "self", "allergies"],
        ["create", "self"],
      ],
    );
    assert.deepEqual(body.data[0].changes[0].added, ["A medications"]);

    const pages: number[] = [];
    let url: string | null = "/v1/me/history?_limit=3";
    while (url !== null) {
      const page = await w.send(zouzou, "GET", url);
      pages.push(page.body.data.length);
      const next: string | null = page.headers.get("next-page");
      url = next === null ? null : new URL(next).pathname + new URL(next).search;
    }
    assert.deepEqual(pages, [3, 1]);
    assert.deepEqual((await w.send(other, "GET", "/v1/me/history")).body.data, []);
    assert.equal((await w.send(zouzou, "GET", "/v1/me/history?_token=x")).status, 400);
  });

  test(`[${kind}] an event says which sections changed and nothing of what they say`, async () => {
    await using w = await world(kind);
    await w.send(zouzou, "PUT", "/v1/me/profile", { data: exampleInput });
    await w.send(zouzou, "DELETE", "/v1/me/profile");
    const events: string[] = [];
    for await (const entry of w.service.storage.log({ resources: ["profile-events"] })) {
      if (entry.type !== undefined && entry.body !== undefined) events.push(`${entry.type} ${entry.body}`);
    }
    assert.equal(events.length, 1);
    assert.equal(events[0], `profile.erased {"person":"${zouzou.id}"}`);
  });

  test(`[${kind}] a document is previewed, saved on demand, and never written over a profile that changed meanwhile`, async () => {
    await using w = await world(kind);
    const document: unknown = JSON.parse(await readFile(new URL("ips/complete.json", data), "utf8"));
    const preview = await w.send(zouzou, "POST", "/v1/me/import", document);
    assert.equal(preview.status, 200);
    assert.equal(preview.body.data.saved, false);
    assert.ok(preview.body.data.understood.length > 8);
    assert.equal((await w.send(zouzou, "GET", "/v1/me/profile")).status, 404);

    const saved = await w.send(zouzou, "POST", "/v1/me/import?save=true", document);
    assert.equal(saved.status, 200);
    const profile = await w.send(zouzou, "GET", "/v1/me/profile");
    assert.equal(profile.headers.get("etag"), saved.headers.get("etag"));
    assert.equal(profile.body.data.allergies.items[0].confirmed_by, "import");
    assert.equal(profile.body.data.allergies.items[0].confirmed_at, "2017-12-11T13:30:00.000Z");

    const stale = await w.send(zouzou, "POST", "/v1/me/import?save=true", document, { "if-match": '"1"' });
    assert.equal(stale.status, 412);
  });

  test(`[${kind}] what is no FHIR bundle is refused with what was expected`, async () => {
    await using w = await world(kind);
    for (const body of [{}, [], "7", "null", { resourceType: "Patient" }]) {
      const answer = await w.send(zouzou, "POST", "/v1/me/import", body);
      assert.equal(answer.status, 400);
      assert.match(answer.body.message, /FHIR R4 Bundle/);
    }
    assert.equal((await w.send(zouzou, "POST", "/v1/me/import", "{")).status, 400);
    const fhir = { "content-type": "application/fhir+json" };
    assert.equal((await w.send(zouzou, "POST", "/v1/me/import", "{", fhir)).status, 400);
    assert.equal(
      (await w.send(zouzou, "POST", "/v1/me/import", { resourceType: "Bundle", entry: [] }, fhir)).status,
      200,
    );
    const large = JSON.stringify({ resourceType: "Bundle", padding: "x".repeat(4 * 1024 * 1024) });
    assert.equal((await w.send(zouzou, "POST", "/v1/me/import", large)).status, 413);
    assert.equal((await w.send(zouzou, "POST", "/v1/me/import", large, fhir)).status, 413);
    const deep = `${"[".repeat(300_000)}${"]".repeat(300_000)}`;
    assert.equal((await w.send(zouzou, "POST", "/v1/me/import", deep)).status, 400);
    assert.equal((await w.send(zouzou, "POST", "/v1/me/import", deep, fhir)).status, 400);
  });

  test(`[${kind}] the emergency view is for services and for the person; without a profile it says so`, async () => {
    await using w = await world(kind);
    const path = `/internal/people/${zouzou.id}/emergency-view`;
    assert.equal((await w.send(zouzou, "GET", path)).status, 403);
    const empty = await w.send(access, "GET", path);
    assert.deepEqual([empty.status, empty.body.data.has_profile], [200, false]);
    await w.send(zouzou, "PUT", "/v1/me/profile", { data: exampleInput });
    const { body } = await w.send(access, "GET", path);
    assert.equal(body.data.has_profile, true);
    assert.equal(body.data.red_band[0].kind, "life-threatening-allergy");
    assert.deepEqual((await w.send(zouzou, "GET", "/v1/me/emergency-view")).body.data, body.data);
    assert.ok((await w.send(zouzou, "GET", "/v1/me/missing")).body.data.length > 0);
  });

  test(`[${kind}] the card shows only the chosen parts, after the view is on record`, async () => {
    await using w = await world(kind);
    await w.send(zouzou, "PUT", "/v1/me/profile", { data: exampleInput });
    assert.equal((await w.send(zouzou, "GET", "/v1/me/card")).status, 404);
    const made = await w.send(zouzou, "PUT", "/v1/me/card", { data: {} });
    assert.deepEqual(made.body.data.parts, []);
    const { token, url, path } = made.body.data;
    assert.equal(url, `https://urgence.example/e/${token}`);
    assert.ok(Buffer.from(token, "base64url").length * 8 >= 128);

    const closed = await w.send(undefined, "GET", cardApi(path));
    assert.equal(closed.status, 200);
    assert.deepEqual([closed.body.data.initials, closed.body.data.sections], ["Z. V.", {}]);
    for (const secret of ["Vautrinelle", "Pénicilline", "Xarelto", "1958", "+336"])
      assert.ok(!closed.text.includes(secret));
    assert.equal(closed.headers.get("x-robots-tag"), "noindex, nofollow");
    assert.match(closed.headers.get("cache-control") ?? "", /no-store/);

    await w.send(zouzou, "PUT", "/v1/me/card", { data: { parts: ["allergies", "identity"] } });
    const open = await w.send(undefined, "GET", cardApi(path));
    assert.deepEqual(Object.keys(open.body.data.sections), ["allergies"]);
    assert.deepEqual(
      open.body.data.red_band.map((entry: { kind: string }) => entry.kind),
      ["life-threatening-allergy", "severe-allergy"],
    );
    assert.equal(open.body.data.identity.age_years, 68);
    assert.ok(!open.text.includes("1958-02-11"));
    const audited = w.made.filter((call) => call.path === "/internal/audit");
    assert.equal(audited.length, 2);
    assert.deepEqual(audited[1]?.body, {
      level: 0,
      person: zouzou.id,
      service: "profiles",
      sections: ["identity", "allergies"],
      outcome: "shown",
    });
    assert.deepEqual((await w.send(access, "POST", "/internal/card", { token })).body.data, {
      person: zouzou.id,
      public: ["identity", "allergies"],
    });
    assert.equal((await w.send(zouzou, "POST", "/internal/card", { token })).status, 403);
    const svg = await w.send(zouzou, "GET", "/v1/me/card.svg");
    assert.equal(svg.headers.get("content-type"), "image/svg+xml");
    assert.match(svg.text, /^<svg[\s\S]*<\/svg>\s*$/);
  });

  test(`[${kind}] unknown, malformed, rotated and revoked tokens get the same answer`, async () => {
    await using w = await world(kind);
    const first = (await w.send(zouzou, "PUT", "/v1/me/card", { data: { parts: ["allergies"] } })).body.data;
    const again = (await w.send(zouzou, "PUT", "/v1/me/card", { data: {} })).body.data;
    assert.deepEqual([again.token, again.parts], [first.token, ["allergies"]]);
    const second = (await w.send(zouzou, "PUT", "/v1/me/card", { data: { rotate: true } })).body.data;
    assert.notEqual(second.token, first.token);
    assert.deepEqual(second.parts, ["allergies"]);
    assert.equal((await w.send(undefined, "GET", cardApi(second.path))).status, 200);
    assert.equal((await w.send(zouzou, "DELETE", "/v1/me/card")).status, 200);
    assert.equal((await w.send(zouzou, "DELETE", "/v1/me/card")).status, 404);
    const answers = [];
    for (const token of [first.token, second.token, "A".repeat(24), "x", "x".repeat(4000)]) {
      const { status, text, headers } = await w.send(undefined, "GET", `/v1/cards/${token}`);
      answers.push(`${status} ${text} ${headers.get("x-robots-tag")}`);
    }
    assert.equal(new Set(answers).size, 1);
    assert.match(answers[0] ?? "", /^404 .*noindex/);
  });

  test(`[${kind}] nothing is shown when the view cannot be recorded`, async () => {
    let broken = true;
    await using w = await world(kind, {
      answer: () => {
        if (broken) throw new Error("no audit today");
        return undefined;
      },
    });
    await w.send(zouzou, "PUT", "/v1/me/profile", { data: exampleInput });
    const { path } = (await w.send(zouzou, "PUT", "/v1/me/card", { data: { parts: ["allergies"] } })).body.data;
    for (const state of [true, false]) {
      broken = state;
      const answer = await w.send(undefined, "GET", cardApi(path));
      assert.equal(answer.status, 503);
      assert.ok(!answer.text.includes("nicilline"));
    }
  });

  test(`[${kind}] card views are limited by address, and come back with time`, async () => {
    await using w = await world(kind, { views: 3 });
    const { path } = (await w.send(zouzou, "PUT", "/v1/me/card", { data: {} })).body.data;
    const web: TestCaller = { id: "service:web", roles: ["service"] };
    const from = (address: string) => w.send(web, "GET", cardApi(path), undefined, { "x-client-address": address });
    for (let view = 0; view < 3; view += 1) assert.equal((await from("203.0.113.1")).status, 200);
    const refused = await from("203.0.113.1");
    assert.equal(refused.status, 429);
    assert.ok(Number(refused.headers.get("retry-after")) > 0);
    assert.equal((await from("203.0.113.2")).status, 200);
    w.clock.advance(61_000);
    assert.equal((await from("203.0.113.1")).status, 200);
  });

  test(`[${kind}] the export holds everything, and names the part that could not be had`, async () => {
    await using w = await world(kind, {
      answer: ({ service, path }) => {
        if (service === "positions") throw new Error("down");
        return service === "access" ? [{ at: "2026-01-01" }] : { path };
      },
    });
    await w.send(zouzou, "PUT", "/v1/me/profile", { data: exampleInput });
    await w.send(zouzou, "PUT", "/v1/me/card", { data: {} });
    const { status, headers, body } = await w.send(zouzou, "GET", "/v1/me/export");
    assert.equal(status, 200);
    assert.match(headers.get("content-disposition") ?? "", /attachment/);
    const everything = body.data;
    assert.equal(everything.profile.identity.family_name, "Vautrinelle");
    assert.equal(everything.ips.resourceType, "Bundle");
    assert.equal(everything.history.length, 1);
    assert.ok(everything.card.token);
    assert.equal(everything.account.path, "/v1/me");
    assert.deepEqual(everything.access_log, [{ at: "2026-01-01" }]);
    assert.deepEqual(
      everything.missing_parts.map((part: { part: string }) => part.part),
      ["positions"],
    );
    assert.ok(!("positions" in everything));

    // The whole export can be imported again as it is.
    const again = await w.send(other, "POST", "/v1/me/import", body);
    assert.equal(again.body.data.profile.allergies.items.length, 3);
  });

  test(`[${kind}] deleting erases profile, history and card, and tells what went`, async () => {
    await using w = await world(kind);
    assert.equal((await w.send(zouzou, "DELETE", "/v1/me/profile")).status, 404);
    const { headers } = await w.send(zouzou, "PUT", "/v1/me/profile", { data: exampleInput });
    await w.send(zouzou, "PATCH", "/v1/me/profile", { data: { what_matters: "Something else" } });
    const { path } = (await w.send(zouzou, "PUT", "/v1/me/card", { data: { parts: ["allergies"] } })).body.data;
    await w.send(other, "PUT", "/v1/me/profile", { data: exampleInput });

    const conditional = { "if-match": headers.get("etag") ?? "" };
    assert.equal((await w.send(zouzou, "DELETE", "/v1/me/profile", undefined, conditional)).status, 412);
    const gone = await w.send(zouzou, "DELETE", "/v1/me/profile");
    assert.equal(gone.status, 200);
    assert.deepEqual([gone.body.data.profiles, gone.body.data.versions, gone.body.data.cards], [1, 2, 1]);
    assert.equal((await w.send(zouzou, "GET", "/v1/me/profile")).status, 404);
    assert.equal((await w.send(zouzou, "GET", "/v1/me/card")).status, 404);
    assert.deepEqual((await w.send(zouzou, "GET", "/v1/me/history")).body.data, []);
    assert.equal((await w.send(undefined, "GET", cardApi(path))).status, 404);
    assert.equal((await w.send(other, "GET", "/v1/me/profile")).status, 200);

    const internal = await w.send(access, "DELETE", `/internal/people/${other.id}`);
    assert.equal(internal.body.data.profiles, 1);
    assert.equal((await w.send(other, "DELETE", `/internal/people/${zouzou.id}`)).status, 403);

    // Who comes back begins with a history of their own.
    await w.send(zouzou, "PUT", "/v1/me/profile", { data: {} });
    assert.equal((await w.send(zouzou, "GET", "/v1/me/history")).body.data.length, 1);
  });
}

test("after deletion no file of the store contains anything that the person said", async () => {
  await using w = await world(durableStorage);
  await w.store.legible();
  const found = async (texts: readonly string[]) => {
    const searched = texts.map(async (text) => ((await w.store.filesWith([text])).length > 0 ? [text] : []));
    return (await Promise.all(searched)).flat();
  };
  for (let version = 0; version < 5; version += 1) {
    await w.send(zouzou, "PUT", "/v1/me/profile", {
      data: { ...exampleInput, what_matters: `Barnabé le chat, version ${version}` },
    });
  }
  const { token } = (await w.send(zouzou, "PUT", "/v1/me/card", { data: { parts: ["allergies"] } })).body.data;
  await w.send(zouzou, "PUT", "/v1/me/card", { data: { rotate: true } });
  const said = [
    "Quennebert",
    "Vautrinelle",
    "Zouzou",
    "Pénicilline",
    "Xarelto",
    "Azure XT",
    "Barnabé",
    "+33612345678",
    "Escoffyer",
  ];
  assert.deepEqual((await found(said)).toSorted(), said.toSorted(), "the search itself must find them before");
  assert.deepEqual(await found([token]), [], "the store never holds a card's token in clear");
  assert.equal((await w.send(zouzou, "DELETE", "/v1/me/profile")).status, 200);
  assert.deepEqual(await found(said), []);
  await w.service.stop();
  assert.deepEqual(await found(said), []);
});

test("the log contains neither medical facts nor tokens", async () => {
  const { log, lines } = captureLog();
  await using w = await world(anyStorage, { log });
  await w.send(zouzou, "PUT", "/v1/me/profile", { data: exampleInput });
  await w.send(zouzou, "PUT", "/v1/me/profile", { data: { ...exampleInput, identity: { family_name: 7 } } });
  const { token, path } = (await w.send(zouzou, "PUT", "/v1/me/card", { data: { parts: ["allergies"] } })).body.data;
  await w.send(undefined, "GET", cardApi(path));
  await w.send(zouzou, "GET", "/v1/me/export");
  await w.send(zouzou, "DELETE", "/v1/me/profile");
  const text = lines.join("\n");
  assert.ok(lines.length > 4);
  for (const secret of [token, "Vautrinelle", "Pénicilline", "Xarelto", "+33612345678"])
    assert.ok(!text.includes(secret), secret);
});

test("every violation of a profile is named with its path", async () => {
  await using w = await world(anyStorage);
  const { status, body } = await w.send(zouzou, "PUT", "/v1/me/profile", {
    data: {
      allergies: { statement: "listed", items: [{ text: "Nuts", severity: "terrible" }] },
      contacts: { statement: "listed", items: [{ name: "Ana", phone: "0612345678" }] },
      colour: "red",
    },
  });
  assert.equal(status, 400);
  const names = body.details.map((detail: { name: string }) => detail.name);
  for (const name of ["allergies.items.0.severity", "contacts.items.0.phone", "colour"])
    assert.ok(names.includes(name), name);
  const rule = await w.send(zouzou, "PUT", "/v1/me/profile", {
    data: { allergies: { statement: "listed", items: [] } },
  });
  assert.equal(rule.body.details[0].code, "items-missing");
});

test("the routes are described, the internal ones are not", async () => {
  await using w = await world(anyStorage);
  const document = JSON.stringify(w.service.openapi());
  for (const path of ["/me/profile", "/me/history", "/me/import", "/me/card", "/cards/{token}"])
    assert.ok(document.includes(path), path);
  assert.ok(!document.includes("/internal/"));
});

test("a card key that is too short stops the start", () => {
  const deps = { authentication: [testPolicy], call: testCalls(() => undefined), cardKey: new Uint8Array(16) };
  assert.throws(() => profilesService(deps), /32 bytes/);
  assert.ok(authorization(zouzou));
});

test("no document and no profile, however odd, is answered with a server error", async () => {
  await using w = await world(anyStorage);
  const text = await readFile(new URL("ips/minimal.json", data), "utf8");
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.tuple(fc.nat(text.length), fc.constantFrom("null", "\\u0000", "\\ud800", "[]", '":1,"', "9e999", "x")),
        { maxLength: 3 },
      ),
      fc.jsonValue({ maxDepth: 3 }),
      async (edits, value) => {
        const damaged = edits.reduce(
          (result, [place, junk]) => result.slice(0, place) + junk + result.slice(place),
          text,
        );
        const answers = [
          await w.send(zouzou, "POST", "/v1/me/import?save=true", damaged),
          await w.send(zouzou, "PUT", "/v1/me/profile", { data: { allergies: value } }),
          await w.send(zouzou, "PATCH", "/v1/me/profile", { data: value as object }),
          await w.send(zouzou, "PUT", "/v1/me/card", { data: value as object }),
        ];
        for (const { status, text: answer } of answers) assert.ok(status < 500, answer);
        assert.ok((await w.send(zouzou, "GET", "/v1/me/emergency-view")).status === 200);
      },
    ),
    { numRuns: 60 },
  );
});
