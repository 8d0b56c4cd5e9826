import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { settingsMarkdown } from "rouage";
import { urgenceSettingsSchema } from "./settings.ts";

test("docs/settings.md has Urgence's settings as they are; UPDATE_DOCS=1 writes them there", () => {
  const path = fileURLToPath(new URL("../../../docs/settings.md", import.meta.url));
  const page = readFileSync(path, "utf8");
  const table = settingsMarkdown(urgenceSettingsSchema).replaceAll("$", "$$$$");
  const updated = page.replace(/(<!-- urgence settings:[^\n]*-->\n)[\s\S]*?(<!-- end -->)/, `$1${table}\n$2`);
  if (process.env.UPDATE_DOCS === "1") writeFileSync(path, updated);
  else assert.equal(page, updated);
});
