import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { halfRestored, readyName, stagingOf } from "./half-restored.ts";

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "half-restored-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test("restores that did not end are found by their service, also beside files of any name", (t) => {
  const path = folder(t);
  for (const service of ["people", "a b"]) mkdirSync(stagingOf(path, service));
  mkdirSync(join(path, ".restoring-%zz"));
  writeFileSync(join(stagingOf(path, "a b"), readyName), "[]");
  assert.deepEqual(halfRestored(path), ["a b"]);
});

test("of a folder that is none, is not there, or that this user may not look into, there are none", (t) => {
  const path = folder(t);
  chmodSync(path, 0o755);
  writeFileSync(join(path, "file"), "");
  const closed = join(path, "closed");
  mkdirSync(closed, { mode: 0o700 });
  // Root may look anywhere, unless it is somebody else for a while.
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  else chmodSync(closed, 0);
  try {
    assert.deepEqual(halfRestored(closed), []);
  } finally {
    if (isRoot) process.seteuid?.(0);
    chmodSync(closed, 0o700);
  }
  assert.deepEqual(halfRestored(join(path, "file")), []);
  assert.deepEqual(halfRestored(join(path, "nowhere")), []);
});
