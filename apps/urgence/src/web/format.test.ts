import assert from "node:assert/strict";
import { test } from "node:test";
import { date, dateTime, phoneNumber, since } from "./format.ts";
import { html, sentence } from "./html.ts";
import { en } from "./i18n/en.ts";

test("a moment is UTC and says so, with what a script needs to tell it in the reader's own zone", () => {
  assert.equal(
    String(dateTime("2026-05-31T10:20:30Z", "en")),
    '<time datetime="2026-05-31T10:20:30.000Z" data-local>31 May 2026 at 10:20 UTC</time>',
  );
  for (const none of [undefined, "", "yesterday", "<b>"]) assert.equal(String(dateTime(none, "fr")), "–");
});

test("the first of a month is an ordinal in French", () => {
  assert.equal(date("2026-12-01", "fr"), "1er décembre 2026");
  assert.match(String(dateTime("2026-12-01T05:02:00Z", "fr")), />1er décembre 2026 à 05:02 UTC</);
  assert.equal(date("2026-12-11", "fr"), "11 décembre 2026");
  assert.equal(date("2026-12-01", "en"), "1 December 2026");
});

test("an age carries its seconds, so that it can go on", () => {
  const now = Date.parse("2026-05-31T10:20:30Z");
  const shown = String(since("2026-05-31T10:17:30Z", now, "en", en));
  assert.equal(shown, '<time datetime="2026-05-31T10:17:30.000Z" data-ago="180">3 minutes ago</time>');
});

test("markup stands where a sentence has its parameter, and the sentence itself is escaped", () => {
  const shown = sentence((part) => `a < ${part} & b`, html`<b>x</b>`);
  assert.equal(String(shown), "a &lt; <b>x</b> &amp; b");
});

test("a stored number is shown as it is read aloud; what is none stays as it is", () => {
  assert.equal(phoneNumber("+33639980001"), "+33 6 39 98 00 01");
  assert.equal(phoneNumber("<b>"), "<b>");
});
