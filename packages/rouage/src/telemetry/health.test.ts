import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { HealthState } from "./health.ts";
import { createHealth, type HealthCheck } from "./health.ts";

interface Part extends HealthCheck {
  fails: boolean;
  calls: number;
}

function part(name: string, vital: boolean): Part {
  const made: Part = {
    name,
    vital,
    fails: false,
    calls: 0,
    check: async () => {
      made.calls++;
      if (made.fails) throw new Error("down");
    },
  };
  return made;
}

const limits = { timeoutMs: 1000, serviceLevelMs: 500 };

describe("health", () => {
  test("is healthy while every part is usable", async () => {
    const health = createHealth({ ...limits, checks: [part("storage", true), part("mail", false)] });
    const { state, checks } = await health.report();
    assert.equal(state, "healthy");
    assert.deepEqual(
      Object.entries(checks).map(([name, { ok }]) => [name, ok]),
      [
        ["storage", true],
        ["mail", true],
      ],
    );
  });

  test("one failure of a part that worked does not flip the state, two in a row do, and it recovers", async () => {
    const storage = part("storage", true);
    const changes: HealthState[] = [];
    const health = createHealth({ ...limits, checks: [storage], onChange: (state) => changes.push(state) });
    await health.report();
    storage.fails = true;
    const first = await health.report();
    assert.deepEqual([first.state, first.checks.storage?.ok], ["healthy", false]);
    assert.equal((await health.report()).state, "unhealthy");
    storage.fails = false;
    await health.report();
    await health.report();
    assert.equal(health.state(), "healthy");
    assert.deepEqual(changes, ["unhealthy", "healthy"]);
  });

  test("a vital part that never worked makes it unhealthy at once, another one degraded", async () => {
    const storage = part("storage", true);
    const mail = part("mail", false);
    mail.fails = true;
    assert.equal((await createHealth({ ...limits, checks: [part("storage", true), mail] }).report()).state, "degraded");
    storage.fails = true;
    assert.equal((await createHealth({ ...limits, checks: [mail, storage] }).report()).state, "unhealthy");
  });

  test("a part that is too slow on average makes it degraded", async () => {
    const slow: HealthCheck = {
      name: "slow",
      vital: true,
      check: () => new Promise((resolve) => setImmediate(resolve)),
    };
    assert.equal(
      (await createHealth({ checks: [slow], timeoutMs: 1000, serviceLevelMs: 0 }).report()).state,
      "degraded",
    );
  });

  test("a check that does not end counts as failed after the timeout, and its signal aborts", async () => {
    let aborted = false;
    const hanging: HealthCheck = {
      name: "hanging",
      vital: false,
      check: (signal) =>
        new Promise(() => {
          signal.addEventListener("abort", () => {
            aborted = true;
          });
        }),
    };
    const keepAlive = setInterval(() => {}, 1000);
    const { checks } = await createHealth({ checks: [hanging], timeoutMs: 20, serviceLevelMs: 500 }).report();
    clearInterval(keepAlive);
    assert.equal(checks.hanging?.ok, false);
    assert.ok(aborted);
  });

  test("callers that meet share one run", async () => {
    const storage = part("storage", true);
    const health = createHealth({ ...limits, checks: [storage] });
    await Promise.all([health.report(), health.report(), health.report()]);
    assert.equal(storage.calls, 1);
  });

  test("a check that throws instead of rejecting is a failed check", async () => {
    const throwing: HealthCheck = {
      name: "throwing",
      vital: false,
      check: () => {
        throw new Error("at once");
      },
    };
    assert.equal((await createHealth({ ...limits, checks: [throwing] }).report()).checks.throwing?.ok, false);
  });
});
