import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { everyone } from "../operations/access.ts";
import { resource } from "../resource.ts";
import { service } from "../service.ts";
import { main, peopleService } from "./people.fixture.ts";

const run = promisify(execFile);

const declaration = peopleService(`unique: ["name"],`);

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "copies-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  writeFileSync(join(path, "people.ts"), declaration);
  return path;
}

async function seeded(path: string): Promise<string> {
  const { default: definition } = await import(join(path, "people.ts"));
  const running = await definition.start({ settings: { storage: `sqlite:${path}/one.db`, log_level: "silent" } });
  const call = (method: string, where: string, data?: object) =>
    running.fetch(
      new Request(`http://people/v1/people${where}`, {
        method,
        headers: { "content-type": "application/json" },
        body: data === undefined ? null : JSON.stringify({ data }),
      }),
    );
  for (const name of ["Ann", "Bob", "Cem"]) await call("PUT", `/${name.toLowerCase()}`, { name });
  await call("DELETE", "/bob");
  const list = await (await call("GET", "?_since=0")).text();
  await running.stop();
  return list;
}

test("a dump of one store loaded into another gives the same answers", async (t) => {
  const path = folder(t);
  const before = await seeded(path);
  const rouage = (...args: string[]) => run(process.execPath, [main, ...args], { cwd: path });
  const dumped = await rouage("dump", "people.ts", "--set", "storage=sqlite:one.db", "--out", "people.jsonl");
  assert.equal(dumped.stderr, "dumped 3 objects and tombstones of people to people.jsonl\n");
  assert.equal(statSync(join(path, "people.jsonl")).mode & 0o777, 0o600);
  const printed = await rouage("dump", "people.ts", "--set", "storage=sqlite:one.db");
  const untimed = (text: string) => text.replace(/"time":"[^"]+"/, "");
  assert.equal(untimed(printed.stdout), untimed(readFileSync(join(path, "people.jsonl"), "utf8")));

  const loaded = await rouage("load", "people.ts", "--set", "storage=sqlite:two.db", "--in", "people.jsonl");
  assert.equal(loaded.stderr, "loaded 2 objects and 1 tombstones of people\n");
  const { default: definition } = await import(join(path, "people.ts"));
  const running = await definition.start({ settings: { storage: `sqlite:${path}/two.db`, log_level: "silent" } });
  t.after(() => running.stop());
  const answer = await running.fetch(new Request("http://people/v1/people?_since=0"));
  assert.equal(await answer.text(), before);

  await assert.rejects(
    rouage("load", "people.ts", "--set", "storage=sqlite:one.db", "--in", "people.jsonl"),
    /the store is not empty: it has 2 objects of people/,
  );
  await assert.rejects(rouage("load", "people.ts", "--set", "storage=memory:", "--in", "nothing.jsonl"), /ENOENT/);
  await assert.rejects(rouage("dump", "people.ts", "--in", "people.jsonl"), /name the file with --out/);
});

test("a store that is being written can be dumped: every object is whole, and the next dump has the rest", async (t) => {
  const { dumpLines } = await import("../storage/dump.ts");
  const { Type } = await import("typebox");
  const things = resource("things", {
    schema: Type.Object({ n: Type.Number() }),
    access: { create: [everyone], write: [everyone] },
  });
  const running = await service({ name: "things", version: "1.0.0", resources: [things] }).start({
    settings: { storage: "memory:", log_level: "silent" },
  });
  t.after(() => running.stop());
  const write = (n: number) =>
    running.storage.commit([
      {
        kind: "put",
        key: { resource: "things", parent: "", id: `t${n % 50}` },
        body: JSON.stringify({ n }),
        expect: { kind: "any" },
      },
    ]);
  for (let n = 0; n < 50; n++) await write(n);
  let highest = 0;
  let listed = 0;
  let n = 50;
  for await (const line of dumpLines(running.storage, {
    service: "things",
    version: "1",
    now: 0,
    resources: ["things"],
  })) {
    const value = JSON.parse(line);
    if (value.kind === "object") highest = Math.max(highest, value.revision);
    if (value.kind === "list") listed = value.revision;
    await write(n++);
  }
  assert.ok(listed > 0 && listed <= (await running.storage.timestamp({ resource: "things", parent: "" })) - 50);
  assert.ok(highest > 0);
});
