import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Type } from "typebox";
import { settingsMarkdown, settingsTable } from "./table.ts";

test("every setting has a description, and every default fits its schema's words", () => {
  for (const { key, description, expected } of settingsTable()) {
    assert.match(key, /^[a-z][a-z_]*$/);
    assert.match(description, /\.$/, key);
    assert.notEqual(expected, "value", key);
  }
});

test("docs/settings.md has the settings as they are; UPDATE_DOCS=1 writes them there", () => {
  const path = fileURLToPath(new URL("../../../../docs/settings.md", import.meta.url));
  const page = readFileSync(path, "utf8");
  const updated = page.replace(
    /(<!-- rouage settings:[^\n]*-->\n)[\s\S]*?(<!-- end -->)/,
    `$1${settingsMarkdown().replaceAll("$", "$$$$")}\n$2`,
  );
  if (process.env.UPDATE_DOCS === "1") writeFileSync(path, updated);
  else assert.equal(page, updated);
});

test("bars in a cell do not end it", () => {
  const schema = Type.Object({ a: Type.String({ pattern: "^(a|b)$", description: "A." }) });
  assert.match(settingsMarkdown(schema), /\^\(a\\\|b\)\$/);
});
