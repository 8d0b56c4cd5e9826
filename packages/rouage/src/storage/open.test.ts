import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { test } from "node:test";
import { manualClock } from "../clock.ts";
import { openStorage } from "./open.ts";

const clock = manualClock();

test("`memory:` is a storage in this process", async () => {
  await using storage = await openStorage("memory:", { clock });
  assert.equal(storage.capabilities.durable, false);
});

test("`sqlite:PATH` is a file relative to the working directory, made with its folders", async () => {
  const folder = await mkdtemp(join(tmpdir(), "rouage-open-"));
  try {
    for (const prefix of ["sqlite:", "sqlite://"]) {
      const path = join(folder, prefix.length.toString(), "deep", "store.db");
      await using storage = await openStorage(prefix + relative(process.cwd(), path), { clock });
      assert.equal(storage.capabilities.durable, true);
      assert.ok(existsSync(path));
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("any other URL is refused with the accepted forms, without the password in it", async () => {
  for (const url of [
    "",
    "sqlite",
    "sqlite:",
    "memory:x",
    "mysql://ann:s3cret@db/x",
    "postgres:",
    "mongodb:",
    "toString:x",
    "/tmp/x.db",
  ]) {
    await assert.rejects(openStorage(url, { clock }), (error: Error) => {
      assert.match(error.message, /expected "memory:", "sqlite:PATH", "postgres:\/\/…" or "mongodb:/);
      assert.doesNotMatch(error.message, /s3cret/);
      return true;
    });
  }
});

test("nothing is opened where a restore of the service was interrupted: run again, it would take the place of what was written", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "rouage-open-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const staging = join(folder, ".restoring-kittens");
  await mkdir(staging);
  await writeFile(join(staging, "ready.json"), "[]");
  const url = `sqlite:${join(folder, "kittens.db")}`;
  await assert.rejects(openStorage(url, { clock, name: "kittens" }), /a restore of kittens into .* was interrupted/);
  assert.deepEqual(await readdir(folder), [".restoring-kittens"]);
  await using others = await openStorage(`sqlite:${join(folder, "dogs.db")}`, { clock, name: "dogs" });
  assert.ok(others.capabilities.durable);
});
