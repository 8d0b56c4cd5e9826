/** `… | head` ends a command of each command line without a word. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";

const root = join(import.meta.dirname, "../../../..");

for (const [name, file, args] of [
  ["rouage", "packages/rouage/src/cli/main.ts", ["--help"]],
  ["urgence", "apps/urgence/src/main.ts", ["--help"]],
  ["kinto", "apps/kinto/src/main.ts", ["--help"]],
] as const) {
  test(`${name}: a closed output is the end, and nothing to complain about`, async (t) => {
    const cwd = mkdtempSync(join(tmpdir(), "closed-output-"));
    t.after(() => rmSync(cwd, { recursive: true, force: true }));
    const child = spawn(process.execPath, [join(root, file), ...args], { cwd, stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.destroy();
    const [said, [code]] = await Promise.all([text(child.stderr), once(child, "close")]);
    assert.equal(said, "");
    assert.equal(code, 141);
  });
}
