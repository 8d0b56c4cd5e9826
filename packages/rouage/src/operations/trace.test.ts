import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { continueTrace, correlationHeaders, parseTraceparent } from "./trace.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const parent = "b7ad6b7169203331";

test("W3C §3.2 only well-formed traceparents count", () => {
  assert.deepEqual(parseTraceparent(`00-${traceId}-${parent}-01`), { traceId, flags: "01" });
  assert.deepEqual(parseTraceparent(`cc-${traceId}-${parent}-01-what-the-future-will-be`), { traceId, flags: "01" });
  for (const bad of [
    undefined,
    "",
    `ff-${traceId}-${parent}-01`,
    `00-${traceId}-${parent}-01-more`,
    `00-${"0".repeat(32)}-${parent}-01`,
    `00-${traceId}-${"0".repeat(16)}-01`,
    `00-${traceId.toUpperCase()}-${parent}-01`,
    `00-${traceId}-${parent}`,
  ])
    assert.equal(parseTraceparent(bad), undefined, String(bad));
});

test("a request in a trace stays in it with an id of its own; tracestate is passed on, a too long one is not", () => {
  const trace = continueTrace(`00-${traceId}-${parent}-00`, "vendor=x");
  assert.match(trace?.traceparent ?? "", new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`));
  assert.ok(!trace?.traceparent.includes(parent));
  assert.equal(trace?.tracestate, "vendor=x");
  assert.equal(continueTrace(`00-${traceId}-${parent}-00`, "v".repeat(513))?.tracestate, undefined);
  assert.equal(continueTrace("nonsense", "vendor=x"), undefined);
});

test("each call has an id of its own in the trace of its request, and the request's id", () => {
  const trace = continueTrace(`00-${traceId}-${parent}-01`, "vendor=x");
  const first = correlationHeaders({ requestId: "r-1", trace });
  const second = correlationHeaders({ requestId: "r-1", trace });
  assert.equal(first["x-request-id"], "r-1");
  assert.equal(first.tracestate, "vendor=x");
  for (const { traceparent } of [first, second])
    assert.deepEqual(parseTraceparent(traceparent), { traceId, flags: "01" });
  assert.notEqual(first.traceparent, second.traceparent);
  assert.notEqual(first.traceparent, trace?.traceparent);
});

test("where no trace was named one begins, the same for all calls of a request", () => {
  const requestId = "0196f0a0-1c2b-7def-8123-456789abcdef";
  assert.equal(
    parseTraceparent(correlationHeaders({ requestId }).traceparent)?.traceId,
    "0196f0a01c2b7def8123456789abcdef",
  );
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (id) => {
      const [first, second] = [correlationHeaders({ requestId: id }), correlationHeaders({ requestId: id })];
      const known = parseTraceparent(first.traceparent);
      assert.ok(known);
      assert.equal(parseTraceparent(second.traceparent)?.traceId, known.traceId);
    }),
  );
});
