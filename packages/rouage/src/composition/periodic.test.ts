import assert from "node:assert/strict";
import { test } from "node:test";
import { recordingLogger } from "../faces/rest/fixture.ts";
import type { ServiceContext } from "../service-declaration.ts";
import { periodicTask } from "./periodic.ts";

const hosted = () => {
  const log = recordingLogger();
  return { log, context: { log } as unknown as ServiceContext };
};

test("steps follow each other while there is more to do; a round that fails is logged, and the next one comes", async () => {
  const { log, context } = hosted();
  const done = Promise.withResolvers<void>();
  const steps: string[] = [];
  const task = periodicTask({
    name: "sweep",
    seconds: 0.01,
    step: async () => {
      steps.push("step");
      if (steps.length === 3) throw new Error("broken");
      if (steps.length === 5) done.resolve();
      return steps.length < 3;
    },
  });
  const stop = await task.start(context);
  await done.promise;
  await stop();
  const made = steps.length;
  assert.ok(made >= 5);
  assert.deepEqual(
    log.lines.map(({ level, fields }) => [level, fields.task]),
    [["error", "sweep"]],
  );
});

test("the end waits for the step under way, and not for the next round", async () => {
  const { context } = hosted();
  const entered = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  let finished = false;
  const stop = await periodicTask({
    name: "sweep",
    seconds: 0.01,
    step: async () => {
      entered.resolve();
      await gate.promise;
      finished = true;
      return true;
    },
  }).start(context);
  await entered.promise;
  const ended = stop();
  gate.resolve();
  await ended;
  assert.equal(finished, true);
  await (await periodicTask({ name: "idle", seconds: 3600, step: async () => false }).start(context))();
});
