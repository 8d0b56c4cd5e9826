import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mock, test } from "node:test";
import fc from "fast-check";
import { deadlines } from "./deadlines.ts";

/** Timers and clock in steps; `performance.now` goes with them. */
function withTime(work: (tick: (ms: number) => void) => void): void {
  let now = 0;
  mock.timers.enable({ apis: ["setTimeout"] });
  mock.method(performance, "now", () => now);
  try {
    work((ms) => {
      for (let step = 0; step < ms; step++) {
        now++;
        mock.timers.tick(1);
      }
    });
  } finally {
    mock.timers.reset();
    mock.restoreAll();
  }
}

test("each is late when its own time is over, and told once; what ended in time never", () => {
  withTime((tick) => {
    const late: string[] = [];
    const timed = (name: string) => ({ late: () => late.push(name) });
    const { begin, end } = deadlines(100);
    const [a, b, c] = [timed("a"), timed("b"), timed("c")];
    begin(a);
    tick(50);
    begin(b);
    tick(10);
    begin(c);
    end(b);
    tick(38);
    assert.deepEqual(late, []);
    tick(4);
    assert.deepEqual(late, ["a"]);
    tick(54);
    assert.deepEqual(late, ["a"]);
    tick(500);
    assert.deepEqual(late, ["a", "c"]);
  });
});

test("who begins after everything had ended is late in its time", () => {
  withTime((tick) => {
    const late: number[] = [];
    const { begin, end } = deadlines(100);
    const first = { late: () => late.push(1) };
    begin(first);
    end(first);
    tick(90);
    begin({ late: () => late.push(2) });
    tick(95);
    assert.deepEqual(late, []);
    tick(10);
    assert.deepEqual(late, [2]);
  });
});

test("any order of beginnings and ends: late is what took longer, within two milliseconds", () => {
  fc.assert(
    fc.property(fc.array(fc.record({ at: fc.nat(60), takes: fc.nat(60) }), { maxLength: 20 }), (all) =>
      withTime((tick) => {
        const limit = 20;
        const lateAt = new Map<number, number>();
        const { begin, end } = deadlines(limit);
        const own = all.map((_, index) => ({ late: () => lateAt.set(index, time) }));
        let time = 0;
        for (; time < 160; time++) {
          for (const [index, { at, takes }] of all.entries()) {
            const timed = own[index];
            if (timed === undefined) continue;
            if (at === time) begin(timed);
            if (at + takes === time && takes !== limit) end(timed);
          }
          tick(1);
        }
        for (const [index, { at, takes }] of all.entries()) {
          const told = lateAt.get(index);
          if (takes < limit - 2) assert.equal(told, undefined);
          else if (takes > limit + 2) assert.ok(told !== undefined && Math.abs(told - at - limit) <= 2, `${told}`);
        }
      }),
    ),
    { numRuns: 30 },
  );
});

test("a process with nothing under way ends, whatever was before", () => {
  const script = `
    import { deadlines } from ${JSON.stringify(new URL("./deadlines.ts", import.meta.url).href)};
    const { begin, end } = deadlines(60_000);
    const timed = { late() {} };
    begin(timed);
    end(timed);`;
  const { status } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { timeout: 20_000 });
  assert.equal(status, 0);
});

test("what has ended is young garbage, however many come and go", () => {
  const script = `
    import { getHeapSpaceStatistics } from "node:v8";
    import { deadlines } from ${JSON.stringify(new URL("./deadlines.ts", import.meta.url).href)};
    const old = () => getHeapSpaceStatistics().find(({ space_name }) => space_name === "old_space").space_used_size;
    const { begin, end } = deadlines(60_000);
    const open = [];
    const pass = () => {
      for (let n = 0; n < 20_000; n++) {
        const what = Array.from({ length: 50 }, () => ({ n }));
        const timed = { late: () => what };
        begin(timed);
        open.push(timed);
        if (open.length > 64) end(open.shift());
        // Quiet at first, in which what is used grows old; then one collection for many that come and go.
        if (n < 200 || n % 500 === 0) gc({ type: "minor" });
      }
    };
    pass();
    const before = old();
    pass();
    process.stdout.write(String(old() - before));
    process.exit();`;
  const { stdout } = spawnSync(
    process.execPath,
    ["--expose-gc", "--no-allocation-site-pretenuring", "--input-type=module", "-e", script],
    {
      timeout: 20_000,
    },
  );
  assert.ok(stdout.length > 0 && Number(stdout) < 1_000_000, `${stdout} bytes grew old`);
});
