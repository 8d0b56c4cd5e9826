/** The clock jumps: revisions go on increasing, within one process and over a start, and nothing is lost of what is asked for by them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { type ManualClock, manualClock } from "../../src/clock.ts";
import { everyone, resource, service } from "../../src/index.ts";
import { silentLogger } from "../../src/telemetry/log.ts";
import { backends } from "./backends.ts";
import { assertWhole } from "./check.ts";
import { bodyOf, type Written } from "./writers.ts";

const notes = resource("notes", {
  schema: Type.Object({ n: Type.Integer(), text: Type.String() }),
  access: { create: [everyone], read: [everyone], write: [everyone] },
});

interface Answer {
  readonly id: string;
  readonly last_modified: number;
}

for (const { name, skip, start } of backends)
  test(`${name}: whatever the clock does, revisions increase, and who asks for changes since one gets them all`, {
    skip,
  }, async () => {
    await using backend = await start();
    const url = backend.fresh();
    const written: Written[] = [];
    const seen: number[] = [];
    const clock: ManualClock = manualClock();

    async function session(): Promise<void> {
      const running = await service({ name: "notes", version: "1.0.0", resources: [notes] }).start({
        ...{ settings: { storage: url }, clock, log: silentLogger, tasks: false },
      });
      const send = async (method: string, path: string, data?: object) => {
        const init = {
          method,
          headers: { "content-type": "application/json" },
          body: data ? JSON.stringify({ data }) : null,
        };
        const reply = await running.fetch(new Request(`http://notes/v1${path}`, init));
        const body = (await reply.json()) as { readonly data: Answer & readonly Answer[] };
        return { status: reply.status, data: body.data };
      };
      for (const jump of [-3_600_000, 0, 60_000, -86_400_000 * 400, 0, 86_400_000, -1]) {
        clock.advance(jump);
        const last = seen.at(-1) ?? 0;
        const ids = [crypto.randomUUID(), crypto.randomUUID()];
        for (const [n, id] of ids.entries()) {
          const { status, data } = await send("PUT", `/notes/${id}`, bodyOf(id, n));
          assert.equal(status, 201);
          seen.push(data.last_modified);
          written.push({ ids: [id], acknowledged: n, pending: undefined });
        }
        const { data } = await send("GET", `/notes?_since=${last}&_sort=last_modified`);
        assert.deepEqual(
          data.map(({ id }) => id),
          ids,
        );
        const gone = await send("DELETE", `/notes/${ids[0]}`);
        seen.push(gone.data.last_modified);
        Object.assign(written.at(-2) ?? {}, { acknowledged: undefined });
      }
      await running.stop();
    }

    await session();
    await session();
    for (const [index, revision] of seen.entries())
      assert.ok(revision > (seen[index - 1] ?? 0), `${seen.slice(index - 1, index + 1)}`);
    await assertWhole(url, written);
  });
