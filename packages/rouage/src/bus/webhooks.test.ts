import assert from "node:assert/strict";
import { createHmac, timingSafeEqual } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Type } from "typebox";
import { manualClock } from "../clock.ts";
import { recordingLogger } from "../faces/rest/fixture.ts";
import { everyone } from "../operations/access.ts";
import { resource } from "../resource.ts";
import { service } from "../service.ts";
import { SettingsError } from "../settings/read.ts";
import type { WebhookSettings } from "../settings.ts";
import { silentLogger } from "../telemetry/log.ts";
import { deadLetters } from "./consumer.ts";
import { webhookTasks } from "./webhooks.ts";

const open = { create: [everyone], read: [everyone], write: [everyone] };
const kittens = resource("kittens", { schema: Type.Object({ name: Type.String() }), access: open });
const dogs = resource("dogs", { schema: Type.Object({ name: Type.String() }), access: open });

const secret = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const other = `whsec_${Buffer.alloc(24, 9).toString("base64")}`;

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A receiver; `answer` is called with the number of the request, from 0. */
async function receiver(t: TestContext, answer: (response: ServerResponse, number: number) => void = ok) {
  const received: Received[] = [];
  let wake = (): void => {};
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      received.push({ headers: request.headers, body });
      answer(response, received.length - 1);
      wake();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo())
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  };
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  return { url, received, until, names: () => received.map(({ body }) => nameIn(body)) };
}

function ok(response: ServerResponse): void {
  response.writeHead(204).end();
}

const nameIn = (body: string): string => JSON.parse(body).impacted_objects[0].new.name;

/** What a receiver does, written from the specification and not from our code. */
function verify(key: string, { headers, body }: Received): boolean {
  const [id, timestamp, signatures] = ["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) =>
    String(headers[name]),
  );
  const expected = createHmac("sha256", Buffer.from(key.slice(6), "base64"))
    .update(`${id}.${timestamp}.${body}`)
    .digest();
  return (signatures ?? "").split(" ").some((one) => {
    const [version, value = ""] = one.split(",");
    const given = Buffer.from(value, "base64");
    return version === "v1" && given.length === expected.length && timingSafeEqual(given, expected);
  });
}

async function started(
  t: TestContext,
  webhooks: readonly WebhookSettings[],
  options: { readonly folder?: string; readonly waits?: number[]; readonly timeoutMs?: number } = {},
) {
  const { folder, waits = [], timeoutMs } = options;
  const log = recordingLogger();
  const tasks = webhookTasks({
    webhooks,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    wait: async (ms) => {
      waits.push(ms);
      await new Promise((resolve) => setImmediate(resolve));
    },
  });
  const running = await service({ name: "kittens", version: "1", resources: [kittens, dogs], tasks }).start({
    log,
    clock: manualClock(),
    settings: { storage: folder === undefined ? "memory:" : `sqlite:${join(folder, "hooks.db")}` },
  });
  t.after(() => running.stop());
  const put = async (name: string, list = "kittens") => {
    const response = await running.fetch(
      new Request(`http://local/v1/${list}/${name}`, {
        method: "PUT",
        headers: { "content-type": "application/json", "x-request-id": `request-${name}` },
        body: JSON.stringify({ data: { name } }),
      }),
    );
    assert.ok(response.ok);
  };
  const metric = (outcome: string) =>
    Number(
      new RegExp(`^webhook_deliveries_total{outcome="${outcome}",service="kittens",webhook="audit"} (\\d+)$`, "m").exec(
        running.metrics(),
      )?.[1],
    );
  return { running, put, log, metric };
}

function handled(metrics: string): number {
  const found = /^consumer_entries_total{consumer="webhook-audit",outcome="handled",service="kittens"} (\d+)$/m.exec(
    metrics,
  );
  return Number(found?.[1]);
}

async function eventually(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setImmediate(resolve));
}

describe("webhooks", () => {
  test("are signed so that a receiver can verify them with any of the secrets", async (t) => {
    const { url, received, until } = await receiver(t);
    const { put } = await started(t, [{ name: "audit", url, secret: [secret, other] }]);
    await put("Tom");
    await until(() => received.length === 1);
    const [first] = received;
    assert.ok(first !== undefined);
    assert.ok(verify(secret, first));
    assert.ok(verify(other, first));
    assert.ok(!verify(`whsec_${Buffer.alloc(32, 8).toString("base64")}`, first));
    assert.ok(!verify(secret, { ...first, body: first.body.replace("Tom", "Tim") }));
    assert.equal(first.headers["webhook-timestamp"], String(Date.UTC(2026, 0, 1) / 1000));
    assert.equal(first.headers["content-type"], "application/json");
    assert.equal(first.headers["x-request-id"], "request-Tom");
    assert.match(String(first.headers.traceparent), /^00-/);
    const { type, action, uri, kittens_id } = JSON.parse(first.body);
    assert.deepEqual([type, action, uri, kittens_id], ["kittens.create", "create", "/kittens/Tom", "Tom"]);
  });

  test("are verified by the code that docs/events.md shows, which accepts nothing else", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "hooks-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const page = readFileSync(fileURLToPath(new URL("../../../../docs/events.md", import.meta.url)), "utf8");
    writeFileSync(join(folder, "verify.mjs"), /```js\n(\/\/ verify\.mjs\n[\s\S]*?)```/.exec(page)?.[1] ?? "");
    const shown = await import(pathToFileURL(join(folder, "verify.mjs")).href);
    const { url, received, until } = await receiver(t);
    const { put } = await started(t, [{ name: "audit", url, secret: [other, secret] }]);
    await put("Tom");
    await until(() => received.length === 1);
    const { headers, body } = received[0] ?? { headers: {}, body: "" };
    const now = Date.UTC(2026, 0, 1);
    assert.equal(shown.verify(secret, headers, body, now), true);
    assert.equal(shown.verify(other, headers, body, now), true);
    assert.equal(shown.verify(`whsec_${Buffer.alloc(32).toString("base64")}`, headers, body, now), false);
    assert.equal(shown.verify(secret, headers, `${body} `, now), false);
    assert.equal(shown.verify(secret, { ...headers, "webhook-id": "evt_x" }, body, now), false);
    assert.equal(shown.verify(secret, headers, body, now + 301_000), false);
    assert.equal(shown.verify(secret, {}, body, now), false);
  });

  test("that fail are sent again under the same id, in order, after growing waits or what the receiver asks for", async (t) => {
    const waits: number[] = [];
    const { url, received, until, names } = await receiver(t, (response, number) => {
      if (number === 0) response.writeHead(500).end("x".repeat(200_000));
      else if (number === 1) response.writeHead(503, { "retry-after": "120" }).end();
      else if (number === 2) response.writeHead(302, { location: "http://127.0.0.1:9/" }).end();
      else if (number === 3) response.destroy();
      else ok(response);
    });
    const { put, metric } = await started(t, [{ name: "audit", url, secret }], { waits });
    await put("a");
    await put("b");
    await until(() => received.length === 6);
    assert.deepEqual(names(), ["a", "a", "a", "a", "a", "b"]);
    assert.equal(new Set(received.slice(0, 5).map(({ headers }) => headers["webhook-id"])).size, 1);
    assert.notEqual(received[4]?.headers["webhook-id"], received[5]?.headers["webhook-id"]);
    assert.ok(received.every((one) => verify(secret, one)));
    const [first = 0, second, third = 0, fourth = 0] = waits;
    assert.ok(first >= 500 && first <= 1000, `${first}`);
    assert.equal(second, 120_000);
    assert.ok(third >= 2000 && third <= 4000 && fourth >= 4000 && fourth <= 8000, `${third} ${fourth}`);
    await eventually(() => metric("delivered") === 2);
    assert.equal(metric("failed"), 4);
  });

  test("survive a restart: what was not taken is sent again under the same id, what happened meanwhile is sent as well", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "hooks-"));
    t.after(() => rmSync(folder, { recursive: true }));
    let isUp = false;
    const { url, received, until, names } = await receiver(t, (response) => {
      if (isUp) ok(response);
      else response.writeHead(500).end();
    });
    const webhooks = [{ name: "audit", url, secret, attempts: 1000 }];
    const first = await started(t, webhooks, { folder });
    await first.put("a");
    await until(() => received.length >= 2);
    await first.running.stop();
    const between = await started(t, [], { folder });
    await between.put("b");
    await between.running.stop();
    isUp = true;
    const before = received.length;
    const second = await started(t, webhooks, { folder });
    await second.put("c");
    await until(() => received.length === before + 3);
    assert.deepEqual(names().slice(before), ["a", "b", "c"]);
    assert.equal(received[before]?.headers["webhook-id"], received[0]?.headers["webhook-id"]);
    // Its answer has arrived and its position is kept: otherwise it would come once more.
    await eventually(() => handled(second.running.metrics()) === 3);
    await second.running.stop();
    const third = await started(t, webhooks, { folder });
    await third.put("d");
    await until(() => received.length === before + 4);
    assert.equal(names().at(-1), "d");
  });

  test("become dead letters after the last attempt, and the next are sent", async (t) => {
    const { url, received, until } = await receiver(t, (response, number) => {
      response.writeHead(number < 3 ? 418 : 200).end();
    });
    const { put, running } = await started(t, [{ name: "audit", url, secret, attempts: 3 }]);
    await put("a");
    await put("b");
    await until(() => received.length === 4);
    const letters = await Array.fromAsync(deadLetters(running.storage, "webhook-audit"));
    assert.equal(letters.length, 1);
    assert.equal(letters[0]?.entry.id, "a");
    assert.equal(letters[0]?.failures.length, 3);
    assert.match(letters[0]?.failures[0]?.message ?? "", /status 418/);
  });

  test("stop when the receiver answers 410, and start again with another url, missing nothing", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "hooks-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const closed = await receiver(t, (response) => response.writeHead(410).end());
    const first = await started(t, [{ name: "audit", url: closed.url, secret }], { folder });
    await first.put("a");
    await eventually(() => first.log.lines.some(({ message }) => message?.includes("switched off") === true));
    await first.put("b");
    assert.equal(first.metric("gone"), 1);
    await first.running.stop();
    const again = await started(t, [{ name: "audit", url: closed.url, secret }], { folder });
    await again.put("c");
    await again.running.stop();
    assert.equal(closed.received.length, 1);
    const { url, received, until, names } = await receiver(t);
    await started(t, [{ name: "audit", url, secret }], { folder });
    await until(() => received.length === 3);
    assert.deepEqual(names(), ["a", "b", "c"]);
  });

  test("to a receiver that never answers end in time, and do not hold up the stop", async (t) => {
    const { url, received, until } = await receiver(t, () => {});
    const { put, running, metric } = await started(t, [{ name: "audit", url, secret }], { timeoutMs: 20 });
    await put("a");
    await until(() => received.length === 2);
    await eventually(() => metric("failed") >= 1);
    await running.stop();
    const patient = await started(t, [{ name: "audit", url, secret }]);
    await patient.put("a");
    const before = received.length;
    await until(() => received.length > before);
    const start = performance.now();
    await patient.running.stop();
    assert.ok(performance.now() - start < 5000);
  });

  test("go to each receiver by itself: one that is away keeps no other waiting; resources and actions are chosen", async (t) => {
    const away = await receiver(t, (response) => response.writeHead(500).end());
    const { url, received, until, names } = await receiver(t);
    const { put } = await started(t, [
      { name: "away", url: away.url, secret },
      { name: "dogs", url, secret, resources: ["dogs"], actions: ["create"] },
    ]);
    await put("a");
    await put("rex", "dogs");
    await put("rex", "dogs");
    await put("max", "dogs");
    await until(() => received.length === 2);
    assert.deepEqual(names(), ["rex", "max"]);
  });

  test("come from settings: a file or the environment, with secrets of their own files; none of it reaches the log", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "hooks-"));
    t.after(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "secret"), `${secret}\n${other}\n`);
    const { url, received, until } = await receiver(t, (response, number) =>
      response.writeHead(number === 0 ? 500 : 200).end(),
    );
    const log = recordingLogger();
    const running = await service({ name: "kittens", version: "1", resources: [kittens] }).start({
      log,
      settings: { storage: "memory:" },
      environment: {
        KITTENS_WEBHOOKS: JSON.stringify([
          { name: "audit", url: `${url}?key=hidden`, secret_file: join(folder, "secret") },
        ]),
      },
    });
    t.after(() => running.stop());
    await running.storage.commit([
      { kind: "put", key: { resource: "kittens", parent: "", id: "a" }, body: '{"name":"a"}', expect: { kind: "any" } },
    ]);
    await until(() => received.length === 2);
    assert.ok(received[0] !== undefined && verify(secret, received[0]) && verify(other, received[0]));
    const text = JSON.stringify(log.lines, (_, value) => (value instanceof Error ? `${value.stack}` : value));
    assert.ok(text.includes("will be tried again"));
    assert.ok(!text.includes("whsec_") && !text.includes("hidden"));
  });

  test("mistakes in their settings stop the start, without quoting a secret", async () => {
    const start = (webhooks: unknown) =>
      service({ name: "kittens", version: "1", resources: [kittens] }).start({
        log: silentLogger,
        settings: { storage: "memory:", webhooks },
      });
    const good = { name: "audit", url: "http://127.0.0.1:9/", secret };
    for (const bad of [
      { ...good, url: "ftp://a/" },
      { ...good, url: "https://user:word@a/" },
      { ...good, colour: "red" },
      { ...good, name: "A" },
      { ...good, actions: ["read"] },
    ])
      await assert.rejects(start([bad]), SettingsError);
    for (const [bad, said] of [
      [[{ ...good, secret: "whsec_c2hvcnQ=" }], /24 to 64 bytes/],
      [[{ ...good, secret: "hunter2" }], /24 to 64 bytes/],
      [[{ name: "audit", url: good.url }], /secret or secret_file is required/],
      [[{ name: "audit", url: good.url, secret_file: "/nowhere" }], /ENOENT/],
      [[good, good], /two are called audit/],
      [[{ ...good, resources: ["cats"] }], /no such resource: cats/],
    ] as const)
      await assert.rejects(
        start(bad),
        (error: Error) => said.test(error.message) && !/hunter2|c2hv/.test(error.message),
      );
  });
});
