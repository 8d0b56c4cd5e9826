import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { systemClock } from "../clock.ts";
import { checkFiles, readManifest } from "../storage/backup/manifest.ts";
import { openStorage } from "../storage/open.ts";
import { main, peopleService } from "./people.fixture.ts";

const run = promisify(execFile);

const declaration = peopleService();

function place(t: TestContext) {
  const path = mkdtempSync(join(tmpdir(), "backup-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  writeFileSync(join(path, "people.ts"), declaration);
  const newest = () =>
    `backups/${readdirSync(join(path, "backups"))
      .filter((name) => !name.startsWith("."))
      .sort()
      .at(-1)}`;
  const rouage = (...args: string[]) => run(process.execPath, [main, ...args], { cwd: path });
  const failed = (...args: string[]): Promise<string> =>
    rouage(...args).then(
      () => assert.fail("it was done"),
      ({ code, stderr }) => `${code} ${stderr}`,
    );
  const open = async (file: string) => {
    const { default: definition } = await import(join(path, "people.ts"));
    return definition.start({
      settings: { storage: `sqlite:${join(path, file)}`, log_level: "silent", erasure_ledger: join(path, "ledger") },
    });
  };
  return { path, newest, rouage, failed, open };
}

type Running = Awaited<ReturnType<ReturnType<typeof place>["open"]>>;

interface Body {
  readonly code?: number;
  readonly data: readonly { readonly id: string }[];
}

async function call(running: Running, method: string, where: string, data?: object) {
  const response: Response = await running.fetch(
    new Request(`http://people/v1/people${where}`, {
      method,
      headers: { "content-type": "application/json" },
      body: data === undefined ? null : JSON.stringify({ data }),
    }),
  );
  return {
    status: response.status,
    etag: response.headers.get("etag")?.replaceAll('"', "") ?? "",
    body: (await response.json()) as Body,
  };
}

test("a service is backed up while it runs and restored elsewhere; clients of before start afresh, who was erased stays away", async (t) => {
  const { path, newest, rouage, failed, open } = place(t);
  writeFileSync(join(path, "people.toml"), `storage = "sqlite:one.db"\nerasure_ledger = "ledger"\n`);
  const running = await open("one.db");
  await call(running, "PUT", "/ann", { name: "Ann" });
  await call(running, "PUT", "/zelie", { name: "Zelie" });
  const config = ["--config", "people.toml"];
  const { stderr } = await rouage("backup", "people.ts", "backups", ...config, "--keep", "3");
  assert.match(stderr, /^backed up people to backups\/\S+Z \(0\.\d MB\)\n$/);
  await call(running, "PUT", "/lost", { name: "written after the backup" });
  await running.storage.erase([{ resource: "people", parent: "", id: "zelie" }]);
  const seen = await call(running, "GET", "");
  await running.stop();

  const elsewhere = ["--set", "storage=sqlite:two.db"];
  assert.match(
    await failed("restore", "people.ts", newest(), ...elsewhere),
    /^1 rouage: people noted what it erased in a ledger, .*--ledger FOLDER/,
  );
  assert.match(
    await failed("restore", "people.ts", newest(), ...elsewhere, "--ledger", "nowhere"),
    /nowhere is no erasure ledger/,
  );
  assert.match(await failed("restore", "people.ts", newest(), ...config), /one\.db is not empty: move it away/);
  const restored = await rouage("restore", "people.ts", newest(), ...config, ...elsewhere);
  assert.match(
    restored.stderr,
    /^restored people as of \S+Z; 2 objects, tombstones and log entries erased since went again\n$/,
  );

  const again = await open("two.db");
  const list = await call(again, "GET", "");
  assert.deepEqual(
    list.body.data.map(({ id }) => id),
    ["ann"],
  );
  const late = await call(again, "GET", `?_since=${seen.etag}`);
  assert.deepEqual([late.status, late.body.code], [410, 410], JSON.stringify(late.body));
  const afresh = await call(again, "GET", `?_since=${list.etag}`);
  assert.deepEqual([afresh.status, afresh.body.data], [200, []]);
  await call(again, "PUT", "/new", { name: "New" });
  const news = await call(again, "GET", `?_since=${list.etag}`);
  assert.deepEqual(
    news.body.data.map(({ id }) => id),
    ["new"],
  );
  assert.ok(Number(news.etag) > Number(seen.etag));
  await again.stop();
});

test("what is wrong with a call is said", async (t) => {
  const { failed } = place(t);
  assert.match(
    await failed("backup", "people.ts"),
    /^2 rouage: backup takes a service or the URL of a store, and a folder/,
  );
  assert.match(await failed("backup", "people.ts", "b", "--keep", "0"), /^2 rouage: --keep is a whole number from 1/);
  assert.match(await failed("restore", "people.ts"), /^2 rouage: restore takes/);
  assert.match(await failed("restored", "people.ts"), /^2 rouage: say to what time it was put back: --since/);
  assert.match(
    await failed("restored", "people.ts", "--since", "2026-11-30"),
    /^2 rouage: name the erasure ledger with --ledger/,
  );
  const none = ["--since", "2026-11-30", "--ledger", "nowhere"];
  assert.match(await failed("restored", "people.ts", ...none), /nowhere is no erasure ledger|no storage file/);
  assert.match(
    await failed("restore", "people.ts", "b", "--ledger", "x", "--without-ledger"),
    /^2 rouage: --ledger and --without-ledger exclude each other|^1 rouage: b is no backup/,
  );
  assert.match(await failed("backup", "memory:", "b"), /^1 rouage: backup and restore are for the embedded store/);
});

/** Long enough to be interrupted anywhere. */
const objects = 20_000;
const rounds = 8;

test("SIGKILL in the middle of backups and restores leaves whole backups and whole stores", async (t) => {
  const { path, rouage } = place(t);
  const url = `sqlite:${join(path, "big.db")}`;
  {
    await using storage = await openStorage(url, { clock: systemClock });
    await storage.define([{ resource: "people", indexes: [], unique: [] }]);
    for (let n = 0; n < objects; n += 1_000)
      await storage.commit(
        Array.from({ length: 1_000 }, (_, index) => ({
          kind: "put" as const,
          key: { resource: "people", parent: "", id: `p${n + index}` },
          body: JSON.stringify({ name: "n".repeat(400) }),
          expect: { kind: "any" as const },
        })),
      );
  }
  const backups = join(path, "backups");
  const start = performance.now();
  await rouage("backup", url, "backups");
  const backupMs = performance.now() - start;
  for (let round = 0; round < rounds; round++) {
    await killed(["backup", url, "backups"], path, randomInt(Math.floor(backupMs)));
    for (const name of readdirSync(backups).filter((each) => !each.startsWith(".")))
      await checkFiles(join(backups, name), await readManifest(join(backups, name)));
  }
  await rouage("backup", url, "backups", "--keep", "1");
  const [only, ...more] = readdirSync(backups);
  assert.deepEqual([only === undefined, more], [false, []], "what was interrupted is gone");

  const restore = ["restore", `sqlite:${join(path, "new", "big.db")}`, `backups/${only}`];
  let restoreMs = backupMs * 2;
  let whole = 0;
  for (let round = 0; round < rounds; round++) {
    const ended = await killed(restore, path, randomInt(Math.floor(restoreMs)));
    if (existsSync(join(path, "new", "big.db"))) {
      whole++;
      await countOf(`sqlite:${join(path, "new", "big.db")}`);
      rmSync(join(path, "new"), { recursive: true });
    }
    if (ended === 0) restoreMs *= 0.8;
  }
  if (existsSync(join(path, "new")) || whole < rounds) await rouage(...restore);
  await countOf(`sqlite:${join(path, "new", "big.db")}`);
  assert.deepEqual(
    readdirSync(join(path, "new")).filter((name) => name.includes("restoring")),
    [],
  );
});

async function countOf(url: string): Promise<void> {
  await using storage = await openStorage(url, { clock: systemClock });
  const [people] = await storage.totals();
  assert.equal(people?.objects, objects);
}

/** The exit code; null where the signal came first. */
async function killed(args: readonly string[], cwd: string, afterMs: number): Promise<number | null> {
  const child: ChildProcess = spawn(process.execPath, [main, ...args], { cwd, stdio: "ignore" });
  const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
  const timer = setTimeout(() => child.kill("SIGKILL"), afterMs);
  const code = await ended;
  clearTimeout(timer);
  return code;
}
