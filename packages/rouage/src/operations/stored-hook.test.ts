import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { Type } from "typebox";
import { manualClock } from "../clock.ts";
import { ServiceError } from "../errors.ts";
import { resource, type StoredWrite } from "../resource.ts";
import { service } from "../service.ts";
import { everyone } from "./access.ts";

const open = { create: [everyone], read: [everyone], write: [everyone] };

/** A journal that is written by the hook: each line says what happened to which object at which revision. */
async function started(t: TestContext, storage: "memory:" | "sqlite:") {
  const folder = mkdtempSync(join(tmpdir(), "stored-"));
  const seen: StoredWrite<unknown>[] = [];
  const journal = resource("journal", {
    schema: Type.Object({ line: Type.String(), revision: Type.Integer() }),
    access: open,
  });
  const notes = resource("notes", {
    schema: Type.Object({ text: Type.String() }),
    access: open,
    hooks: {
      async stored(write, context) {
        seen.push(write);
        await running.operations
          .get("journal")
          ?.create(
            context,
            { params: {} },
            { data: { line: `${write.action} ${write.id}`, revision: write.revision } },
          );
        if (write.next?.text === "refused") throw new ServiceError("forbidden");
        if (write.previous?.text === "kept" && write.next === undefined) throw new ServiceError("forbidden");
      },
    },
  });
  const running = await service({ name: "notes", version: "1.0.0", resources: [notes, journal] }).start({
    settings: { storage: storage === "memory:" ? storage : `sqlite:${folder}/notes.db`, log_level: "silent" },
    clock: manualClock(),
  });
  t.after(async () => {
    await running.stop();
    rmSync(folder, { recursive: true });
  });
  const call = async (method: string, path: string, data?: object) => {
    const response = await running.fetch(
      new Request(`http://notes/v1${path}`, {
        method,
        headers: { "content-type": "application/json" },
        body: data === undefined ? null : JSON.stringify({ data }),
      }),
    );
    return { status: response.status, body: (await response.json()) as { data: never } };
  };
  const lines = async () =>
    ((await call("GET", "/journal?_sort=last_modified")).body.data as { line: string; revision: number }[]).map(
      ({ line, revision }) => [line, revision],
    );
  return { call, lines, seen, running };
}

for (const storage of ["memory:", "sqlite:"] as const)
  describe(`the hook stored on ${storage}`, () => {
    test("sees the revision that the write got, and what it writes becomes durable with it", async (t) => {
      const { call, lines, seen } = await started(t, storage);
      const revisionOf = ({ body }: { body: { data: { last_modified: number } } }) => body.data.last_modified;
      const made = revisionOf(await call("PUT", "/notes/a", { text: "1" }));
      const changed = revisionOf(await call("PATCH", "/notes/a", { text: "2" }));
      const gone = revisionOf(await call("DELETE", "/notes/a"));
      assert.deepEqual(await lines(), [
        ["replace a", made],
        ["patch a", changed],
        ["delete a", gone],
      ]);
      assert.deepEqual(seen[1]?.previous, { id: "a", last_modified: made, text: "1" });
      assert.deepEqual(seen[1]?.next, { id: "a", last_modified: changed, text: "2" });
      assert.equal(seen[2]?.next, undefined);
    });

    test("takes the write back when it fails, and everything it wrote itself", async (t) => {
      const { call, lines, running } = await started(t, storage);
      await call("PUT", "/notes/a", { text: "kept" });
      const position = await running.storage.position();
      assert.equal((await call("POST", "/notes", { text: "refused" })).status, 403);
      assert.equal((await call("PUT", "/notes/a", { text: "refused" })).status, 403);
      assert.equal((await call("DELETE", "/notes/a")).status, 403);
      assert.equal((await call("DELETE", "/notes")).status, 403);
      assert.equal((await lines()).length, 1);
      assert.equal(await running.storage.position(), position);
      assert.equal(((await call("GET", "/notes")).body.data as unknown[]).length, 1);
    });

    test("is called for each object of a deleted list, and not for a patch that changes nothing", async (t) => {
      const { call, lines } = await started(t, storage);
      for (const id of ["a", "b"]) await call("PUT", `/notes/${id}`, { text: "x" });
      await call("PATCH", "/notes/a", { text: "x" });
      await call("DELETE", "/notes?_sort=id");
      assert.deepEqual(
        (await lines()).map(([line]) => line),
        ["replace a", "replace b", "delete a", "delete b"],
      );
    });

    test("writes that meet are each journalled once", async (t) => {
      const { call, lines } = await started(t, storage);
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, index) => call("PUT", `/notes/n${index % 4}`, { text: String(index) })),
      );
      assert.ok(answers.every(({ status }) => status === 200 || status === 201));
      assert.equal((await lines()).length, 20);
    });
  });
