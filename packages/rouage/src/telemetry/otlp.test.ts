import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { describe, type TestContext, test } from "node:test";
import { type Static, type TSchema, Type } from "typebox";
import { Value } from "typebox/value";
import { manualClock } from "../clock.ts";
import { everyone } from "../operations/access.ts";
import { resource } from "../resource.ts";
import { type StartOptions, service } from "../service.ts";
import { startExportLoop } from "./export-loop.ts";
import { silentLogger } from "./log.ts";
import { otlpTarget } from "./otlp.ts";
import { otlpMetrics } from "./otlp-metrics.ts";
import { createMetrics, noMetrics } from "./registry.ts";

// The messages of opentelemetry/proto/metrics/v1/metrics.proto that are used, in their JSON encoding; anything else is refused.
const strict = <T extends Record<string, TSchema>>(fields: T) => Type.Object(fields, { additionalProperties: false });
const uint64 = Type.String({ pattern: "^(0|[1-9][0-9]{0,19})$" });
const attributes = Type.Array(
  strict({ key: Type.String({ minLength: 1 }), value: strict({ stringValue: Type.String() }) }),
);
const point = { attributes, startTimeUnixNano: uint64, timeUnixNano: uint64 };
const gaugePoint = strict({ attributes, timeUnixNano: uint64, asDouble: Type.Number() });
const sumPoint = strict({ ...point, asDouble: Type.Number() });
const histogramPoint = strict({
  ...point,
  count: uint64,
  sum: Type.Number(),
  bucketCounts: Type.Array(uint64),
  explicitBounds: Type.Array(Type.Number()),
});
const head = {
  name: Type.String({ pattern: "^[A-Za-z][A-Za-z0-9_./-]{0,254}$" }),
  description: Type.String(),
  unit: Type.String(),
};
const metric = Type.Union([
  strict({ ...head, gauge: strict({ dataPoints: Type.Array(gaugePoint, { minItems: 1 }) }) }),
  strict({
    ...head,
    sum: strict({
      dataPoints: Type.Array(sumPoint, { minItems: 1 }),
      aggregationTemporality: Type.Literal(2),
      isMonotonic: Type.Boolean(),
    }),
  }),
  strict({
    ...head,
    histogram: strict({
      dataPoints: Type.Array(histogramPoint, { minItems: 1 }),
      aggregationTemporality: Type.Literal(2),
    }),
  }),
]);
const exportRequest = strict({
  resourceMetrics: Type.Array(
    strict({
      resource: strict({ attributes }),
      scopeMetrics: Type.Array(strict({ scope: strict({ name: Type.String() }), metrics: Type.Array(metric) })),
    }),
  ),
});
type ExportRequest = Static<typeof exportRequest>;

function checked(document: unknown): ExportRequest {
  const errors = Value.Errors(exportRequest, document);
  assert.deepEqual(errors.slice(0, 3), []);
  return document as ExportRequest;
}

const metricsOf = (request: ExportRequest) => request.resourceMetrics[0]?.scopeMetrics[0]?.metrics ?? [];
const named = (request: ExportRequest, name: string) => metricsOf(request).find((one) => one.name === name);
const textOf = (list: Static<typeof attributes>) =>
  Object.fromEntries(list.map(({ key, value }) => [key, value.stringValue]));

/** A collector that answers as told. */
async function collector(t: TestContext, answer: RequestListener = (_, response) => response.end("{}")) {
  const requests: { url: string; type: string; body: string }[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    requests.push({ url: request.url ?? "", type: request.headers["content-type"] ?? "", body });
    answer(request, response);
    server.emit("answered");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return {
    url: `http://127.0.0.1:${address.port}/v1/metrics`,
    requests,
    async until(done: () => boolean) {
      while (!done()) await once(server, "answered");
    },
  };
}

const kittens = resource("kittens", { schema: Type.Object({ name: Type.String() }), access: { read: [everyone] } });
const start = (settings: object, options: StartOptions = {}) =>
  service({ name: "kittens", version: "1.2.3", resources: [kittens] }).start({
    log: silentLogger,
    ...options,
    settings: { storage: "memory:", metrics_export_seconds: 0.1, ...settings },
  });

describe("a service with otlp_url", { timeout: 20_000 }, () => {
  test("sends what the protocol's JSON encoding asks for, with the conventions' names", async (t) => {
    const server = await collector(t);
    await using running = await start({ otlp_url: server.url, deployment_environment: "test" });
    for (let n = 0; n < 3; n++) await running.fetch(new Request("http://local/v1/kittens"));
    await server.until(() => server.requests.at(-1)?.body.includes('"http.route"') === true);
    const { url, type, body } = server.requests.at(-1) ?? { url: "", type: "", body: "" };
    assert.deepEqual([url, type], ["/v1/metrics", "application/json"]);
    const request = checked(JSON.parse(body));
    const about = textOf(request.resourceMetrics[0]?.resource.attributes ?? []);
    assert.deepEqual(
      [about["service.name"], about["service.version"], about["deployment.environment.name"]],
      ["kittens", "1.2.3", "test"],
    );
    assert.match(about["service.instance.id"] ?? "", /^[0-9a-f-]{36}$/);

    const duration = named(request, "http.server.request.duration");
    assert.ok(duration !== undefined && "histogram" in duration);
    assert.equal(duration.unit, "s");
    const list = duration.histogram.dataPoints.find(
      (one) => textOf(one.attributes)["rouage.handler"] === "kittens.list",
    );
    assert.deepEqual(textOf(list?.attributes ?? []), {
      "rouage.handler": "kittens.list",
      "http.request.method": "GET",
      "http.route": "/v1/kittens",
      "url.scheme": "http",
    });
    assert.equal(list?.count, "3");
    assert.equal(list?.bucketCounts.length, (list?.explicitBounds.length ?? 0) + 1);
    assert.equal(
      list?.bucketCounts.reduce((sum, one) => sum + Number(one), 0),
      3,
    );
    const active = named(request, "http.server.active_requests");
    assert.ok(active !== undefined && "sum" in active && !active.sum.isMonotonic);
    const called = named(request, "rouage.handler.called");
    assert.ok(called !== undefined && "sum" in called && called.sum.isMonotonic);
    assert.ok(named(request, "process.memory.usage") && named(request, "nodejs.eventloop.delay.mean"));
  });

  test("what happened after the last interval is sent when it stops", async (t) => {
    const server = await collector(t);
    const running = await start({ otlp_url: server.url, metrics_export_seconds: 3600 });
    await running.fetch(new Request("http://local/v1/kittens"));
    assert.equal(server.requests.length, 0);
    await running.stop();
    const request = checked(JSON.parse(server.requests.at(-1)?.body ?? ""));
    const duration = named(request, "http.server.request.duration");
    assert.ok(duration !== undefined && "histogram" in duration);
    assert.ok(duration.histogram.dataPoints.some(({ count }) => count === "1"));
  });

  test("values are cumulative: what a failed export did not bring, the next one does", async (t) => {
    let failing = true;
    const server = await collector(t, (_, response) => {
      response.statusCode = failing ? 503 : 200;
      response.end("{}");
    });
    await using running = await start({ otlp_url: server.url });
    await running.fetch(new Request("http://local/v1/kittens"));
    await server.until(() => server.requests.length === 1);
    failing = false;
    await server.until(() => server.requests.length === 2);
    for (const { body } of server.requests) {
      const called = named(checked(JSON.parse(body)), "rouage.handler.called");
      assert.ok(called !== undefined && "sum" in called);
      const list = called.sum.dataPoints.find((one) => textOf(one.attributes)["rouage.handler"] === "kittens.list");
      assert.equal(list?.asDouble, 1);
    }
    assert.match(running.metrics(), /telemetry_exports_total{exporter="otlp",outcome="failed",service="kittens"} 1/);
  });

  test("a collector that never answers does not keep the service from stopping", async (t) => {
    const server = await collector(t, () => {});
    const running = await start({ otlp_url: server.url });
    await server.until(() => server.requests.length === 1);
    const before = performance.now();
    await running.stop(200);
    assert.ok(performance.now() - before < 5000);
  });
});

describe("an export loop", { timeout: 20_000 }, () => {
  test("waits longer after each failure, as long as the collector asks for, and logs a failure once", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const lines: string[] = [];
    const log = {
      ...silentLogger,
      warn: (_: object, message = "") => void lines.push(message),
      info: (_: object, message = "") => void lines.push(message),
    };
    let sends = 0;
    let fails = true;
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    const target = {
      name: "otlp" as const,
      send: async () => {
        sends++;
        if (fails) throw new Error("away");
        return undefined;
      },
      close() {},
    };
    const loop = startExportLoop({ target, collect: () => [], intervalMs: 1000, log, metrics: noMetrics });
    t.mock.timers.tick(1000);
    await turn();
    assert.equal(sends, 1);
    t.mock.timers.tick(1400);
    await turn();
    assert.equal(sends, 1, "2000 ms at least three quarters of them");
    t.mock.timers.tick(1100);
    await turn();
    assert.equal(sends, 2);
    t.mock.timers.tick(2900);
    await turn();
    assert.equal(sends, 2);
    fails = false;
    t.mock.timers.tick(2100);
    await turn();
    assert.equal(sends, 3);
    t.mock.timers.tick(1000);
    await turn();
    assert.equal(sends, 4, "back to the interval");
    assert.deepEqual(lines, ["metrics cannot be exported; tried again", "metrics are exported again"]);
    await loop.stop(1000);
    assert.equal(sends, 5);
    t.mock.timers.tick(100_000);
    await turn();
    assert.equal(sends, 5);
  });
});

describe("the OTLP target", () => {
  const options = { resource: {}, handlers: new Map(), startedAt: 0, clock: manualClock(1_700_000_000_123) };
  const send = (url: string) => otlpTarget({ url, ...options }).send([], AbortSignal.timeout(5000));

  test("passes on how long the collector asks to wait", async (t) => {
    const server = await collector(t, (_, response) => {
      response.writeHead(429, { "retry-after": "7" }).end();
    });
    await assert.rejects(send(server.url), { name: "ExportRefused", retryAfterMs: 7000 });
  });

  test("tells about points that were rejected, and reads no endless answer", async (t) => {
    const partial = await collector(t, (_, response) => {
      response.end('{"partialSuccess":{"rejectedDataPoints":"2","errorMessage":"too old"}}');
    });
    assert.equal(await send(partial.url), "2 data points rejected: too old");
    const endless = await collector(t, (_, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write("x".repeat(4096)));
        if (!response.destroyed) response.once("drain", more);
      };
      more();
    });
    assert.equal(await send(endless.url), undefined);
  });

  test("times are nanoseconds as text, values that are no numbers are left out, foreign metrics keep their name", () => {
    const metrics = createMetrics({ service: "kittens" });
    metrics.counter("kittens_fed_total", "Meals", { food: "fish" }).add(2);
    metrics.gauge("kittens_asleep", "Asleep", () => Number.NaN);
    const request = checked(otlpMetrics(metrics.collect(), 1_700_000_000_123, { ...options, startedAt: 1000 }));
    assert.deepEqual(metricsOf(request), [
      {
        name: "kittens_fed",
        description: "Meals",
        unit: "1",
        sum: {
          dataPoints: [
            {
              attributes: [{ key: "food", value: { stringValue: "fish" } }],
              startTimeUnixNano: "1000000000",
              timeUnixNano: "1700000000123000000",
              asDouble: 2,
            },
          ],
          aggregationTemporality: 2,
          isMonotonic: true,
        },
      },
    ]);
  });
});
