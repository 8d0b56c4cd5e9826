import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { manualClock } from "../clock.ts";
import { type JsonLoggerOptions, jsonLogger } from "./json-log.ts";

function recorded(options: Omit<JsonLoggerOptions, "destination"> = {}) {
  let text = "";
  const log = jsonLogger({
    ...options,
    destination: {
      write: (lines) => {
        text += lines;
      },
    },
  });
  return {
    log,
    lines: () =>
      text
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line)),
  };
}

test("a line holds level, time of the clock, name, fields and message", () => {
  const { log, lines } = recorded({ name: "kittens", clock: manualClock(5) });
  log.info({ a: 1 }, "hello");
  assert.deepEqual(lines(), [{ level: "info", time: 5, name: "kittens", a: 1, msg: "hello" }]);
});

test("less important lines than the level are not written, and `writes` says so beforehand", () => {
  const { log, lines } = recorded({ level: "warn" });
  log.info({}, "no");
  log.error({}, "yes");
  assert.equal(lines().length, 1);
  assert.equal(log.writes("info"), false);
  assert.equal(log.writes("warn"), true);
  assert.equal(recorded({ level: "silent" }).log.writes("fatal"), false);
});

test("children add their fields to every line", () => {
  const { log, lines } = recorded();
  log.child({ rid: "r" }).child({ task: "t" }).warn({ n: 1 }, "x");
  const [line] = lines();
  assert.deepEqual([line.rid, line.task, line.n], ["r", "t", 1]);
});

test("secrets are hidden by name and by declared path, also in children", () => {
  const { log, lines } = recorded({ redact: ["body.address", "items[*].note"] });
  log.child({ token: "t" }).info({ password: "p", body: { address: "a" }, items: [{ note: "n" }] });
  assert.doesNotMatch(JSON.stringify(lines()), /"[tpan]"/);
});

test("errors are written with type, message, stack and cause", () => {
  const { log, lines } = recorded();
  log.error({ err: new TypeError("bad", { cause: new Error("deeper") }) }, "failed");
  const { err } = lines()[0];
  assert.equal(err.type, "TypeError");
  assert.match(err.message, /bad/);
  assert.match(err.stack, /deeper/);
});

test("a finished line is written as it is", () => {
  const { log, lines } = recorded();
  log.line('{"msg":"request.summary"}');
  assert.deepEqual(lines(), [{ msg: "request.summary" }]);
});

test("everything logged before the end of the process is written, in order", () => {
  const module = new URL("./json-log.ts", import.meta.url).href;
  const code = `
    const { jsonLogger } = await import(${JSON.stringify(module)});
    const log = jsonLogger();
    for (let n = 0; n < 5000; n++) log.info({ n });
    log.fatal({ n: 5000 });
    process.exit(0);`;
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", code], {
    encoding: "utf8",
    maxBuffer: 1e8,
  });
  const numbers = output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).n);
  assert.deepEqual(
    numbers,
    Array.from({ length: 5001 }, (_, n) => n),
  );
});
