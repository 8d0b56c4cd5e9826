import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import fc from "fast-check";
import { parseHttps } from "./https.ts";
import { type AmlRequest, receiveAml } from "./intake.ts";
import type { AmlMessage, AmlResult } from "./message.ts";
import { signatureState } from "./signature.ts";
import { parseSms } from "./sms.ts";

const vectors = new Map(
  readFileSync(new URL("../../../../tests/data/aml/messages.txt", import.meta.url), "utf8")
    .split("\n")
    .filter((line) => line.includes("\t"))
    .map((line) => line.split("\t", 2) as [string, string]),
);
const vector = (kind: string) => vectors.get(kind) ?? assert.fail(`no vector ${kind}`);
const now = Date.UTC(2026, 5, 1);

function message(result: AmlResult): AmlMessage {
  return result.kind === "message" ? result.message : assert.fail(JSON.stringify(result));
}

function reason(result: { readonly kind: string; readonly reason?: string }): string {
  return result.reason ?? result.kind;
}

describe("AML, the public vectors", () => {
  test("SMS version 1", () => {
    assert.deepEqual(message(parseSms(vector("sms-v1"))), {
      version: "sms-1",
      latitude: 48.82639,
      longitude: -2.36619,
      accuracy: 52,
      confidence: 68,
      source: "gnss",
      fixTime: Date.UTC(2019, 10, 12, 11, 29, 28),
    });
  });

  test("SMS version 2: lt is an offset from the call, lg a language, lo ends with the radius, lz is the height", () => {
    assert.deepEqual(message(parseSms(vector("sms-v2"))), {
      version: "sms-2",
      latitude: -37.42175,
      longitude: -122.08461,
      accuracy: 2000.1,
      altitude: -100.1,
      verticalAccuracy: 100.1,
      confidence: 68,
      source: "gnss",
      fixTime: (1593187189 - 9999) * 1000,
    });
  });

  test("HTTPS", () => {
    assert.deepEqual(message(parseHttps(vector("https"))), {
      version: "https-1",
      latitude: 55.85732,
      longitude: -4.26325,
      accuracy: 10.4,
      altitude: 0,
      confidence: 83,
      source: "gnss",
      fixTime: 1476189444435,
      phone: "+447477593102",
    });
  });

  for (const [kind, fix] of [
    ["sms-v1", "2019-11-12T11:29:28.000Z"],
    ["sms-v2", "2020-06-26T13:13:10.000Z"],
    ["https", "2016-10-11T12:37:24.435Z"],
  ] as const)
    test(`${kind} becomes a position that is flagged stale`, () => {
      const report = receiveAml({ body: vector(kind) }, undefined, now);
      assert.ok(report.kind === "report");
      assert.equal(report.position.fix_time, fix);
      assert.equal(report.position.stale, true);
      assert.equal(report.position.origin, "aml");
      assert.equal(report.position.authenticated, false);
    });

  test("no identifier of SIM, handset or network is kept", () => {
    for (const kind of vectors.keys()) {
      const text = JSON.stringify(receiveAml({ body: vector(kind) }, undefined, now));
      for (const identifier of [
        "208201771948415",
        "353472104343540",
        "358239059042542",
        "354773072099116",
        "234159176307582",
      ])
        assert.ok(!text.includes(identifier), `${kind}: ${identifier}`);
    }
  });
});

describe("AML SMS", () => {
  const v1 = (attributes: string) => {
    const start = `A"ML=1;${attributes};ml=`;
    return `${start}${start.length + String(start.length + 2).length}`;
  };
  const full = "lt=48.5;lg=2.5;rd=10;top=20260531235900;lc=90;pm=W";

  test("ml tells a message that lost a part from a whole one", () => {
    const text = vector("sms-v1");
    assert.equal(reason(parseSms(text.replace("mnc=20;", ""))), "length-mismatch");
    assert.equal(reason(parseSms(text.replace("ml=126", "ml=128"))), "length-mismatch");
    assert.equal(parseSms(`${text}\r\n`).kind, "message");
  });

  test("a message without ml is taken as it is", () => {
    assert.equal(parseSms(`A"ML=1;${full}`).kind, "message");
  });

  test("blanks, signs, leading zeros, unknown and repeated attributes are tolerated; the first of equal names counts", () => {
    const result = message(
      parseSms(v1("lt=+48.50000; lg=-002.50000;rd=10;top=20260531235900;lc=90;pm=w;zz=1;;novalue=;lt=1.0;=x")),
    );
    assert.deepEqual([result.latitude, result.longitude, result.source], [48.5, -2.5, "wifi"]);
  });

  for (const [letter, source] of [
    ["G", "gnss"],
    ["W", "wifi"],
    ["C", "cell"],
    ["U", "unknown"],
  ] as const)
    test(`pm=${letter} is ${source}`, () => {
      assert.equal(message(parseSms(v1(full.replace("pm=W", `pm=${letter}`)))).source, source);
    });

  test("pm=N says that there is no position", () => {
    assert.equal(reason(parseSms(v1("lt=+00.00000;lg=+000.00000;rd=N;top=20260531235900;lc=0;pm=N"))), "no-position");
  });

  test("a radius and a confidence of 0 mean unknown", () => {
    const result = message(parseSms(v1("lt=1;lg=1;rd=0;top=20260531235900;lc=0;pm=C")));
    assert.ok(!("accuracy" in result) && !("confidence" in result));
  });

  for (const [top, expected] of [
    ["20260531235900", Date.UTC(2026, 4, 31, 23, 59, 0)],
    ["1780271940", 1780271940000],
    ["1780271940123", 1780271940123],
  ] as const)
    test(`top=${top} is read`, () => {
      assert.equal(message(parseSms(v1(full.replace("20260531235900", top)))).fixTime, expected);
    });

  for (const [what, from, to, name, why] of [
    ["a latitude beyond the pole", "lt=48.5", "lt=91", "lt", "invalid-attribute"],
    ["a longitude that is a word", "lg=2.5", "lg=east", "lg", "invalid-attribute"],
    ["a number with an exponent", "lt=48.5", "lt=1e1", "lt", "invalid-attribute"],
    ["30 February", "20260531235900", "20260230000000", "top", "invalid-attribute"],
    ["a confidence over 100", "lc=90", "lc=101", "lc", "invalid-attribute"],
    ["no latitude", "lt=48.5;", "", "lt", "missing-attribute"],
    ["no time", "top=20260531235900;", "", "top", "missing-attribute"],
  ] as const)
    test(`${what} is named`, () => {
      const result = parseSms(v1(full.replace(from, to)));
      assert.ok(result.kind === "rejected");
      assert.equal(result.reason, why);
      assert.deepEqual(
        result.problems.map(({ attribute }) => attribute),
        [name],
      );
    });

  for (const [text, why] of [
    ["", "malformed"],
    ["hello", "malformed"],
    ['A"ML=', "unsupported-version"],
    ['A"ML=3;lt=1', "unsupported-version"],
    ['A"ML=2;et=1593187189;ls=G', "no-position"],
    ['A"ML=2;et=1593187189;lo=1,2,3;ls=N', "no-position"],
    ['A"ML=2;lo=1,2,3;ls=G', "missing-attribute"],
    ['A"ML=2;et=1593187189;lo=1;ls=G', "invalid-attribute"],
    [`A"ML=1;${"x=1;".repeat(200)}`, "malformed"],
    [`A"ML=1;${"x".repeat(9000)}`, "too-large"],
  ] as const)
    test(`${JSON.stringify(text.slice(0, 40))} is rejected: ${why}`, () => assert.equal(reason(parseSms(text)), why));
});

const coordinate = (limit: number) =>
  fc.integer({ min: -limit * 1e5, max: limit * 1e5 }).map((value) => value / 1e5 + 0);
const seconds = fc.integer({ min: 1_000_000_000, max: 1_700_000_000 });

describe("AML, any input", () => {
  test("no text makes a parser throw", () => {
    const near = fc
      .array(
        fc.oneof(
          fc.constantFrom(
            'A"ML=1',
            'A"ML=2',
            "lt=",
            "lg=1",
            "lo=1,2,3",
            "top=20260101000000",
            "ml=5",
            "et=1",
            "pm=N",
            "v=1",
          ),
          fc.string(),
        ),
      )
      .map((parts) => parts.join(";"));
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), near), (text) => {
        parseSms(text);
        parseHttps(text);
        receiveAml({ body: text, sender: text, signature: text }, "secret", now);
        receiveAml({ body: text }, undefined, now);
      }),
      { numRuns: 1000 },
    );
  });

  test("cutting the vectors anywhere gives a message or a named rejection", () => {
    for (const text of vectors.values())
      for (let end = 0; end < text.length; end++) receiveAml({ body: text.slice(0, end) }, undefined, now);
  });

  test("what is written as version 1 is read again", () => {
    fc.assert(
      fc.property(coordinate(90), coordinate(180), seconds, fc.integer({ min: 1, max: 9999 }), (lt, lg, time, rd) => {
        const top = new Date(time * 1000).toISOString().replace(/\D/g, "").slice(0, 14);
        const head = `A"ML=1;lt=${lt.toFixed(5)};lg=${lg.toFixed(5)};rd=${rd};top=${top};lc=68;pm=G;ml=`;
        const read = message(parseSms(head + (head.length + (head.length > 97 ? 3 : 2))));
        assert.deepEqual([read.latitude, read.longitude, read.accuracy, read.fixTime], [lt, lg, rd, time * 1000]);
      }),
    );
  });

  test("what is written as version 2 and as a form is read again", () => {
    fc.assert(
      fc.property(coordinate(90), coordinate(180), seconds, fc.integer({ min: -9999, max: 0 }), (lat, lon, et, lt) => {
        const sms = message(parseSms(`A"ML=2;et=${et};lo=${lat.toFixed(5)},${lon.toFixed(5)},10;lt=${lt};ls=W;lg=fr`));
        assert.deepEqual([sms.latitude, sms.longitude, sms.fixTime], [lat, lon, (et + lt) * 1000]);
        const form = new URLSearchParams({
          v: "1",
          location_latitude: lat.toFixed(5),
          location_longitude: lon.toFixed(5),
          location_time: String(et * 1000),
          location_source: "wifi",
        });
        const https = message(parseHttps(form.toString()));
        assert.deepEqual([https.latitude, https.longitude, https.source], [lat, lon, "wifi"]);
      }),
    );
  });
});

describe("an AML request", () => {
  const receive = (request: AmlRequest, secret?: string) => receiveAml(request, secret, now);

  test("may be the SMS in a gateway's form, with its sender", () => {
    const body = new URLSearchParams({ from: "+33639980001", message: vector("sms-v1") }).toString();
    const report = receive({ body });
    assert.ok(report.kind === "report");
    assert.equal(report.phone, "+33639980001");
  });

  test("takes the number from the message before the one from the gateway", () => {
    const report = receive({ body: vector("https"), sender: "+33639980001" });
    assert.ok(report.kind === "report");
    assert.equal(report.phone, "+447477593102");
  });

  test("with a fix in the future is rejected", () => {
    const body = vector("https").replace("1476189444435", String(now + 60_000));
    assert.equal(reason(receive({ body })), "time-in-future");
  });

  test("that is neither form is rejected", () => {
    assert.equal(reason(receive({ body: "a=1&b=2" })), "malformed");
    assert.equal(reason(receive({ body: "" })), "malformed");
  });

  test("of another version is rejected", () => {
    assert.equal(reason(receive({ body: vector("https").replace("v=1", "v=2") })), "unsupported-version");
  });
});

describe("the signature of an AML message", () => {
  // Vector of aml-lib (MIT), key "AML".
  const signed =
    "v=1&device_number=%2B33611223344&location_latitude=0.85732&location_longitude=-4.26325&location_time=1604912121000" +
    "&location_accuracy=10.4&location_source=GPS&location_certainty=83&hmac=f64c70eb238bb239e00e8ac8c023bf2b5d3c41dd";

  test("in the form's own field is checked", () => {
    assert.equal(signatureState(signed, undefined, "AML"), "right");
    assert.equal(signatureState(signed.replace("10.4", "10.5"), undefined, "AML"), "wrong");
    assert.equal(signatureState(`${signed}&location_accuracy=1`, undefined, "AML"), "wrong");
    assert.equal(signatureState(signed, undefined, "other"), "wrong");
  });

  test("in the header is checked", () => {
    const body = vector("sms-v1");
    const signature = createHmac("sha256", "s3cret").update(body).digest("hex");
    assert.equal(signatureState(body, signature, "s3cret"), "right");
    assert.equal(signatureState(body, `sha256=${signature.toUpperCase()}`, "s3cret"), "right");
    assert.equal(signatureState(body, signature.slice(2), "s3cret"), "wrong");
    assert.equal(signatureState(body, "zz", "s3cret"), "wrong");
  });

  test("proves the position when it is right, and is required when a secret is set", () => {
    const report = receiveAml({ body: signed }, "AML", now);
    assert.ok(report.kind === "report" && report.position.authenticated);
    assert.equal(reason(receiveAml({ body: vector("https") }, "AML", now)), "unsigned");
    assert.equal(reason(receiveAml({ body: signed }, "other", now)), "wrong-signature");
  });
});
