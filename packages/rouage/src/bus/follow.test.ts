import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { systemClock } from "../clock.ts";
import { everyone } from "../operations/access.ts";
import { resource } from "../resource.ts";
import { service } from "../service.ts";
import { memoryStorage } from "../storage/memory.ts";
import type { Storage } from "../storage/storage.ts";
import { silentLogger } from "../telemetry/log.ts";
import { follow } from "./follow.ts";

const things = resource("things", {
  schema: Type.Object({}),
  access: { create: [everyone], read: [everyone], write: [everyone] },
});

async function eventually(check: () => boolean): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    if (check()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail("it never came to pass");
}

async function instance(storage: Storage, heard: string[], options: { readonly fails?: (id: string) => boolean } = {}) {
  const task = follow({
    name: "ears",
    resources: ["things"],
    retryMs: 1,
    heard({ id }) {
      heard.push(id);
      if (options.fails?.(id) === true) throw new Error("deaf");
    },
  });
  return service({ name: "things", version: "1.0.0", resources: [things], tasks: [task] }).start({
    storage,
    log: silentLogger,
  });
}

const put = (storage: Storage, id: string, name = "things") =>
  storage.commit([{ kind: "put", key: { resource: name, parent: "", id }, body: "{}", expect: { kind: "any" } }]);

test("every instance hears once of each write from its start on, its own included, whatever it makes of it", async () => {
  const storage = memoryStorage({ clock: systemClock });
  const heard: string[][] = [[], []];
  await using one = await instance(storage, heard[0] ?? [], { fails: (id) => id === "a" });
  await put(storage, "a");
  await using two = await instance(storage, heard[1] ?? []);
  await storage.define([{ resource: "others", indexes: [], unique: [] }]);
  await put(storage, "x", "others");
  await put(two.storage, "b");
  await put(one.storage, "c");
  await eventually(() => heard.every((ids) => ids.at(-1) === "c"));
  assert.deepEqual(heard, [
    ["a", "b", "c"],
    ["b", "c"],
  ]);
});

test("a log that fails is read on from where it ended", async () => {
  const kept = memoryStorage({ clock: systemClock });
  let failures = 0;
  const storage: Storage = {
    ...kept,
    async *log(query) {
      for await (const entry of kept.log(query)) {
        if (entry.id === "b" && failures++ === 0) throw new Error("gone");
        yield entry;
      }
    },
  };
  const heard: string[] = [];
  await using _ = await instance(storage, heard);
  for (const id of ["a", "b", "c"]) await put(storage, id);
  await eventually(() => heard.length === 3);
  assert.deepEqual(heard, ["a", "b", "c"]);
});
