import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { Agent } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ask, Unanswered } from "./asking.fixture.ts";
import { exitCodes } from "./signals.ts";

interface Main {
  readonly child: ChildProcess;
  readonly origin: string;
  lines(): readonly Readonly<Record<string, unknown>>[];
  /** Exit code, once it has ended. */
  readonly ended: Promise<number | null>;
}

async function start(t: TestContext, environment: Readonly<Record<string, string>> = {}): Promise<Main> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.resolve("./main.fixture.ts"))], {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  let output = "";
  const listening = Promise.withResolvers<string>();
  child.stdout?.on("data", (data: Buffer) => {
    output += data.toString();
    const origin = /"url":"(http:[^"]+)\/"/.exec(output)?.[1];
    if (origin !== undefined) listening.resolve(origin);
  });
  const ended = once(child, "close").then(([code]) => code as number | null);
  return {
    child,
    origin: await listening.promise,
    lines: () =>
      output
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ended,
  };
}

describe("profiles of a main program", () => {
  test("SIGUSR2 writes where the time goes and what allocates, and requests go on", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "profiles-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const main = await start(t, {
      ...{ BREAKING_PROFILER_ENABLED: "true", BREAKING_PROFILER_DIR: folder, BREAKING_PROFILER_SECONDS: "1" },
    });
    main.child.kill("SIGUSR2");
    const agent = new Agent();
    t.after(() => agent.destroy());
    assert.equal((await ask(`${main.origin}/v1/slow`, agent)).status, 200);
    while (main.lines().filter(({ msg }) => msg === "profile written").length < 2)
      await once(main.child.stdout ?? main.child, "data");
    assert.deepEqual(
      readdirSync(folder)
        .map((name) => name.split(".").at(-1))
        .sort(),
      ["cpuprofile", "heapprofile"],
    );
  });

  test("the metrics port gives them to who has the token; the public port never does", async (t) => {
    const token = "token-of-the-operator";
    const main = await start(t, {
      ...{ BREAKING_PROFILER_ENABLED: "true", BREAKING_PROFILER_TOKEN: token, BREAKING_METRICS_PORT: "0" },
    });
    const metrics = main.lines().find(({ msg }) => msg === "listening")?.metrics_url as string;
    const post = (origin: string, authorization: string) =>
      fetch(new URL("/profile/heap?seconds=1", origin), { method: "POST", headers: { authorization } });
    const answer = await post(metrics, `Bearer ${token}`);
    assert.equal(answer.status, 200);
    assert.ok("head" in ((await answer.json()) as object));
    assert.equal((await post(metrics, "Bearer something-else-of-that-length")).status, 401);
    assert.equal((await post(main.origin, `Bearer ${token}`)).status, 404);
    const off = await start(t, { BREAKING_PROFILER_TOKEN: token, BREAKING_METRICS_PORT: "0" });
    const url = off.lines().find(({ msg }) => msg === "listening")?.metrics_url as string;
    assert.equal((await post(url, `Bearer ${token}`)).status, 404);
  });
});

describe("a main program", () => {
  test("SIGTERM under load cuts no request, and the program ends with code 0", async (t) => {
    const main = await start(t);
    const agent = new Agent({ keepAlive: true });
    t.after(() => agent.destroy());
    let answered = 0;
    let toldToEnd = Number.POSITIVE_INFINITY;
    const cut: unknown[] = [];
    const loads = Array.from({ length: 30 }, async () => {
      for (;;) {
        try {
          const { status, body } = await ask(`${main.origin}/v1/slow`, agent);
          if (status !== 200 || body !== '{"done":true}') cut.push({ status, body });
          answered++;
          if (answered === 200) {
            toldToEnd = performance.now();
            main.child.kill("SIGTERM");
          }
        } catch (error) {
          if (!(error instanceof Unanswered) || !error.isTooLate(toldToEnd)) cut.push(error);
          return;
        }
      }
    });
    await Promise.all(loads);
    assert.deepEqual(cut, []);
    assert.ok(answered >= 200);
    assert.equal(await main.ended, exitCodes.stopped);
    const summaries = main.lines().filter(({ msg }) => msg === "request.summary");
    assert.equal(summaries.length, answered, "every answered request has its line in the log");
    assert.equal(main.lines().at(-1)?.msg, "stopped");
  });

  test("readiness fails first while requests are still answered, for as long as drain_seconds says", async (t) => {
    const main = await start(t, { BREAKING_DRAIN_SECONDS: "30" });
    assert.equal((await fetch(`${main.origin}/readyz`)).status, 200);
    main.child.kill("SIGTERM");
    while ((await fetch(`${main.origin}/readyz`)).status === 200);
    assert.equal((await fetch(`${main.origin}/v1/slow?ms=1`)).status, 200);
    assert.equal((await fetch(`${main.origin}/livez`)).status, 200);
  });

  test("a second signal ends the program at once", async (t) => {
    const main = await start(t);
    void fetch(`${main.origin}/v1/slow?ms=14000`).catch(() => {});
    while (
      !(await (await fetch(`${main.origin}/metrics`)).text()).includes('service_requests_running{service="breaking"} 1')
    );
    main.child.kill("SIGINT");
    while (
      await fetch(`${main.origin}/livez`, { headers: { connection: "close" } }).then(
        () => true,
        () => false,
      )
    );
    main.child.kill("SIGINT");
    assert.equal(await main.ended, exitCodes.forced);
  });

  test("a rejection that nobody handles is logged and the program lives", async (t) => {
    const main = await start(t);
    assert.equal((await fetch(`${main.origin}/v1/reject`)).status, 200);
    assert.equal((await fetch(`${main.origin}/v1/slow?ms=1`)).status, 200);
    main.child.kill("SIGTERM");
    assert.equal(await main.ended, exitCodes.stopped);
    const line = main.lines().find(({ msg }) => msg === "unhandled rejection");
    assert.equal(line?.level, "error");
    assert.match(JSON.stringify(line), /nobody waits for this/);
  });

  test("an exception that nobody caught is logged as fatal, requests under way finish, the code is 1", async (t) => {
    const main = await start(t);
    const slow = fetch(`${main.origin}/v1/slow?ms=300`);
    while (
      !(await (await fetch(`${main.origin}/metrics`)).text()).includes('service_requests_running{service="breaking"} 1')
    );
    await fetch(`${main.origin}/v1/break`);
    assert.equal((await slow).status, 200);
    assert.equal(await main.ended, exitCodes.failed);
    assert.match(JSON.stringify(main.lines().find(({ level }) => level === "fatal")), /broken for good/);
  });

  test("metrics can have a port of their own", async (t) => {
    const main = await start(t, { BREAKING_METRICS_PORT: "0" });
    assert.equal((await fetch(`${main.origin}/metrics`, { redirect: "manual" })).status, 307);
    assert.equal((await fetch(`${main.origin}/v1/metrics`)).status, 404);
    const url = String(main.lines().find(({ msg }) => msg === "listening")?.metrics_url);
    const metrics = await fetch(url);
    assert.match(await metrics.text(), /^process_uptime_seconds /m);
    assert.equal((await fetch(new URL("/v1/slow", url))).status, 404);
  });
});
