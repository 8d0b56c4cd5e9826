import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { describe, type TestContext, test } from "node:test";
import fc from "fast-check";
import { Type } from "typebox";
import { everyone } from "../operations/access.ts";
import { resource } from "../resource.ts";
import { service } from "../service.ts";
import { silentLogger } from "./log.ts";
import { createMetrics } from "./registry.ts";
import { packets, statsdLines, statsdName, statsdPrefix } from "./statsd-lines.ts";

/** A StatsD server: keeps the packets it gets. */
async function receiver(t: TestContext) {
  const socket = createSocket("udp4");
  const got: string[] = [];
  socket.on("message", (message) => got.push(message.toString("ascii")));
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  t.after(() => socket.close());
  return {
    url: `udp://127.0.0.1:${socket.address().port}`,
    packets: got,
    lines: () => got.flatMap((packet) => packet.split("\n")),
    async line(pattern: RegExp): Promise<string> {
      for (;;) {
        const found = got.flatMap((packet) => packet.split("\n")).find((line) => pattern.test(line));
        if (found !== undefined) return found;
        await once(socket, "message");
      }
    },
  };
}

const kittens = resource("kittens", {
  schema: Type.Object({ name: Type.String() }),
  access: { create: [everyone], read: [everyone], write: [everyone] },
});

describe("a service with statsd_url", { timeout: 20_000 }, () => {
  const start = (url: string, log = silentLogger) =>
    service({ name: "kittens", version: "1", resources: [kittens] }).start({
      log,
      settings: {
        storage: "memory:",
        statsd_url: url,
        metrics_export_seconds: 0.1,
        deployment_environment: "test",
      },
    });

  test("sends counters and timers of its handlers and gauges, in packets that fit a frame", async (t) => {
    const server = await receiver(t);
    await using running = await start(server.url);
    for (let n = 0; n < 3; n++) await running.fetch(new Request("http://local/v1/kittens"));
    await running.fetch(new Request("http://local/v1/kittens/none-such"));
    const called = await server.line(/\.handler\.kittens_list\.called:/);
    assert.match(called, /^test\.[A-Za-z0-9_-]+\.kittens\.handler\.kittens_list\.called:3\|c$/);
    await server.line(/^test\.[^.]+\.kittens\.handler\.kittens_list\.success:3\|c$/);
    await server.line(/^test\.[^.]+\.kittens\.handler\.kittens_get\.refused:1\|c$/);
    await server.line(/^test\.[^.]+\.kittens\.handler\.kittens_list\.duration:[\d.]+\|ms/);
    await server.line(/^test\.[^.]+\.kittens\.service\.all\.health_state:0\|g$/);
    await server.line(/^test\.[^.]+\.kittens\.nodejs\.all\.eventloop_delay_mean:[\d.]+\|g$/);
    for (const packet of server.packets) assert.ok(packet.length <= 1432);
  });

  test("what happened after the last interval is sent when it stops", async (t) => {
    const server = await receiver(t);
    const running = await service({ name: "kittens", version: "1", resources: [kittens] }).start({
      log: silentLogger,
      settings: { storage: "memory:", statsd_url: server.url, metrics_export_seconds: 3600 },
    });
    await running.fetch(new Request("http://local/v1/kittens"));
    assert.equal(server.packets.length, 0);
    await running.stop();
    await server.line(/handler\.kittens_list\.called:1\|c$/);
  });

  test("a host that does not exist disturbs nothing and is logged once", async (t) => {
    const warnings: string[] = [];
    const exported = () =>
      /telemetry_exports_total{exporter="statsd",outcome="failed",[^}]*} ([2-9])/.test(running.metrics());
    const log = { ...silentLogger, warn: (_: object, message = "") => void warnings.push(message) };
    const running = await start("udp://no-such-host.invalid:8125", log);
    t.after(() => running.stop());
    while (!exported()) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal((await running.fetch(new Request("http://local/v1/kittens"))).status, 200);
    assert.deepEqual(warnings, ["metrics cannot be exported; tried again"]);
  });
});

describe("StatsD lines", () => {
  test("names are environment.host.service.group.segment.outcome, whatever the parts contain", () => {
    const prefix = statsdPrefix("prod", "node-1.example.org", "kittens");
    assert.equal(prefix, "prod.node-1_example_org.kittens");
    assert.equal(
      statsdName(prefix, "rouage_handler_success_total", { service: "kittens", handler: "GET /cards/{token}" }),
      "prod.node-1_example_org.kittens.handler.GET__cards__token_.success",
    );
    const anyText = fc.string({ unit: "binary" });
    fc.assert(
      fc.property(anyText, anyText, anyText, fc.dictionary(anyText, anyText), (a, b, c, labels) => {
        const name = statsdName(statsdPrefix(a, b, c), "kittens_fed_total", labels);
        assert.match(name, /^([A-Za-z0-9_-]+\.){5}[A-Za-z0-9_-]+$/);
      }),
    );
  });

  test("counters send what is new, nothing when nothing is", () => {
    const metrics = createMetrics();
    const fed = metrics.counter("kittens_fed_total", "", { outcome: "eaten", kitten: "Tom" });
    const lines = statsdLines("p");
    fed.add(3);
    assert.deepEqual(lines(metrics.collect()), ["p.kittens.Tom.fed_eaten:3|c"]);
    assert.deepEqual(lines(metrics.collect()), []);
    fed.add(1.5);
    assert.deepEqual(lines(metrics.collect()), ["p.kittens.Tom.fed_eaten:1.5|c"]);
  });

  test("the counts of all readings add up to the counter, for any readings", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1e6), { maxLength: 20 }), (additions) => {
        const metrics = createMetrics();
        const counter = metrics.counter("a_b", "");
        const lines = statsdLines("p");
        let total = 0;
        for (const addition of additions) {
          counter.add(addition);
          for (const line of lines(metrics.collect())) total += Number(/:(\d+)\|c$/.exec(line)?.[1]);
        }
        assert.equal(
          total,
          additions.reduce((sum, one) => sum + one, 0),
        );
      }),
    );
  });

  test("timings are milliseconds, one line a bucket whose rate stands for the number", () => {
    const metrics = createMetrics();
    const timing = metrics.histogram("a_duration_seconds", "", {}, [0.1, 0.3]);
    const lines = statsdLines("p");
    timing.observe(0.05);
    for (let n = 0; n < 6; n++) timing.observe(0.2);
    timing.observe(9);
    assert.deepEqual(lines(metrics.collect()), [
      "p.a.all.duration:50|ms",
      "p.a.all.duration:200|ms|@0.166666666",
      "p.a.all.duration:300|ms",
    ]);
    timing.observe(0.2);
    assert.deepEqual(lines(metrics.collect()), ["p.a.all.duration:200|ms"]);
  });

  test("a receiver that truncates 1 / rate still counts every observation", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 20_000 }), (count) => {
        const metrics = createMetrics();
        const timing = metrics.histogram("a_b", "", {}, [1]);
        for (let n = 0; n < count; n++) timing.observe(0.5);
        const rate = Number(/@([\d.]+)$/.exec(statsdLines("p")(metrics.collect())[0] ?? "")?.[1]);
        assert.equal(Math.trunc(1 / rate), count);
      }),
      { numRuns: 40 },
    );
  });

  test("gauges below zero are set, not lowered; what is no number is left out", () => {
    const metrics = createMetrics();
    metrics.gauge("a_b", "", () => -2.5);
    metrics.gauge("a_c", "", () => Number.NaN);
    metrics.gauge("a_d", "", () => 1e21);
    assert.deepEqual(statsdLines("p")(metrics.collect()), [
      "p.a.all.b:0|g",
      "p.a.all.b:-2.5|g",
      "p.a.all.d:1000000000000000000000|g",
    ]);
  });

  test("packets hold every line that fits, in order, and none is longer than the limit", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1, maxLength: 40, unit: "grapheme-ascii" })), (lines) => {
        const made = packets(lines, 30);
        for (const packet of made) assert.ok(packet.length <= 30);
        assert.equal(made.join("\n"), lines.filter((line) => line.length <= 30).join("\n"));
      }),
    );
  });
});
