/** `doctor` on real faults of an installation. */
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startUrgence } from "../src/app.ts";
import { openPlace } from "../src/place.ts";
import { readUrgenceSettings } from "../src/settings.ts";
import { runUrgence } from "./support/application.ts";

test("doctor names what is wrong with an installation, and nothing where nothing is", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "urgence-doctor-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const store = join(folder, "store");
  const settings = readUrgenceSettings({
    URGENCE_STORAGE: `sqlite:${store}`,
    URGENCE_MAIL: `file:${join(folder, "mail")}`,
    URGENCE_LOG_LEVEL: "silent",
  });
  await (await startUrgence(settings)).stop();
  const doctor = async (environment: Readonly<Record<string, string>> = {}) => {
    const { code, stdout } = await runUrgence(["doctor", "--json"], folder, environment);
    const { symptoms } = JSON.parse(stdout) as { symptoms: { level: string; about: string; message: string }[] };
    return { code, said: symptoms.map(({ level, about, message }) => `${level} ${about}: ${message}`).join("\n") };
  };
  assert.deepEqual(await doctor(), { code: 0, said: "" });

  const { keys } = await openPlace(settings);
  chmodSync(join(keys, "pepper.json"), 0o644);
  chmodSync(join(store, "access.db"), 0o644);
  const open = await doctor();
  assert.equal(open.code, 1);
  assert.match(open.said, /^error keys-mode: others may look into .*pepper\.json \(mode 644\)/m);
  assert.match(open.said, /^warning storage-mode: others may open .*access\.db/m);

  renameSync(keys, join(folder, "away"));
  assert.match((await doctor()).said, /^error keys: there are stores, but no keys in/m);

  const production = await doctor({ NODE_ENV: "production", URGENCE_DEMO: "true" });
  for (const about of ["error demo", "warning mail", "warning origin", "warning aml"])
    assert.match(production.said, new RegExp(`^${about}: `, "m"));
  const bad = await doctor({ URGENCE_NONSENSE: "1", URGENCE_PHONE_COUNTRY: "france" });
  assert.equal(bad.code, 1);
  assert.match(
    bad.said,
    /^error settings: .*NONSENSE.*\nerror settings: phone_country|^error settings: phone_country.*\nerror settings: .*NONSENSE/m,
  );
});
