import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Type } from "typebox";
import type { AuthenticationPolicy } from "../auth/policy.ts";
import { type Consumer, consume } from "../bus/consumer.ts";
import { ServiceError } from "../errors.ts";
import { everyone } from "../operations/access.ts";
import { anonymous } from "../principal.ts";
import { resource } from "../resource.ts";
import { service } from "../service.ts";
import { silentLogger } from "./log.ts";
import { metricList } from "./metric-list.ts";
import { createMetrics } from "./registry.ts";
import { statsdName } from "./statsd-lines.ts";

const kittens = resource("kittens", {
  schema: Type.Object({ name: Type.String() }),
  access: { create: [everyone], read: [everyone], write: [everyone] },
});

const policy: AuthenticationPolicy = {
  name: "named",
  securityScheme: { type: "http", scheme: "named" },
  authenticate(request) {
    const name = request.header("authorization");
    if (name === "broken") throw new Error("broken");
    if (name === "bad") throw new ServiceError("invalid-credentials");
    return name === undefined ? undefined : { ...anonymous, id: name, policy: "named" };
  },
};

/** Consumes the log of the service it is a task of. */
const consumer: Consumer = {
  name: "reader",
  start: (host) => consume({ name: "reader", source: host.storage, resources: ["kittens"], handle() {} }).start(host),
};

test("the list has every metric that a complete service makes, as it makes it, and no other", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "metrics-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const metrics = createMetrics({ service: "kittens" });
  const running = await service({
    name: "kittens",
    version: "1",
    resources: [kittens],
    authentication: [policy],
    tasks: [consumer],
  }).start({
    log: silentLogger,
    metrics,
    settings: {
      storage: `sqlite:${join(folder, "kittens.db")}`,
      statsd_url: "udp://127.0.0.1:9",
      webhooks: [{ name: "audit", url: "http://127.0.0.1:9/", secret: `whsec_${"A".repeat(32)}` }],
    },
  });
  t.after(() => running.stop());
  const made = new Map<string, string>();
  for (const [, kind, name, text] of running.metrics().matchAll(/^# (HELP|TYPE) (\S+) (.*)$/gm))
    made.set(`${kind} ${name}`, text ?? "");
  const listed = new Map(
    metricList.flatMap(({ name, help, type }) => [
      [`HELP ${name}`, help],
      [`TYPE ${name}`, type],
    ]),
  );
  assert.deepEqual(new Map([...made].sort()), new Map([...listed].sort()));
  for (const { name, series } of metrics.collect())
    for (const { labels } of series)
      assert.deepEqual(
        Object.keys(labels).sort(),
        [...(metricList.find((metric) => metric.name === name)?.labels ?? []), "service"].sort(),
        name,
      );
});

test("commits of SQLite say how many writes shared one transaction", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "metrics-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const running = await service({ name: "kittens", version: "1", resources: [kittens] }).start({
    log: silentLogger,
    settings: { storage: `sqlite:${join(folder, "kittens.db")}` },
  });
  t.after(() => running.stop());
  const sum = () => Number(/^storage_group_writes_sum{[^}]*} (\d+)$/m.exec(running.metrics())?.[1]);
  const groups = () => Number(/^storage_group_writes_count{[^}]*} (\d+)$/m.exec(running.metrics())?.[1]);
  const [writesBefore, groupsBefore] = [sum(), groups()];
  await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      running.storage.commit([
        { kind: "put", key: { resource: "kittens", parent: "", id: `k${n}` }, body: "{}", expect: { kind: "any" } },
      ]),
    ),
  );
  assert.equal(sum() - writesBefore, 20);
  assert.ok(groups() - groupsBefore < 20, "not each in one of its own");
});

test("T2 authentication counts who was accepted, who was refused, and what failed", async (t) => {
  const running = await service({
    name: "kittens",
    version: "1",
    resources: [kittens],
    authentication: [policy],
  }).start({ log: silentLogger, settings: { storage: "memory:" } });
  t.after(() => running.stop());
  for (const authorization of ["alice", "bob", "bad", "broken", undefined]) {
    const headers = authorization === undefined ? new Headers() : new Headers({ authorization });
    await running.fetch(new Request("http://local/v1/kittens", { headers }));
  }
  for (const [outcome, count] of Object.entries({ accepted: 2, refused: 1, failed: 1 }))
    assert.match(
      running.metrics(),
      new RegExp(`^authentication_total{outcome="${outcome}",policy="named",service="kittens"} ${count}$`, "m"),
    );
});

test("docs/telemetry.md has the list as it is; UPDATE_DOCS=1 writes it there", () => {
  const path = fileURLToPath(new URL("../../../../docs/telemetry.md", import.meta.url));
  const page = readFileSync(path, "utf8");
  const updated = page.replace(
    /(<!-- rouage metrics:[^\n]*-->\n)[\s\S]*?(<!-- end -->)/,
    (_, start: string, end: string) => `${start}${table()}\n${end}`,
  );
  assert.ok(updated.includes(table()), "the page has a place for the list");
  if (process.env.UPDATE_DOCS === "1") writeFileSync(path, updated);
  else assert.equal(page, updated);
});

function table(): string {
  const rows = metricList.map(({ name, type, unit, labels, help, otlp }) => {
    const example = Object.fromEntries(labels.map((label) => [label, label.toUpperCase()]));
    const statsd = statsdName("", name, example).slice(1);
    const shown = labels.length === 0 ? "" : labels.map((label) => `\`${label}\``).join(", ");
    return `| \`${name}\` | ${type} | ${unit} | ${shown} | \`${otlp}\` | \`${statsd}\` | ${help} |`;
  });
  return [
    "| Prometheus | type | unit | labels | OpenTelemetry | StatsD | meaning |",
    "|---|---|---|---|---|---|---|",
    ...rows,
  ].join("\n");
}
