import assert from "node:assert/strict";
import { test } from "node:test";
import type { WatchEvent } from "../../operations/operations.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { createMetrics } from "../../telemetry/registry.ts";
import { createStreams } from "./streams.ts";

const settings = { stream_limit: 2, stream_limit_per_caller: 1, retry_after_seconds: 3 };

async function* twice(signal: AbortSignal): AsyncGenerator<WatchEvent> {
  yield { kind: "open", revision: 1 };
  yield { kind: "ready", revision: 1 };
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
}

test("a client that takes nothing of what it was sent gives its place back after a while", async () => {
  const metrics = createMetrics();
  const streams = createStreams({ settings, metrics, stallMs: 1 });
  const stream = await streams.open("ann", twice, silentLogger);
  const reader = stream.getReader();
  await reader.read();
  await assert.rejects(reader.closed, { code: "unavailable" });
  assert.match(metrics.expose(), /^streams_open 0$/m);
  assert.match(metrics.expose(), /^stream_ends_total\{reason="slow"\} 1$/m);
  await (await streams.open("ann", twice, silentLogger)).cancel();
});

test("a stream that fails before its first event takes no place", async () => {
  const metrics = createMetrics();
  const streams = createStreams({ settings, metrics });
  for (let n = 0; n < 5; n++)
    await assert.rejects(
      streams.open(
        "ann",
        // biome-ignore lint/correctness/useYield: it fails before
        async function* () {
          throw new Error("broken");
        },
        silentLogger,
      ),
      /broken/,
    );
  const stream = await streams.open("ann", twice, silentLogger);
  await assert.rejects(streams.open("ann", twice, silentLogger), { code: "too-many-requests" });
  await stream.cancel();
  assert.match(metrics.expose(), /^stream_ends_total\{reason="client"\} 1$/m);
});
