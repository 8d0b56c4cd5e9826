/** `kinto doctor` on real faults. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
const main = join(import.meta.dirname, "../src/main.ts");

test("kinto doctor names bad settings, secrets that can be guessed, and files that others may read", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "kinto-doctor-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const ini = join(folder, "kinto.ini");
  const doctor = async (lines: readonly string[], mode = 0o600) => {
    const text = ["[app:main]", "use = egg:kinto", "kinto.http_port = 0", ...lines].join("\n");
    writeFileSync(ini, text);
    chmodSync(ini, mode);
    const env = { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE };
    const done = await run(process.execPath, [main, "doctor", ini, "--json", "--port", "0"], { cwd: folder, env }).then(
      ({ stdout }) => ({ code: 0, stdout }),
      ({ code, stdout }) => ({ code, stdout }),
    );
    const { symptoms } = JSON.parse(done.stdout) as { symptoms: { level: string; about: string; message: string }[] };
    return {
      code: done.code,
      said: symptoms.map(({ level, about, message }) => `${level} ${about}: ${message}`).join("\n"),
    };
  };
  const usual = ["kinto.storage_url = sqlite:kinto.db", "multiauth.policies = basicauth"];
  const good = "kinto.userid_hmac_secret = b4c96a8692291d88fe5a97dd91846eb4";
  assert.deepEqual(await doctor([...usual, good]), { code: 0, said: "" });
  const guessed = await doctor([...usual, "kinto.userid_hmac_secret = some-secret-string"], 0o644);
  assert.equal(guessed.code, 0);
  assert.match(guessed.said, /^warning settings-mode: everybody on this machine may read .*kinto\.ini/m);
  assert.match(guessed.said, /^warning secret: userid_hmac_secret can be guessed/m);
  const bad = await doctor([
    ...usual,
    good,
    "kinto.paginate_by = many",
    "kinto.storage_backend = kinto.core.storage.nosuch",
  ]);
  assert.equal(bad.code, 1);
  assert.match(bad.said, /^error settings: .*paginate_by/m);
});
