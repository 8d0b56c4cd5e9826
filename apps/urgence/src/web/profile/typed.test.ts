import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isoDate, languageCodes, typedDate, typedLanguages } from "./typed.ts";

test("a French date is typed as French people write it", () => {
  for (const [typed, iso] of [
    ["31/05/1984", "1984-05-31"],
    ["1.2.1984", "1984-02-01"],
    ["5/1984", "1984-05"],
    ["1984", "1984"],
    ["1984-05-31", "1984-05-31"],
    ["hier", "hier"],
  ] as const)
    assert.equal(isoDate(typed, "fr"), iso);
});

test("in English a date that could mean two days is left for a refusal", () => {
  assert.equal(isoDate("31/05/1984", "en"), "1984-05-31");
  assert.equal(isoDate("05/06/1984", "en"), "05/06/1984");
  assert.equal(isoDate("06/06/1984", "en"), "1984-06-06");
});

test("what an editor shows of a date means the same date again", () => {
  const two = (number: number) => String(number).padStart(2, "0");
  const day = fc
    .tuple(fc.integer({ min: 1900, max: 2100 }), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 31 }))
    .chain(([y, m, d]) => fc.constantFrom(`${y}`, `${y}-${two(m)}`, `${y}-${two(m)}-${two(d)}`));
  fc.assert(
    fc.property(day, fc.constantFrom("fr" as const, "en" as const), (iso, language) => {
      assert.equal(isoDate(typedDate(iso, language), language), iso);
    }),
  );
});

test("languages are typed by their names, in either language, or as codes", () => {
  assert.deepEqual(languageCodes("Français, anglais ; ARABE"), ["fr", "en", "ar"]);
  assert.deepEqual(languageCodes("French, arabe, pt-BR"), ["fr", "ar", "pt-BR"]);
  assert.deepEqual(languageCodes("fr en"), ["fr", "en"]);
  assert.deepEqual(languageCodes("klingon"), ["klingon"]);
  assert.deepEqual(languageCodes(" , "), []);
});

test("languages that are shown lead back to their codes", () => {
  assert.equal(typedLanguages(["fr", "en", "pt-BR"], "fr"), "français, anglais, pt-BR");
  for (const language of ["fr", "en"] as const)
    for (const code of ["fr", "en", "ar", "zh", "pt-BR", "xx", "fsl"])
      assert.deepEqual(languageCodes(typedLanguages([code], language)), [code]);
});
