import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { manualClock } from "../clock.ts";
import { ServiceError } from "../errors.ts";
import { networkOf, type Throttle, throttle } from "./throttle.ts";

/** Seconds to wait, or 0 when the try is admitted (and left standing as a failure). */
function tried(gate: Throttle, account: string, address?: string): number {
  try {
    gate.attempt(account, address);
    return 0;
  } catch (error) {
    assert.ok(ServiceError.is(error) && error.code === "too-many-requests");
    return Number(error.headers["retry-after"]);
  }
}

function fail(gate: Throttle, times: number, account: string, address?: string): void {
  for (let n = 0; n < times; n += 1) assert.equal(tried(gate, account, address), 0, `try ${n + 1}`);
}

test("after five failures the account waits, twice as long each time, up to fifteen minutes", () => {
  const clock = manualClock();
  const gate = throttle({ clock });
  fail(gate, 6, "camille");
  const waits: number[] = [];
  for (let n = 0; n < 8; n += 1) {
    const wait = tried(gate, "camille");
    waits.push(wait);
    clock.advance(wait * 1000);
    fail(gate, 1, "camille");
  }
  assert.deepEqual(waits, [15, 30, 60, 120, 240, 480, 900, 900]);
  assert.equal(tried(gate, "other"), 0);
});

test("tries in parallel are counted before they are judged", () => {
  const gate = throttle({ clock: manualClock() });
  const admitted = Array.from({ length: 50 }, () => tried(gate, "camille")).filter((wait) => wait === 0);
  assert.equal(admitted.length, 6);
});

test("a good sign-in forgets the account's failures", () => {
  const gate = throttle({ clock: manualClock() });
  fail(gate, 5, "camille");
  gate.attempt("camille", undefined).succeeded();
  fail(gate, 6, "camille");
  assert.ok(tried(gate, "camille") > 0);
});

test("a try that could not be judged is not counted", () => {
  const gate = throttle({ clock: manualClock() });
  for (let n = 0; n < 20; n += 1) gate.attempt("camille", "192.0.2.1").abandoned();
  fail(gate, 6, "camille");
});

test("one address that tries many accounts waits for all of them; others do not", () => {
  const gate = throttle({ clock: manualClock() });
  for (let n = 0; n < 31; n += 1) assert.equal(tried(gate, `account-${n}`, "192.0.2.1"), 0);
  assert.ok(tried(gate, "fresh", "192.0.2.1") > 0);
  assert.equal(tried(gate, "fresh", "192.0.2.2"), 0);
});

test("good sign-ins from one address, a hospital's, never lock it", () => {
  const gate = throttle({ clock: manualClock() });
  for (let n = 0; n < 500; n += 1) gate.attempt(`responder-${n}`, "192.0.2.1").succeeded();
  assert.equal(tried(gate, "next", "192.0.2.1"), 0);
});

test("who signed in lately from an address stays reachable there while others hammer the account", () => {
  const gate = throttle({ clock: manualClock() });
  gate.attempt("responder", "192.0.2.1").succeeded();
  fail(gate, 6, "responder", "198.51.100.7");
  assert.ok(tried(gate, "responder", "198.51.100.7") > 0);
  assert.ok(tried(gate, "responder", "203.0.113.9") > 0);
  assert.equal(tried(gate, "responder", "192.0.2.1"), 0);
  fail(gate, 5, "responder", "192.0.2.1");
  assert.ok(tried(gate, "responder", "192.0.2.1") > 0, "also there, failures count");
});

test("failures are forgotten after an hour without any", () => {
  const clock = manualClock();
  const gate = throttle({ clock });
  fail(gate, 5, "camille");
  clock.advance(3600_000);
  fail(gate, 6, "camille");
});

test("memory is bounded: the account tried longest ago is forgotten", () => {
  const gate = throttle({ clock: manualClock(), maxEntries: 100 });
  fail(gate, 6, "camille");
  for (let n = 0; n < 100; n += 1) tried(gate, `spray-${n}`);
  assert.equal(tried(gate, "camille"), 0);
});

test("IPv6 addresses count by their /64, and IPv4 ones written as IPv6 as themselves", () => {
  assert.equal(networkOf("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  assert.equal(networkOf("2001:0DB8:1:2::1"), networkOf("2001:db8:1:2:ffff:ffff:ffff:ffff"));
  assert.equal(networkOf("2001:db8::1"), "2001:db8:0:0::/64");
  assert.equal(networkOf("::1"), "0:0:0:0::/64");
  assert.equal(networkOf("fe80::1%eth0"), "fe80:0:0:0::/64");
  assert.equal(networkOf("::ffff:192.0.2.1"), "192.0.2.1");
  assert.equal(networkOf("192.0.2.1"), "192.0.2.1");
  fc.assert(fc.property(fc.ipV6(), (address) => assert.match(networkOf(address), /^[0-9a-f:.]+(\/64)?$/)));
  fc.assert(fc.property(fc.string(), (address) => assert.equal(typeof networkOf(address), "string")));
});

test("an owner who proved themselves otherwise is not held up by what others do from elsewhere", () => {
  const gate = throttle({ clock: manualClock() });
  fail(gate, 6, "camille", "192.0.2.1");
  assert.ok(tried(gate, "camille", "198.51.100.7") > 0);
  gate.welcome("camille", "198.51.100.7");
  fail(gate, 6, "camille", "198.51.100.7");
  assert.ok(tried(gate, "camille", "198.51.100.7") > 0, "and guesses no more freely than before");
  assert.ok(tried(gate, "camille", "203.0.113.9") > 0, "others wait on");
});
