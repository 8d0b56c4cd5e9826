import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { manualClock } from "../clock.ts";
import { openStorage } from "../storage/open.ts";
import { main, peopleService } from "./people.fixture.ts";

const run = promisify(execFile);

const declaration = peopleService(`indexes: ["name"], retention: { tombstoneSeconds: 10 * 86400 },`);

test("tombstones that are old enough are counted, then purged; indexes stay", async (t) => {
  const path = mkdtempSync(join(tmpdir(), "purge-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  writeFileSync(join(path, "people.ts"), declaration);
  const rouage = (...args: string[]) => run(process.execPath, [main, "purge", ...args], { cwd: path });
  const url = "sqlite:people.db";
  const list = { resource: "people", parent: "" };
  const day = 86_400_000;
  const clock = manualClock(Date.now() - 40 * day);
  {
    await using storage = await openStorage(`sqlite:${path}/people.db`, { clock });
    await storage.define([{ resource: "people", indexes: [["name"]], unique: [] }]);
    for (const [id, days] of [
      ["old", 10],
      ["again", 10],
      ["middle", 15],
      ["young", 0],
    ] as const) {
      const key = { ...list, id };
      await storage.commit([{ kind: "put", key, body: "{}", expect: { kind: "any" } }]);
      await storage.commit([{ kind: "delete", key, expect: { kind: "any" } }]);
      if (id === "again") await storage.commit([{ kind: "put", key, body: "{}", expect: { kind: "any" } }]);
      clock.advance(days * day);
    }
    // As a copy brings them: in no log.
    for (const [parent, id, days] of [
      ["", "copied", 37],
      ["elsewhere", "copied", 37],
      ["elsewhere", "copied young", 1],
    ] as const) {
      const revision = Date.now() - days * day;
      await storage.commit([{ kind: "tombstone", key: { ...list, parent, id }, revision }]);
    }
  }
  const left = async () => {
    await using storage = await openStorage(`sqlite:${path}/people.db`, { clock, asFound: true });
    const entries = await Array.fromAsync(storage.scan("people", { tombstones: true }));
    return entries.filter(({ kind }) => kind === "tombstone").map(({ id }) => id);
  };
  await assert.rejects(rouage(url), /say how old: --older-than DAYS/);
  await assert.rejects(rouage(url, "--older-than", "soon"), /--older-than is a number of days/);
  const dry = await rouage(url, "--older-than", "35", "--dry-run");
  assert.equal(dry.stdout, "people: 3 tombstones would be purged\n");
  assert.deepEqual(await left(), ["copied", "middle", "old", "young", "copied", "copied young"]);
  assert.equal((await rouage(url, "--older-than", "35")).stdout, "people: 3 tombstones purged\n");
  assert.deepEqual(await left(), ["middle", "young", "copied young"]);
  assert.equal((await rouage(url, "--older-than", "35")).stderr, "no tombstone is old enough\n");

  const service = ["people.ts", "--set", `storage=${url}`];
  assert.equal((await rouage(...service, "--dry-run")).stdout, "people: 1 tombstones would be purged\n");
  assert.equal((await rouage(...service)).stdout, "people: 1 tombstones purged\n");
  assert.deepEqual(await left(), ["young", "copied young"]);
  assert.equal((await rouage(...service, "--older-than", "2")).stdout, "people: 1 tombstones purged\n");
});
