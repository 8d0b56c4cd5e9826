import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Compile } from "typebox/compile";
import { toPositionForm } from "./alias.ts";
import { isWgs84 } from "./crs.ts";
import { toFeature, toFeatureCollection } from "./geojson.ts";
import { latestPosition, withAge } from "./latest.ts";
import { toPidfLo } from "./pidf-lo.ts";
import {
  checkPosition,
  completePosition,
  type Position,
  type PositionInput,
  parseTime,
  positionSchema,
} from "./position.ts";

const now = Date.UTC(2026, 5, 1, 12, 0, 0);
const receipt = { now, origin: "person", authenticated: true } as const;
const iso = (ms: number) => new Date(ms).toISOString();
const codes = (input: PositionInput) =>
  checkPosition(input, receipt).violations.map(({ name, code }) => `${name} ${code}`);
const validator = Compile(positionSchema);

describe("a position report", () => {
  test("keeps float64 coordinates exactly, longitude first", () => {
    const coordinates = [0.1 + 0.2, 48.85 + 0.0066, 100 / 3];
    assert.deepEqual(completePosition({ coordinates }, receipt).coordinates, coordinates);
  });

  test("gets the time of receipt, a life of 24 hours and source unknown when it says nothing", () => {
    const position = completePosition({ coordinates: [0, 0] }, receipt);
    assert.equal(position.fix_time, iso(now));
    assert.equal(position.expires_at, iso(now + 24 * 3_600_000));
    assert.equal(position.source, "unknown");
    assert.equal(position.stale, false);
  });

  test("lives seven days when it belongs to an incident", () => {
    const position = completePosition({ coordinates: [0, 0], incident: "2026-0042" }, receipt);
    assert.equal(position.expires_at, iso(now + 7 * 24 * 3_600_000));
  });

  test("has an end at most seven days ahead and never in the past", () => {
    const expires = (ms: number) => codes({ coordinates: [0, 0], expires_at: iso(now + ms) });
    assert.deepEqual(expires(7 * 24 * 3_600_000), []);
    assert.deepEqual(expires(7 * 24 * 3_600_000 + 1), ["expires_at maximum"]);
    assert.deepEqual(expires(0), ["expires_at past"]);
  });

  for (const [coordinates, wrong] of [
    [[180, 90], []],
    [[-180, -90], []],
    [[180.0000001, 0], ["coordinates.0 range"]],
    [[0, -90.0000001], ["coordinates.1 range"]],
    [[48.8, 200], ["coordinates.1 range"]],
    [
      [200, 100, 1e9],
      ["coordinates.0 range", "coordinates.1 range", "coordinates.2 range"],
    ],
  ] as const)
    test(`coordinates ${JSON.stringify(coordinates)}: ${wrong.length === 0 ? "accepted" : wrong.join(", ")}`, () => {
      assert.deepEqual(codes({ coordinates: [...coordinates] }), wrong);
    });

  test("refuses a fix in the future, but forgives a clock that is 30 s fast", () => {
    assert.deepEqual(codes({ coordinates: [0, 0], fix_time: iso(now + 30_000) }), []);
    assert.deepEqual(codes({ coordinates: [0, 0], fix_time: iso(now + 30_001) }), ["fix_time future"]);
  });

  test("flags a fix older than five minutes", () => {
    const stale = (age: number) => completePosition({ coordinates: [0, 0], fix_time: iso(now - age) }, receipt).stale;
    assert.equal(stale(300_000), false);
    assert.equal(stale(300_001), true);
  });

  test("reads RFC 3339 only", () => {
    assert.equal(parseTime("2026-06-01T14:00:00+02:00"), now);
    assert.equal(parseTime("2026-06-01t12:00:00.000z"), now);
    assert.equal(parseTime("2026-02-28T00:00:00.123456789Z"), Date.UTC(2026, 1, 28, 0, 0, 0, 123));
    for (const text of [
      "",
      "2026-06-01",
      "2026-02-30T00:00:00Z",
      "2026-06-01T25:00:00Z",
      "Mon, 1 Jun 2026",
      "1780315200",
    ])
      assert.equal(parseTime(text), undefined, text);
  });

  test("names every violation at once", () => {
    const wrong = { coordinates: [181, 91], fix_time: "yesterday", crs: "EPSG:2154", expires_at: "never" };
    assert.deepEqual(codes(wrong), [
      "coordinates.0 range",
      "coordinates.1 range",
      "crs unsupported-crs",
      "fix_time format",
      "expires_at format",
    ]);
    assert.throws(() => completePosition(wrong, receipt), { code: "invalid-parameters" });
  });

  test("ignores what a client says about the fields that the server sets", () => {
    const position = completePosition(
      { coordinates: [0, 0], origin: "aml", authenticated: false, stale: true, received_at: "1970-01-01T00:00:00Z" },
      receipt,
    );
    assert.deepEqual(
      [position.origin, position.authenticated, position.stale, position.received_at],
      ["person", true, false, iso(now)],
    );
  });

  test("never throws, and what it accepts its own schema accepts", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 2, maxLength: 3 }),
        fc.option(
          fc.oneof(
            fc.string(),
            fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
          ),
          { nil: undefined },
        ),
        (coordinates, fix_time) => {
          const { position, violations } = checkPosition(
            fix_time === undefined ? { coordinates } : { coordinates, fix_time },
            receipt,
          );
          assert.equal(position === undefined, violations.length > 0);
          if (position !== undefined) assert.ok(validator.Check(JSON.parse(JSON.stringify(position))));
        },
      ),
    );
  });
});

describe("reference systems", () => {
  for (const name of [
    "EPSG:4326",
    "epsg:4326",
    "EPSG:4979",
    "WGS84",
    "WGS 84",
    "WGS-84",
    "CRS84",
    "OGC:CRS84",
    "urn:ogc:def:crs:OGC:1.3:CRS84",
    "urn:ogc:def:crs:OGC::CRS84",
    "urn:ogc:def:crs:EPSG::4326",
    "urn:ogc:def:crs:EPSG:8.9:4326",
    "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
    "https://www.opengis.net/def/crs/EPSG/0/4326",
  ])
    test(`${name} is WGS 84`, () => assert.ok(isWgs84(name)));
  for (const name of ["EPSG:3857", "EPSG:2154", "NAD83", "urn:ogc:def:crs:EPSG::27700", "", "4326", "EPSG:43260"])
    test(`${name || "an empty name"} is not`, () => assert.ok(!isWgs84(name)));
});

describe("other forms of a position", () => {
  test("the report's JSON", () => {
    const form = toPositionForm({
      type: "Point",
      coordinate: [2.35, 48.85],
      locationAccuracy: 12.5,
      locationSource: "GPS",
      crs: "EPSG:4326",
      altitude: 35,
      speed: 1.4,
      deviceOrientation: 270,
      gpsOrientation: 90,
    });
    assert.deepEqual(form, {
      coordinates: [2.35, 48.85, 35],
      accuracy: 12.5,
      source: "gnss",
      crs: "EPSG:4326",
      speed: 1.4,
      orientation: 270,
      heading: 90,
    });
    assert.ok(validator.Check(form));
  });

  for (const [name, sent] of [
    ["coordinate as an object", { coordinate: { longitude: 2.35, latitude: 48.85 } }],
    ["coordinate as lon and lat", { coordinate: { lon: 2.35, lat: 48.85 } }],
    ["coordinate as lng and lat", { coordinate: { lng: 2.35, lat: 48.85 } }],
    ["coordinate as a GeoJSON Point", { coordinate: { type: "Point", coordinates: [2.35, 48.85] } }],
    ["longitude and latitude of the browsers' geolocation", { longitude: 2.35, latitude: 48.85, altitude: null }],
    ["wrapped in position", { position: { coordinate: [2.35, 48.85] } }],
    ["a GeoJSON Point", { type: "Point", coordinates: [2.35, 48.85] }],
    [
      "a GeoJSON Feature",
      { type: "Feature", geometry: { type: "Point", coordinates: [2.35, 48.85] }, properties: null },
    ],
    ["an altitude that is null", { coordinates: [2.35, 48.85, null], locationAccuracy: undefined, altitude: null }],
  ] as const)
    test(name, () => assert.deepEqual(toPositionForm(sent), { coordinates: [2.35, 48.85] }));

  test("a GeoJSON Feature keeps the properties that are ours and drops others", () => {
    const form = toPositionForm({
      type: "Feature",
      geometry: { type: "Point", coordinates: [2.35, 48.85] },
      properties: { accuracy: 5, source: "wifi", "marker-color": "#f00", stale: false },
    });
    assert.deepEqual(form, { coordinates: [2.35, 48.85], accuracy: 5, source: "wifi" });
  });

  test("a crs object of GeoJSON 2008 is read, so that a foreign one is refused", () => {
    const form = toPositionForm({
      type: "Feature",
      crs: { type: "name", properties: { name: "urn:ogc:def:crs:EPSG::2154" } },
      geometry: { type: "Point", coordinates: [652000, 6862000] },
      properties: {},
    });
    assert.ok(validator.Check(form));
    assert.ok(codes(form as PositionInput).includes("crs unsupported-crs"));
  });

  test("a Feature that is no point is left for the schema to refuse", () => {
    const form = toPositionForm({
      type: "Feature",
      geometry: { type: "LineString", coordinates: [[0, 0]] },
      properties: {},
    });
    assert.ok(!validator.Check(form));
  });

  test("our own form passes through", () => {
    const ours = { coordinates: [2.35, 48.85], accuracy: 3, source: "gnss" };
    assert.equal(toPositionForm(ours), ours);
  });

  test("any JSON is translated without throwing", () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => void toPositionForm(value)));
  });
});

const stored = {
  id: "0198-a<b>&\"'",
  last_modified: 1,
  ...completePosition(
    { coordinates: [-2.36619, 48.82639, 30], accuracy: 52, confidence: 68, source: "gnss", heading: 90 },
    receipt,
  ),
};

describe("a position for others", () => {
  test("as GeoJSON has the circle in its properties", () => {
    const feature = toFeature(stored);
    assert.deepEqual(feature.geometry, { type: "Point", coordinates: [-2.36619, 48.82639, 30] });
    assert.deepEqual(feature.properties.circle, { type: "Circle", radius: 52, units: "m" });
    assert.ok(!("coordinates" in feature.properties));
    assert.equal(toFeatureCollection([stored, stored]).features.length, 2);
  });

  test("RFC 5491 §5.2.3: as PIDF-LO it is a Circle with latitude first and the radius in metres", () => {
    const xml = toPidfLo([stored]);
    assert.match(xml, /<gs:Circle srsName="urn:ogc:def:crs:EPSG::4326">\s*<gml:pos>48\.82639 -2\.36619<\/gml:pos>/);
    assert.match(xml, /<gs:radius uom="urn:ogc:def:uom:EPSG::9001">52<\/gs:radius>/);
    assert.match(xml, /<con:confidence>68<\/con:confidence>/);
    assert.match(xml, /<gp:method>GPS<\/gp:method>/);
    assert.match(xml, /<dyn:heading>90<\/dyn:heading>/);
  });

  test("as PIDF-LO escapes what XML reserves", () => {
    assert.match(toPidfLo([stored]), /<tuple id="p-0198-a&lt;b&gt;&amp;&quot;&apos;">/);
  });

  test("as PIDF-LO is a Point when the accuracy is not known, in three dimensions when there is an altitude", () => {
    const { accuracy: _, ...point } = stored;
    assert.match(
      toPidfLo([point]),
      /<gml:Point srsName="urn:ogc:def:crs:EPSG::4979">\s*<gml:pos>48\.82639 -2\.36619 30<\/gml:pos>/,
    );
  });

  test("as PIDF-LO writes tiny numbers without an exponent", () => {
    assert.match(toPidfLo([{ ...stored, coordinates: [1e-9, -1e-9] }]), /<gml:pos>-0\.000000001 0\.000000001</);
  });
});

describe("the last position", () => {
  const at = (age: number, more: Partial<Position> = {}): Position => ({
    ...completePosition({ coordinates: [0, 0], fix_time: iso(now - age) }, receipt),
    ...more,
  });

  test("is the newest fix, not the newest report", () => {
    const newest = at(1_000);
    assert.equal(latestPosition([at(60_000), newest, at(30_000)], now), newest);
  });

  test("is none when all have expired", () => {
    assert.equal(latestPosition([at(0, { expires_at: iso(now) })], now), undefined);
  });

  test("an unproven report does not hide a fresh proven one, but replaces a stale one", () => {
    const unproven = at(0, { authenticated: false, origin: "aml" });
    const fresh = at(200_000);
    const stale = at(400_000);
    assert.equal(latestPosition([unproven, fresh], now), fresh);
    assert.equal(latestPosition([unproven, stale], now), unproven);
  });

  test("tells its age", () => {
    assert.equal(withAge(at(0), now + 301_999).age_seconds, 301);
    assert.equal(withAge(at(0), now + 301_999).stale, true);
  });
});
