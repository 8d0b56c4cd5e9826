/** docs/migrate-from-kinto.md says what happens: its file of settings is started with, and what it says of it compared. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type Logger, SettingsError, silentLogger } from "rouage";
import { startKinto } from "../src/app.ts";
import { loadSettings } from "../src/settings/load.ts";

const page = readFileSync(join(import.meta.dirname, "../../../docs/migrate-from-kinto.md"), "utf8");
const block = (language: string) =>
  new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(page)?.[1] ?? assert.fail(`no block of ${language}`);

test("the start with the settings of the migration page says what the page says", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "kinto-migration-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "kinto.ini");
  writeFileSync(path, block("ini"));
  const shown = (text: string) => text.replaceAll(path, "kinto.ini");

  await assert.rejects(startKinto(loadSettings(path, {}), { log: silentLogger }), (error) => {
    assert.ok(error instanceof SettingsError);
    assert.ok(page.includes(shown(error.message)), error.message);
    return true;
  });

  const warnings: string[] = [];
  const log: Logger = { ...silentLogger, child: () => log, warn: (_, text) => void warnings.push(text ?? "") };
  await using _kinto = await startKinto(loadSettings(path, { KINTO_STORAGE_URL: "memory:" }), { log, tasks: false });
  assert.equal(`${shown(warnings.join("\n"))}\n`, block("text"));
});
