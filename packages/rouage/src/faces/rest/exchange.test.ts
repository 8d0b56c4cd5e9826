import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { systemClock } from "../../clock.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { createNegotiator } from "./accept.ts";
import { Exchange } from "./exchange.ts";
import { fromWebRequest } from "./fetch.ts";

function exchangeOf(signal: AbortSignal = new AbortController().signal): Exchange {
  const request = fromWebRequest(new Request("http://test.local/v1/", { signal }));
  return new Exchange(request, systemClock, silentLogger, createNegotiator()(undefined));
}

test("contexts of all requests share one hidden class, so that a finished request is no garbage for a major collection", () => {
  setFlagsFromString("--allow-natives-syntax");
  const same = new Function("a", "b", "return %HaveSameMap(a, b)") as (a: object, b: object) => boolean;
  assert.ok(same(exchangeOf().context(), exchangeOf().context()));
});

test("a context can be copied with its signal and trace", () => {
  const exchange = exchangeOf();
  const copy = { ...exchange.context() };
  assert.equal(copy.signal, exchange.signal);
  assert.equal(copy.requestId, exchange.requestId);
  assert.ok("trace" in copy);
});

test("a context knows that its request has ended without a signal of its own", () => {
  const client = new AbortController();
  const [late, left] = [exchangeOf(), exchangeOf(client.signal)];
  assert.equal(late.context().ended, false);
  assert.equal(left.context().ended, false);
  late.expire(new Error("too late"));
  client.abort();
  assert.equal(late.context().ended, true);
  assert.equal(left.context().ended, true);
});
