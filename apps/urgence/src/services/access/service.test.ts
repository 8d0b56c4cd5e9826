import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { manualClock } from "rouage";
import { openStorage } from "rouage/storage";
import {
  anyStorage,
  durableStorage,
  filesIn,
  filesWith,
  type StorageKind,
  testStorages,
  testStore,
} from "../../../../../scripts/test-stores.ts";
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
import { auditLists } from "./audit/records.ts";
import { type AccessDeps, accessService } from "./service.ts";
import { testKeys, unreliable } from "./testing.ts";
import { verifyAudit } from "./verify-audit.ts";

const key = Buffer.from("a key for tests");
const ada: TestCaller = { id: "0198aaaa-0000-7000-8000-00000000ada1", roles: ["person"] };
const bob: TestCaller = { id: "0198aaaa-0000-7000-8000-00000000b0b1", roles: ["person"] };
const remi: TestCaller = {
  id: "0198aaaa-0000-7000-8000-00000000e311",
  roles: ["person", "responder"],
  amr: ["pwd", "otp"],
  site: "samu-75",
};
const zoe: TestCaller = { ...remi, id: "0198aaaa-0000-7000-8000-0000000020e1" };
const internal: TestCaller = { id: "service:profiles", roles: ["service"] };
const adasPhone = "+33639980001";
const start = Date.UTC(2026, 5, 1, 12);
const year = 365 * 24 * 3_600_000;

const view = {
  has_profile: true,
  identity: { name: "Ada", birth_date: "1980-05-03" },
  red_band: [{ kind: "anticoagulant" }],
  sections: {
    allergies: { statement: "listed", items: [{ text: "penicillin" }] },
    conditions: { masked: true },
    medications: { statement: "none-known", items: [] },
  },
};

interface World {
  /** Who is behind Ada's number, as accounts tells it. */
  candidates: object | undefined;
  view: object | undefined;
  position: object | undefined;
  card: object | undefined;
  /** Services that do not answer. */
  down: Set<string>;
}

async function setUp(kind: StorageKind = anyStorage, more: Partial<AccessDeps> = {}) {
  const folder = await temporaryFolder();
  const clock = manualClock(start);
  const world: World = {
    candidates: { person: ada.id, phone_confirmed_at: "2026-01-01T00:00:00Z" },
    view,
    position: { coordinates: [2.3522, 48.8566], age_seconds: 12 },
    card: undefined,
    down: new Set(),
  };
  const call = testCalls(({ service, path, body }) => {
    if (world.down.has(service)) throw new Error(`${service} is away`);
    if (path === "/internal/people/find")
      return (body as { phone_hash: string }).phone_hash === phoneHash(key, adasPhone) ? world.candidates : undefined;
    if (path === "/internal/card")
      return (body as { token: string }).token === "card-token-of-ada" ? world.card : undefined;
    const person = path.split("/")[3];
    if (person !== ada.id && person !== bob.id) return undefined;
    return path.endsWith("/emergency-view") ? world.view : world.position;
  });
  const store = await testStore(kind, join(folder.path, "access.db"));
  const real = await openStorage(store.url, { clock });
  const storage = unreliable(real);
  const { log, lines } = captureLog();
  const keys = testKeys();
  const definition = accessService({
    authentication: [testPolicy],
    call,
    phoneHashKey: key,
    subjectKey: Buffer.from("another key"),
    auditKeys: keys,
    spoolFolder: join(folder.path, "spool"),
    // A store that is only slow takes the entry: what is looked for is there then.
    auditTimeoutMs: 10_000,
    ...more,
  });
  let service = await definition.start({ clock, storage, log });
  const send = async (caller: TestCaller | undefined, method: string, path: string, body?: unknown) => {
    const response = await service.fetch(requestAs(caller, method, path, body));
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: text === "" ? undefined : JSON.parse(text),
    };
  };
  const look = (more: object = {}, caller: TestCaller | undefined = remi) =>
    send(caller, "POST", "/v1/lookup", { phone: adasPhone, reason: "unconscious", incident: "2026-0042", ...more });
  const accessLog = async (caller = ada) => (await send(caller, "GET", "/v1/me/access-log")).json.data;
  const entries = async (): Promise<readonly Record<string, unknown>[]> =>
    (await Array.fromAsync(real.scan(auditLists.entries))).flatMap((entry) =>
      entry.kind === "object" ? [JSON.parse(entry.body)] : [],
    );
  return {
    folder: folder.path,
    /** Of the store and of the spool. */
    filesWith: async (...texts: readonly string[]) => [
      ...(await store.filesWith(texts)),
      ...(await filesWith(await filesIn(folder.path), texts)),
    ],
    clock,
    world,
    call,
    storage,
    lines,
    keys,
    send,
    look,
    accessLog,
    entries,
    verify: () => verifyAudit(real, keys.jwks()),
    /** Another process on the same store, as far as the service can tell. */
    another: () => definition.start({ clock, storage, log }),
    async restart() {
      await service.stop();
      service = await definition.start({ clock, storage, log });
    },
    async [Symbol.asyncDispose]() {
      await service.stop();
      await real.close();
      await store[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

for (const kind of testStorages)
  describe(`access on ${kind}`, () => {
    test("a responder gets the emergency view, the last position with its age, and the audit id", async () => {
      await using context = await setUp(kind);
      const { status, json } = await context.look();
      assert.equal(status, 200);
      assert.deepEqual(json.data.view, view);
      assert.deepEqual(json.data.position, { coordinates: [2.3522, 48.8566], age_seconds: 12 });
      assert.equal(json.data.level, 2);
      assert.equal((await context.entries())[0]?.audit, json.data.audit);
    });

    test("the person reads who looked: role, site, when, why, level; not the responder's identity", async () => {
      await using context = await setUp(kind);
      const { json } = await context.look({ note: "found on a bench" });
      assert.deepEqual(await context.accessLog(), [
        {
          id: json.data.audit,
          at: "2026-06-01T12:00:00.000Z",
          level: 2,
          who: { role: "responder", site: "samu-75" },
          reason: "unconscious",
          note: "found on a bench",
          incident: "2026-0042",
          sections: ["identity", "red_band", "allergies", "medications", "position"],
          outcome: "shown",
        },
      ]);
      assert.deepEqual(await context.accessLog(bob), []);
    });

    test("the person reads the name of the site where the token has one", async () => {
      await using context = await setUp(kind);
      await context.look({}, { ...remi, site: { id: "samu-75", name: "SAMU de Paris" } });
      const [entry] = await context.accessLog();
      assert.deepEqual(entry.who, { role: "responder", site: "samu-75", service: "SAMU de Paris" });
    });

    test("the access log comes in pages, newest first", async () => {
      await using context = await setUp(kind);
      for (let number = 1; number <= 5; number++) await context.look({ incident: `i-${number}` });
      const seen: string[] = [];
      let path: string | null = "/v1/me/access-log?_limit=2";
      while (path !== null) {
        const page: Awaited<ReturnType<typeof context.send>> = await context.send(ada, "GET", path);
        seen.push(...page.json.data.map(({ incident }: { incident: string }) => incident));
        const next = page.headers.get("next-page");
        path = next === null ? null : new URL(next).pathname + new URL(next).search;
      }
      assert.deepEqual(seen, ["i-5", "i-4", "i-3", "i-2", "i-1"]);
    });

    test("a responder reads their own lookups only, without the person", async () => {
      await using context = await setUp(kind);
      await context.look({ incident: "i-1" });
      await context.look({ incident: "i-2" }, zoe);
      const { json } = await context.send(remi, "GET", "/v1/lookups");
      assert.deepEqual(
        json.data.map(({ incident }: { incident: string }) => incident),
        ["i-1"],
      );
      assert.ok(!JSON.stringify(json).includes("subject"));
    });

    test("64 lookups at once make one chain of 64 entries", async () => {
      await using context = await setUp(kind, { lookupsPerResponderHour: 1000, lookupsPerSiteHour: 1000 });
      const answers = await Promise.all(
        Array.from({ length: 64 }, (_, index) => context.look({ incident: `i-${index}` })),
      );
      assert.ok(answers.every(({ status }) => status === 200));
      const report = await context.verify();
      assert.deepEqual([report.ok, report.entries], [true, 64]);
      assert.equal((await context.accessLog()).length, 50, "a page");
    });

    test("the audit, the logs and the calls carry no phone number, no name and no medical fact", async () => {
      await using context = await setUp(kind);
      await context.look();
      await context.look({ phone: "06 39 98 00 01" });
      await context.look({ phone: "+33639989999" });
      const secrets = ["33639980001", "0639980001", "39 98 00 01", "33639989999", "penicillin"];
      const texts = [
        JSON.stringify(await context.entries()),
        context.lines.join("\n"),
        JSON.stringify(context.call.made),
      ];
      for (const text of texts)
        for (const secret of [...secrets, "1980"])
          assert.ok(!text.includes(secret), `${secret} in ${text.slice(0, 300)}`);
      for (const secret of secrets) assert.deepEqual([secret, await context.filesWith(secret)], [secret, []]);
      assert.ok(!texts[0]?.includes(ada.id), "the chain names a pseudonym");
    });

    test("erasing a person unlinks the entries for good, and the chain still verifies", async () => {
      await using context = await setUp(kind);
      await context.look({ note: "zzyzx-marker-note" });
      await context.look();
      const receipt = await context.send(internal, "DELETE", `/internal/people/${ada.id}`);
      assert.deepEqual(receipt.json.data, { links: 1, notes: 1, events: 2, entries_unlinked: 2 });
      assert.ok((await context.verify()).ok);
      assert.deepEqual(await context.accessLog(), []);
      const again = await context.send(internal, "DELETE", `/internal/people/${ada.id}`);
      assert.deepEqual(again.json.data, { links: 0, notes: 0, events: 0, entries_unlinked: 0 });
      assert.deepEqual(await context.filesWith(ada.id, "zzyzx-marker-note"), []);
    });

    test("an erasure that failed half-way can be repeated", async () => {
      await using context = await setUp(kind);
      await context.look({ note: "zzyzx-marker-note" });
      let calls = 0;
      context.storage.failErase = () => ++calls === 2;
      assert.equal((await context.send(internal, "DELETE", `/internal/people/${ada.id}`)).status >= 500, true);
      context.storage.failErase = () => false;
      const receipt = await context.send(internal, "DELETE", `/internal/people/${ada.id}`);
      assert.deepEqual(receipt.json.data, { links: 1, notes: 0, events: 1, entries_unlinked: 1 });
    });

    test("an access at one process of a person who was erased at another makes no new link", async () => {
      await using context = await setUp(kind);
      await context.look();
      await using other = await context.another();
      const erased = await other.fetch(requestAs(internal, "DELETE", `/internal/people/${ada.id}`));
      assert.equal(((await erased.json()) as { data: { links: number } }).data.links, 1);
      // Until this process has read of it, it knows the pseudonym by heart, which leads to nobody any more.
      do await context.look();
      while ("subject" in ((await context.entries()).at(-1) ?? {}));
      assert.deepEqual(await Array.fromAsync(context.storage.scan(auditLists.subjects)), []);
    });

    test("an access still on its way when the person is erased makes no new link", async () => {
      await using context = await setUp(kind);
      await context.look();
      await context.send(internal, "DELETE", `/internal/people/${ada.id}`);
      await context.look();
      const [, late] = await context.entries();
      assert.equal(late?.outcome, "shown");
      assert.ok(late !== undefined && !("subject" in late));
      const events = (await Array.fromAsync(context.storage.log({ resources: [auditLists.events] }))).filter(
        ({ body }) => body,
      );
      assert.deepEqual(events, []);
    });

    test("a budget counts what was looked up before a restart", async () => {
      await using context = await setUp(kind, { lookupsPerResponderHour: 2 });
      await context.look();
      await context.look();
      await context.restart();
      assert.equal((await context.look()).status, 429);
    });
  });

describe("access: roles and levels", () => {
  const pwdOnly: TestCaller = { ...remi, amr: ["pwd"] };
  const pending: TestCaller = { ...remi, roles: ["person", "mfa-pending"], amr: ["pwd"] };
  const noAmr: TestCaller = { id: remi.id, roles: ["responder"] };
  const officer: TestCaller = { id: "o", roles: ["person", "officer"], amr: ["pwd", "otp"] };
  const operator: TestCaller = { id: "op", roles: ["person", "operator"], amr: ["pwd", "otp"] };
  const cases: readonly (readonly [string, TestCaller | undefined, Record<string, number>])[] = [
    ["nobody", undefined, { lookup: 401, lookups: 401, log: 401, audit: 401, erase: 401, verification: 401 }],
    ["a person", ada, { lookup: 403, lookups: 403, log: 200, audit: 403, erase: 403, verification: 403 }],
    ["a responder", remi, { lookup: 200, lookups: 200, log: 200, audit: 403, erase: 403, verification: 403 }],
    ["a responder without the second factor", pwdOnly, { lookup: 403, lookups: 403, log: 200, audit: 403, erase: 403 }],
    ["a responder who has not enrolled one", pending, { lookup: 403, lookups: 403, log: 200, audit: 403, erase: 403 }],
    ["a responder whose token says no factor", noAmr, { lookup: 403, lookups: 403, log: 403, audit: 403 }],
    ["an officer", officer, { lookup: 403, lookups: 403, log: 200, audit: 403, erase: 403, verification: 403 }],
    ["an operator", operator, { lookup: 403, lookups: 403, log: 200, audit: 403, erase: 403, verification: 403 }],
    ["a service", internal, { lookup: 403, lookups: 403, log: 403, audit: 201, erase: 200, verification: 200 }],
  ];
  const requests: Record<string, readonly [string, string, unknown?]> = {
    lookup: ["POST", "/v1/lookup", { phone: adasPhone, reason: "unconscious", incident: "2026-0042" }],
    lookups: ["GET", "/v1/lookups"],
    log: ["GET", "/v1/me/access-log"],
    audit: ["POST", "/internal/audit", { level: 0, person: ada.id }],
    erase: ["DELETE", `/internal/people/${ada.id}`],
    verification: ["GET", "/internal/audit/verification"],
  };
  for (const [who, caller, expected] of cases)
    for (const [what, status] of Object.entries(expected))
      test(`${who}, ${what}: ${status}`, async () => {
        await using context = await setUp();
        const [method, path, body] = requests[what] ?? assert.fail();
        assert.equal((await context.send(caller, method, path, body)).status, status);
      });

  for (const level of [0, 1, 2, 3])
    test(`an access at level ${level} recorded by a service is in the person's log`, async () => {
      await using context = await setUp();
      const sent = await context.send(internal, "POST", "/internal/audit", {
        level,
        person: ada.id,
        sections: ["allergies"],
        service: "profiles",
      });
      assert.equal(sent.status, 201);
      const [entry] = await context.accessLog();
      assert.deepEqual(
        [entry.id, entry.level, entry.who],
        [sent.json.data.audit, level, { role: "card-holder", service: "profiles" }],
      );
    });
});

describe("lookup: reason and incident", () => {
  test("both are required, and both are named", async () => {
    await using context = await setUp();
    const { status, json } = await context.send(remi, "POST", "/v1/lookup", { phone: adasPhone });
    assert.equal(status, 400);
    assert.deepEqual(json.details.map(({ name }: { name: string }) => name).sort(), ["incident", "reason"]);
  });

  test("a reason in other words counts as other, and the words are kept", async () => {
    await using context = await setUp();
    await context.look({ reason: "collapsed at work" });
    const [entry] = await context.accessLog();
    assert.deepEqual([entry.reason, entry.note], ["other", "collapsed at work"]);
  });

  for (const incident of ["", " ", "Ada Lovelace", "x".repeat(65), "a\nb", "=cmd", 7])
    test(`${JSON.stringify(incident).slice(0, 20)} is no incident`, async () => {
      await using context = await setUp();
      assert.equal((await context.look({ incident })).status, 400);
    });
});

describe("lookup: exact phone or token only", () => {
  for (const phone of ["+33 6 39 98 00 01", "0639980001", "06.39.98.00.01", "0033639980001"])
    test(`${phone} finds the person`, async () => {
      await using context = await setUp();
      assert.equal((await context.look({ phone })).status, 200);
    });

  for (const phone of ["+336399800", "0639", "%", "*", "06399800*1", "not a number", "+33639980001;ext=5"])
    test(`${phone} is no number, and is not repeated in the answer`, async () => {
      await using context = await setUp();
      const { status, text } = await context.look({ phone });
      assert.equal(status, 400);
      assert.ok(phone.length < 3 || !text.includes(phone));
    });

  test("either phone or card, not both and not neither", async () => {
    await using context = await setUp();
    assert.equal((await context.look({ card: "card-token-of-ada" })).status, 400);
    assert.equal((await context.look({ phone: undefined })).status, 400);
  });

  test("a card token, or the URL of its QR code, finds the person without a second fact", async () => {
    await using context = await setUp();
    context.world.card = { person: ada.id, public: {} };
    for (const card of ["card-token-of-ada", "https://urgence.example/e/card-token-of-ada?x=1"]) {
      const { status, json } = await context.look({ phone: undefined, card });
      assert.equal(status, 200);
      assert.deepEqual(json.data.view, view);
    }
    assert.equal((await context.look({ phone: undefined, card: "revoked-token" })).status, 404);
  });
});

describe("lookup: nobody found", () => {
  test("an unknown number is 404 and on record as an attempt without a person", async () => {
    await using context = await setUp();
    const { status, json } = await context.look({ phone: "+33639989999" });
    assert.equal(status, 404);
    const [entry] = await context.entries();
    assert.deepEqual([entry?.outcome, entry?.audit, entry?.actor], ["not-found", json.details.audit, remi.id]);
    assert.ok(entry !== undefined && !("subject" in entry));
  });

  test("looks the same whatever the cause, and asks the same services", async () => {
    await using context = await setUp();
    const shape = async (more: object, change: () => void = () => {}) => {
      change();
      context.call.made.length = 0;
      const { status, json } = await context.look(more);
      const { audit: _, ...details } = json.details;
      return [status, json.errno, json.message, details, context.call.made.map(({ service }) => service)];
    };
    const unknown = await shape({ phone: "+33639989999" });
    const wrongYear = await shape({ birth_year: 1981 });
    const empty = await shape({}, () => {
      context.world.view = { has_profile: false };
      context.world.position = undefined;
    });
    assert.deepEqual(wrongYear, unknown);
    assert.deepEqual(empty, unknown);
  });

  test("a person without a profile but with a position is found", async () => {
    await using context = await setUp();
    context.world.view = { has_profile: false };
    const { status, json } = await context.look();
    assert.equal(status, 200);
    assert.equal(json.data.view, null);
    assert.deepEqual(json.data.position.coordinates, [2.3522, 48.8566]);
  });
});

describe("lookup: the second fact", () => {
  const required = async (context: Awaited<ReturnType<typeof setUp>>) => {
    const { status, json } = await context.look();
    assert.equal(status, 400);
    assert.deepEqual(
      json.details.map(({ name, code }: { name: string; code: string }) => [name, code]),
      [["birth_year", "second-fact-required"]],
    );
  };

  for (const [name, confirmed] of [
    ["confirmed more than twelve months ago", new Date(start - year - 1).toISOString()],
    ["never confirmed", undefined],
  ] as const)
    test(`a number ${name} needs the year of birth`, async () => {
      await using context = await setUp();
      context.world.candidates = { person: ada.id, phone_confirmed_at: confirmed };
      await required(context);
      assert.equal((await context.look({ birth_year: 1980 })).status, 200);
      assert.equal((await context.look({ birth_year: 1979 })).status, 404);
      assert.deepEqual(
        (await context.accessLog()).map(({ outcome }: { outcome: string }) => outcome),
        ["second-fact-wrong", "shown", "second-fact-required"],
      );
    });

  test("a number confirmed within twelve months needs none", async () => {
    await using context = await setUp();
    context.world.candidates = { person: ada.id, phone_confirmed_at: start - year };
    assert.equal((await context.look()).status, 200);
  });

  test("a number marked as shared needs the year of birth", async () => {
    await using context = await setUp();
    context.world.candidates = { person: ada.id, phone_confirmed_at: "2026-05-01T00:00:00Z", shared: true };
    await required(context);
    assert.equal((await context.look({ birth_year: 1980 })).status, 200);
  });

  test("a number of several people shows the one whose year it is, and nobody when two have it", async () => {
    await using context = await setUp();
    const fresh = "2026-05-01T00:00:00Z";
    context.world.candidates = {
      people: [
        { person: ada.id, phone_confirmed_at: fresh },
        { person: bob.id, phone_confirmed_at: fresh },
      ],
    };
    await required(context);
    assert.equal((await context.look({ birth_year: 1980 })).status, 404, "both were born in 1980");
    assert.equal((await context.look({ birth_year: 1970 })).status, 404);
  });

  test("where the profile tells no year of birth, an old number finds nobody", async () => {
    await using context = await setUp();
    context.world.candidates = { person: ada.id };
    context.world.view = { ...view, identity: {} };
    assert.equal((await context.look({ birth_year: 1980 })).status, 404);
  });

  test("a year that contradicts the profile finds nobody even where none is needed", async () => {
    await using context = await setUp();
    assert.equal((await context.look({ birth_year: 1999 })).status, 404);
  });
});

describe("lookup: budgets", () => {
  test("a responder's is 429 with Retry-After when used up, and full again an hour later", async () => {
    await using context = await setUp(anyStorage, { lookupsPerResponderHour: 2 });
    await context.look();
    context.clock.advance(60_000);
    await context.look({ phone: "+33639989999" });
    const refused = await context.look();
    assert.equal(refused.status, 429);
    assert.equal(refused.headers.get("retry-after"), "3540");
    assert.equal(refused.json.errno, 117);
    assert.equal((await context.look({}, zoe)).status, 200, "another responder's budget is their own");
    context.clock.advance(3_540_000);
    assert.equal((await context.look()).status, 200);
  });

  test("a site's is shared by its responders", async () => {
    await using context = await setUp(anyStorage, { lookupsPerSiteHour: 2 });
    await context.look();
    await context.look({}, zoe);
    assert.equal((await context.look()).status, 429);
    assert.equal((await context.look({}, { ...zoe, site: "samu-13" })).status, 200);
  });

  test("one used up is a line in the log and an event, with identifiers only", async () => {
    await using context = await setUp(anyStorage, { lookupsPerResponderHour: 1 });
    await context.look();
    await context.look();
    const anomalies = async () =>
      (await Array.fromAsync(context.storage.log())).filter(({ type }) => type === "access.anomaly");
    await eventually(async () => (await anomalies()).length > 0);
    assert.deepEqual(
      (await anomalies()).map(({ body }) => JSON.parse(body ?? "")),
      [{ actor: remi.id, scope: "responder", kind: "lookup-budget", site: "samu-75" }],
    );
    assert.ok(context.lines.some((line) => line.includes("a budget of lookups is used up")));
  });
});

describe("lookup: services that do not answer", () => {
  for (const service of ["accounts", "profiles"])
    test(`without ${service} the answer is 503, and the attempt is on record`, async () => {
      await using context = await setUp();
      context.world.down.add(service);
      const { status, json } = await context.look();
      assert.deepEqual([status, json.errno], [503, 201]);
      assert.deepEqual(
        (await context.entries()).map(({ outcome }) => outcome),
        ["unavailable"],
      );
    });

  test("without positions the view is shown, and it is said that the position is missing", async () => {
    await using context = await setUp();
    context.world.down.add("positions");
    const { status, json } = await context.look();
    assert.equal(status, 200);
    assert.deepEqual([json.data.position, json.data.unavailable], [null, ["positions"]]);
  });
});

for (const kind of testStorages)
  describe(`the record comes before the data, on ${kind}`, () => {
    for (const fault of ["failing", "hanging"] as const)
      test(`level 2, store ${fault}: the signed spool takes the entry, the answer goes out, the chain gets it later`, async () => {
        await using context = await setUp(kind, fault === "hanging" ? { auditTimeoutMs: 50 } : {});
        context.storage[fault] = true;
        const answer = await context.look({ note: "in the dark" });
        assert.equal(answer.status, 200);
        assert.deepEqual(answer.json.data.view, view);
        const spooled = (await readdir(join(context.folder, "spool"))).length;
        assert.equal(spooled, 1);
        context.storage[fault] = false;
        await eventually(async () => (await context.entries()).length === 1);
        await eventually(async () => (await readdir(join(context.folder, "spool"))).length === 0);
        const log = await context.accessLog();
        assert.deepEqual(
          log.map(({ id, note }: { id: string; note: string }) => [id, note]),
          [[answer.json.data.audit, "in the dark"]],
          "once, although a commit that hung went through after all",
        );
        assert.ok((await context.verify()).ok);
      });

    test("level 0, store failing: 503 and no record is pretended", async () => {
      await using context = await setUp(kind);
      context.storage.failing = true;
      const { status, json } = await context.send(internal, "POST", "/internal/audit", { level: 0, person: ada.id });
      assert.deepEqual([status, json.errno], [503, 201]);
      context.storage.failing = false;
      assert.deepEqual(await context.entries(), []);
      assert.deepEqual(await readdir(join(context.folder, "spool")), []);
    });

    test("level 3, store failing: the spool takes it too", async () => {
      await using context = await setUp(kind);
      context.storage.failing = true;
      const sent = await context.send(internal, "POST", "/internal/audit", {
        level: 3,
        person: ada.id,
        role: "responder",
      });
      assert.equal(sent.status, 201);
      context.storage.failing = false;
      await eventually(async () => (await context.entries()).length === 1);
    });

    test("while the spool names the person and the store fails, an erasure is refused, and succeeds later", async () => {
      await using context = await setUp(kind);
      context.storage.failing = true;
      await context.look();
      assert.equal((await context.send(internal, "DELETE", `/internal/people/${ada.id}`)).status, 503);
      context.storage.failing = false;
      const receipt = await context.send(internal, "DELETE", `/internal/people/${ada.id}`);
      assert.deepEqual(receipt.json.data, { links: 1, notes: 0, events: 1, entries_unlinked: 1 });
      assert.deepEqual(await context.filesWith(ada.id), []);
    });
  });

describe("retention", () => {
  test("entries older than twelve months go, the chain still verifies", async () => {
    await using context = await setUp(durableStorage);
    await context.look({ incident: "old", note: "old words" });
    context.clock.advance(366 * 24 * 3_600_000);
    context.world.candidates = { person: ada.id, phone_confirmed_at: context.clock.now() };
    await context.look({ incident: "new" });
    await context.restart();
    await eventually(async () => (await context.entries()).length === 1);
    const report = await context.verify();
    assert.deepEqual([report.ok, report.archived, report.entries], [true, 1, 1]);
    assert.deepEqual(
      (await context.accessLog()).map(({ incident }: { incident: string }) => incident),
      ["new"],
    );
  });
});
