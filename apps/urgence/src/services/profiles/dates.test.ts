import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ageOn, endOf, isPartialDate, monthsSince, partialDateOf, startOf } from "./dates.ts";

test("partial dates are years, months and days that exist", () => {
  for (const good of ["1958", "1958-02", "2024-02-29", "2000-12-31", "0001-01-01"])
    assert.equal(isPartialDate(good), true);
  for (const bad of ["58", "2023-02-29", "2023-13", "2023-00", "2023-01-00", "2023-1-1", "2023-01-01T00:00", ""]) {
    assert.equal(isPartialDate(bad), false, bad);
  }
});

test("the head of a date-time is read as the day it names", () => {
  assert.equal(partialDateOf("2017-12-11T14:30:00+01:00"), "2017-12-11");
  assert.equal(partialDateOf("2015-03"), "2015-03");
  for (const bad of ["2015-3", "20151211", "2015-02-30", 2015, null]) assert.equal(partialDateOf(bad), undefined);
});

test("a partial date spans from its first to its last moment", () => {
  assert.equal(new Date(startOf("2024-02")).toISOString(), "2024-02-01T00:00:00.000Z");
  assert.equal(new Date(endOf("2024-02")).toISOString(), "2024-02-29T23:59:59.999Z");
  assert.equal(new Date(endOf("2024")).toISOString(), "2024-12-31T23:59:59.999Z");
});

test("months are counted whole, from any day to any day", () => {
  const months = (from: string, to: string) => monthsSince(from, Date.parse(to));
  assert.equal(months("2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z"), 0);
  assert.equal(months("2026-01-31T00:00:00Z", "2026-03-31T00:00:00Z"), 2);
  assert.equal(months("2026-06-15T12:00:00Z", "2026-12-15T11:59:59Z"), 5);
  assert.equal(months("2027-01-01T00:00:00Z", "2026-01-01T00:00:00Z"), 0);
  assert.equal(months("nonsense", "2026-01-01T00:00:00Z"), 0);
});

test("whoever is born on any day is a year older a year later", () => {
  const days = fc.date({ min: new Date("1900-01-01"), max: new Date("2020-12-31"), noInvalidDate: true });
  fc.assert(
    fc.property(days, fc.integer({ min: 0, max: 100 }), (born, years) => {
      const day = born.toISOString().slice(0, 10);
      fc.pre(!day.endsWith("02-29"));
      const birthday = Date.UTC(born.getUTCFullYear() + years, born.getUTCMonth(), born.getUTCDate());
      assert.deepEqual(ageOn(day, birthday), { years, exact: true });
      if (years > 0) assert.equal(ageOn(day, birthday - 1)?.years, years - 1);
    }),
  );
});
