import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { wordsOf } from "./antithrombotics.ts";
import { ipsBundle } from "./fhir-export.ts";
import { importBundle } from "./import/import.ts";
import { freshProfile, type Item, itemText, type Profile, type ProfileInput, sectionNames } from "./schema.ts";
import { completed, exampleInput, profiles, testNow } from "./testing.ts";

const ids = () => {
  let count = 0;
  return () => `00000000-0000-4000-8000-${String(++count).padStart(12, "0")}`;
};
const exported = (profile: Profile) => ipsBundle(profile, { now: testNow, newId: ids() });
const imported = (bundle: unknown) =>
  importBundle(bundle, { current: freshProfile(), now: testNow, newId: ids() })?.profile;

// biome-ignore lint/suspicious/noExplicitAny: documents are walked by path here
const composition = (bundle: ReturnType<typeof exported>): any => bundle.entry[0]?.resource;

test("the document opens with a Composition whose references all lead to entries of the bundle", () => {
  const bundle = exported(completed(exampleInput));
  assert.equal(composition(bundle).resourceType, "Composition");
  const urls = new Set(bundle.entry.map((entry) => entry.fullUrl));
  assert.equal(urls.size, bundle.entry.length);
  const references = [...JSON.stringify(bundle).matchAll(/"reference":"([^"]+)"/g)].map((match) => match[1]);
  assert.ok(references.length > 20);
  for (const reference of references) assert.ok(urls.has(reference ?? ""), String(reference));
  for (const { fullUrl, resource } of bundle.entry) assert.equal(fullUrl, `urn:uuid:${resource.id}`);
});

test("the three required sections are always there, and each kind of nothing has its own coding", () => {
  const sections = (profile: Profile): { code: { coding: { code: string }[] } }[] =>
    composition(exported(profile)).section;
  const required = sections(freshProfile());
  assert.deepEqual(
    required.map((section) => section.code.coding[0]?.code),
    ["48765-2", "11450-4", "10160-0"],
  );
  const fresh = freshProfile() as ProfileInput;
  const json = (statement: "none-known" | "no-information" | "declined") =>
    JSON.stringify(exported(completed({ ...fresh, allergies: { statement, items: [] } })));
  assert.ok(json("none-known").includes("no-known-allergies"));
  assert.ok(json("no-information").includes("no-allergy-info"));
  assert.ok(json("declined").includes("withheld"));
  assert.ok(!json("declined").includes("no-allergy-info") && !json("declined").includes("no-known-allergies"));
});

test("narrative is escaped", () => {
  const hostile = '<script>alert("x")</script> & co';
  const fresh = freshProfile() as ProfileInput;
  const profile = completed({ ...fresh, allergies: { statement: "listed", items: [{ text: hostile }] } });
  const divs = composition(exported(profile))
    .section.map((section: { text: { div: string } }) => section.text.div)
    .join("");
  assert.ok(!divs.includes("<script"));
  assert.ok(divs.includes("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; co"));
});

test("the blood group says that it is declared and not for transfusion", () => {
  assert.ok(JSON.stringify(exported(completed(exampleInput))).includes("declared, not for transfusion"));
});

test("what is exported and imported again keeps its clinical content", () => {
  fc.assert(
    fc.property(profiles, (profile) => {
      fc.pre(sectionNames.every((name) => new Set(profile[name].items.map(keyOf)).size === profile[name].items.length));
      const again = imported(exported(profile));
      assert.ok(again);
      assert.deepEqual(content(again), content(profile));
    }),
    { numRuns: 200 },
  );
});

test("a profile with everything is made into a document well within 20 ms", () => {
  const profile = completed(exampleInput);
  const times: number[] = [];
  for (let run = 0; run < 500; run += 1) {
    const started = performance.now();
    JSON.stringify(ipsBundle(profile, { now: testNow, newId: () => crypto.randomUUID() }));
    times.push(performance.now() - started);
  }
  const p99 = times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? 0;
  assert.ok(p99 < 20, `p99 ${p99.toFixed(2)} ms`);
});

const keyOf = (item: Item) => wordsOf(itemText(item)).join(" ") || itemText(item);

/** Clinical content: without ids and who confirmed, statuses that are implied said, in the order of the words. */
function content(profile: Profile): unknown {
  const sections = sectionNames.map((name) => {
    const { statement, items, confirmed_at } = profile[name];
    const list = items.map(({ id: _, confirmed_by: __, ...item }) =>
      name === "allergies" || name === "conditions" ? { status: "active", ...item } : item,
    );
    return [name, statement, confirmed_at, list.toSorted((a, b) => compare(itemText(a as Item), itemText(b as Item)))];
  });
  return { identity: profile.identity, what_matters: profile.what_matters, sections };
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
