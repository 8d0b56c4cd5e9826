import assert from "node:assert/strict";
import { test } from "node:test";
import { testSite } from "../testing.ts";

test("the preview of a document says in the reader's words what was understood, and what to look out for", async () => {
  await using site = await testSite();
  site.api.language = "fr";
  const data = {
    profile: {},
    understood: ["given_names: Martha <b>", "birth_date: 1972-05-01", "sex: female", "languages: en-US,fr"].map(
      (text) => ({
        source: "Patient (entry 1)",
        section: "identity",
        text,
      }),
    ),
    not_understood: [],
    conflicts: [
      { section: "identity", field: "sex", yours: "male", imported: "female" },
      { section: "identity", field: "birth_date", yours: "1972", imported: "1972-05-01" },
    ],
    warnings: ["The document describes 2 patients; only Patient/a was read."],
  };
  site.api.answers.set("POST /v1/me/import", { status: 200, body: { data } });
  const form = new FormData();
  form.set("document", new Blob(["{}"]), "bundle.json");
  const { status, text } = await site.post("/me/import", form);
  assert.equal(status, 200);
  const shown = text.replaceAll(/<[^>]+>/g, " ").replaceAll(/\s+/g, " ");
  for (const words of [
    "Prénoms Martha &lt;b&gt;",
    "Date de naissance 1er mai 1972",
    "Sexe Femme",
    "anglais américain, français",
    "À propos de moi Femme",
    "À propos de moi 1er mai 1972",
    "À vérifier avant d’enregistrer The document describes 2 patients",
  ])
    assert.ok(shown.includes(words), `${words} in ${shown}`);
  assert.doesNotMatch(shown, /given_names|birth_date|female/);
});
