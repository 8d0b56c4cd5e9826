import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { manualClock } from "../../clock.ts";
import { everyone } from "../../operations/access.ts";
import { correlationHeaders } from "../../operations/trace.ts";
import { resource } from "../../resource.ts";
import { route } from "../../route.ts";
import { memoryStorage } from "../../storage/memory.ts";
import { call, recordingLogger, resourceFace, testFace } from "./fixture.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const traced = { "x-request-id": "r-1", traceparent: `00-${traceId}-b7ad6b7169203331-01`, tracestate: "vendor=x" };

test("T1 request id and trace are in the log, the response, and the headers of calls that a handler makes", async () => {
  const log = recordingLogger();
  const downstream = route("GET", "/downstream", {
    access: [everyone],
    handler: (context) => {
      context.log.info({}, "working");
      return { context: correlationHeaders(context), copy: correlationHeaders({ ...context }) };
    },
  });
  const { json, headers } = await call(testFace({ log, routes: [downstream] }), "GET", "/v1/downstream", {
    headers: traced,
  });
  assert.equal(headers["x-request-id"], "r-1");
  assert.match(String(headers.traceparent), new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
  for (const sent of [json.context, json.copy]) {
    assert.equal(sent["x-request-id"], "r-1");
    assert.equal(sent.tracestate, "vendor=x");
    assert.match(sent.traceparent, new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
    assert.notEqual(sent.traceparent, traced.traceparent);
  }
  assert.deepEqual(
    log.lines.map(({ message, fields: { rid, trace } }) => [message, rid, trace]),
    [
      ["working", "r-1", traceId],
      ["request.summary", "r-1", traceId],
    ],
  );
});

test("T1 a request without a trace, or with a broken one, is answered without; its calls share one", async () => {
  const downstream = route("GET", "/downstream", {
    access: [everyone],
    handler: (context) => [correlationHeaders(context), correlationHeaders(context)],
  });
  const face = testFace({ routes: [downstream] });
  for (const traceparent of [undefined, "00-broken", "00-00000000000000000000000000000000-b7ad6b7169203331-01"]) {
    const { json, headers } = await call(face, "GET", "/v1/downstream", {
      headers: traceparent === undefined ? {} : { traceparent },
    });
    assert.equal(headers.traceparent, undefined);
    const [first, second] = json as { traceparent: string }[];
    assert.equal(first?.traceparent.slice(0, 35), second?.traceparent.slice(0, 35));
    assert.equal(first?.traceparent.slice(3, 35), String(headers["x-request-id"]).replaceAll("-", ""));
  }
});

test("T1 the log entries of a write carry its request id and its trace", async () => {
  const clock = manualClock();
  const storage = memoryStorage({ clock });
  const kittens = resource("kittens", {
    schema: Type.Object({ name: Type.String() }),
    access: { create: [everyone], read: [everyone], write: [everyone] },
  });
  const face = await resourceFace([kittens], { clock, storage });
  const body = { data: { name: "Tom" } };
  await call(face, "POST", "/v1/kittens", { body, headers: traced });
  await call(face, "POST", "/v1/kittens", { body, headers: { "x-request-id": "r-2" } });
  const [first, second] = await Array.fromAsync(storage.log());
  assert.equal(first?.requestId, "r-1");
  assert.match(first?.traceparent ?? "", new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
  assert.deepEqual([second?.requestId, second?.traceparent], ["r-2", undefined]);
  await storage.close();
});
