import assert from "node:assert/strict";
import { test } from "node:test";
import { progressBar } from "./progress.ts";

function terminal(isTTY: boolean) {
  const written: string[] = [];
  return { isTTY, write: (text: string) => written.push(text), written };
}

test("a terminal sees a bar, drawn now and then and at its end", () => {
  let now = 0;
  const output = terminal(true);
  const bar = progressBar(output, { now: () => now });
  for (let done = 1; done <= 1000; done++) {
    now += 1;
    bar.update(done, 1000);
  }
  bar.finish("done");
  assert.ok(output.written.length < 15);
  assert.equal(output.written.at(-2), `\r[${"#".repeat(30)}] 100 %  1000 of 1000`);
  assert.equal(output.written.at(-1), "\ndone\n");
});

test("a file sees one line", () => {
  const output = terminal(false);
  const bar = progressBar(output);
  bar.update(5, 10);
  bar.finish("done");
  assert.deepEqual(output.written, ["done\n"]);
});

test("more than was announced, or nothing at all, does not break the bar", () => {
  const output = terminal(true);
  const bar = progressBar(output);
  bar.update(0, 0);
  bar.update(12, 10);
  assert.match(output.written.join(""), /100 %/);
});

test("where it is asked for, the bar says how fast it goes and how long the rest takes", () => {
  let now = 0;
  const output = terminal(true);
  const bar = progressBar(output, { now: () => now, rate: true });
  bar.update(0, 100_000);
  for (const [at, rest] of [
    [4_000, "1000 a second, 2 min left"],
    [8_000, "500 a second, 3 min left"],
    [400_000, "10 a second, 2.7 h left"],
  ] as const) {
    now = at;
    bar.update(4_000, 100_000);
    assert.match(output.written.at(-1) ?? "", new RegExp(`${rest} +$`));
  }
});
