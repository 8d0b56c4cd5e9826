import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { main, peopleService } from "./people.fixture.ts";

const declaration = peopleService(`unique: ["name"],`);

interface Ended {
  readonly code: number | string | null | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

function rouage(cwd: string, ...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { cwd }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
    );
  });
}

test("verify says that a store is whole, and names what is not, with an exit code of its own", async (t) => {
  const path = mkdtempSync(join(tmpdir(), "verify-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  writeFileSync(join(path, "people.ts"), declaration);
  const { default: definition } = await import(join(path, "people.ts"));
  const running = await definition.start({ settings: { storage: `sqlite:${path}/one.db`, log_level: "silent" } });
  for (const name of ["Ann", "Bob"]) {
    const init = {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ data: { name } }),
    };
    assert.equal((await running.fetch(new Request(`http://people/v1/people/${name.toLowerCase()}`, init))).status, 201);
  }
  const whole = "2 objects and 0 tombstones in 1 lists, 0 groups, 2 entries of the log: all as they should be\n";
  const service = ["people.ts", "--set", "storage=sqlite:one.db"];
  // Also while the service is running.
  assert.deepEqual(await rouage(path, "verify", ...service), { code: 0, stdout: "", stderr: whole });
  await running.stop();
  assert.deepEqual(await rouage(path, "verify", "sqlite:one.db"), { code: 0, stdout: "", stderr: whole });

  const database = new DatabaseSync(join(path, "one.db"));
  database.exec(`UPDATE objects_1 SET body = '{"name":"Ann"}' WHERE id = 'bob'`);
  database.close();
  const damaged = await rouage(path, "verify", ...service);
  assert.equal(damaged.code, 1);
  assert.match(damaged.stdout, /^people "" "bob": shares its value of name with another object\n/);
  assert.match(damaged.stdout, /people "" "bob": has another body than in entry 2 of the log\n$/);
  assert.match(damaged.stderr, /not all as they should be\nrouage: violations: 2\n$/);

  const json = await rouage(path, "verify", "sqlite:one.db", "--json", "--most", "1");
  assert.equal(json.code, 1);
  const { violations, complete, objects } = JSON.parse(json.stdout);
  assert.deepEqual({ complete, objects, found: violations.length }, { complete: false, objects: 2, found: 1 });
});

test("verify makes nothing, and says what it was called wrongly with", async (t) => {
  const path = mkdtempSync(join(tmpdir(), "verify-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  const none = await rouage(path, "verify", "sqlite:none.db");
  assert.equal(none.code, 1);
  assert.match(none.stderr, /there is no storage file none\.db/);
  assert.equal(existsSync(join(path, "none.db")), false);
  for (const args of [[], ["a.ts", "b.ts"], ["sqlite:none.db", "--most", "0"]])
    assert.equal((await rouage(path, "verify", ...args)).code, 2);
});
