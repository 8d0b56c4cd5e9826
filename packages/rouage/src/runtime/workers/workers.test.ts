import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { Agent } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ask, crowd, Unanswered } from "../asking.fixture.ts";
import { exitCodes } from "../signals.ts";

type Line = Readonly<Record<string, unknown>>;

interface Program {
  readonly child: ChildProcess;
  readonly origin: string;
  lines(): readonly Line[];
  errors(): string;
  /** The first line from `from` on that fits, waited for. */
  line(fits: (line: Line) => boolean, from?: number): Promise<Line>;
  readonly ended: Promise<number | null>;
}

function spawned(t: TestContext, environment: Readonly<Record<string, string>>): Program {
  const folder = mkdtempSync(join(tmpdir(), "workers-"));
  const child = spawn(process.execPath, [fileURLToPath(import.meta.resolve("./main.fixture.ts"))], {
    env: { ...process.env, SEVERAL_STORAGE: `sqlite:${join(folder, "several.db")}`, SEVERAL_PORT: "0", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let errors = "";
  child.stdout.on("data", (data: Buffer) => {
    output += data.toString();
  });
  child.stderr.on("data", (data: Buffer) => {
    errors += data.toString();
  });
  const ended = once(child, "close").then(([code]) => code as number | null);
  t.after(async () => {
    child.kill("SIGKILL");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  });
  const lines = (): readonly Line[] =>
    output
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  return {
    child,
    origin: "",
    lines,
    errors: () => errors,
    async line(fits, from = 0) {
      for (;;) {
        const found = lines().slice(from).find(fits);
        if (found !== undefined) return found;
        if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}: ${output}${errors}`);
        await Promise.race([once(child.stdout, "data"), ended]);
      }
    },
    ended,
  };
}

/** Keeps both workers from doing anything until they are released. */
async function block(
  t: TestContext,
  program: Program,
): Promise<{ readonly blocked: readonly Promise<{ readonly status: number }>[]; release(): void }> {
  const folder = mkdtempSync(join(tmpdir(), "workers-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const until = join(folder, "free");
  const blocked = [1, 2].map(() => ask(`${program.origin}/v1/block?until=${until}`));
  for (const answer of blocked) answer.catch(() => {});
  while (readdirSync(folder).length < 2) await new Promise(setImmediate);
  return { blocked, release: () => writeFileSync(until, "") };
}

async function started(t: TestContext, environment: Readonly<Record<string, string>> = {}): Promise<Program> {
  const program = spawned(t, { SEVERAL_WORKERS: "2", ...environment });
  const { url } = await program.line(({ msg }) => msg === "listening");
  await program.line(({ msg }) => msg === "all workers serve");
  return { ...program, origin: String(url).slice(0, -1) };
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Process ids by number, asked through connections of their own. */
async function workersOf({ origin }: Program, count = 2): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>();
  while (found.size < count) {
    const { number, pid } = JSON.parse((await ask(`${origin}/v1/who`)).body) as { number: string; pid: number };
    found.set(number, pid);
  }
  return found;
}

describe("several workers", () => {
  test("share the port evenly, and their log lines say who writes", async (t) => {
    const program = await started(t, { SEVERAL_WORKERS: "3" });
    const asked = new Map<string, number>();
    for (let n = 0; n < 30; n++) {
      const { number } = JSON.parse((await ask(`${program.origin}/v1/who`)).body) as { number: string };
      asked.set(number, (asked.get(number) ?? 0) + 1);
    }
    assert.deepEqual([...asked].sort(), [
      ["1", 10],
      ["2", 10],
      ["3", 10],
    ]);
    program.child.kill("SIGTERM");
    assert.equal(await program.ended, exitCodes.stopped);
    const summaries = program.lines().filter(({ msg }) => msg === "request.summary");
    assert.deepEqual(Object.keys(Object.groupBy(summaries, ({ worker }) => String(worker))).sort(), ["1", "2", "3"]);
    const listening = program.lines().filter(({ msg }) => msg === "listening");
    assert.deepEqual(listening.map(({ worker }) => worker).sort(), [1, 2, 3]);
    assert.equal(listening[0]?.worker, 1, "the first one starts alone");
  });

  test("one that is killed is started again while the other answers", async (t) => {
    const program = await started(t);
    const before = await workersOf(program);
    const from = program.lines().length;
    process.kill(before.get("2") ?? 0, "SIGKILL");
    const died = await program.line(({ msg }) => msg === "worker died, it is started again", from);
    assert.equal(died.of, 2);
    assert.equal(died.signal, "SIGKILL");
    assert.equal((await ask(`${program.origin}/v1/who`)).status, 200);
    await program.line(({ msg, worker }) => msg === "listening" && worker === 2, from);
    const after = await workersOf(program);
    assert.equal(after.get("1"), before.get("1"));
    assert.notEqual(after.get("2"), before.get("2"));
    assert.match((await ask(`${program.origin}/metrics`)).body, /^service_worker_restarts{.*worker="2"} 1$/m);
  });

  test("one that is told to end finishes what it has, and another takes its place", async (t) => {
    const program = await started(t);
    const from = program.lines().length;
    process.kill((await workersOf(program)).get("1") ?? 0, "SIGTERM");
    const ended = await program.line(({ msg }) => msg === "worker was ended, another takes its place", from);
    assert.equal(ended.exit, 0);
    await program.line(({ msg, worker }) => msg === "listening" && worker === 1, from);
  });

  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const)
    test(`${signal} under load cuts no request, and the program ends with code 0`, async (t) => {
      const program = await started(t);
      const agent = new Agent({ keepAlive: true });
      t.after(() => agent.destroy());
      let answered = 0;
      let toldToEnd = Number.POSITIVE_INFINITY;
      const cut: unknown[] = [];
      await Promise.all(
        Array.from({ length: 30 }, async () => {
          for (;;) {
            try {
              const { status, body } = await ask(`${program.origin}/v1/slow`, agent);
              if (status !== 200 || body !== '{"done":true}') cut.push({ status, body });
              answered++;
              if (answered === 200) {
                toldToEnd = performance.now();
                program.child.kill(signal);
              }
            } catch (error) {
              if (!(error instanceof Unanswered) || !error.isTooLate(toldToEnd)) cut.push(error);
              return;
            }
          }
        }),
      );
      assert.deepEqual(cut, []);
      assert.equal(await program.ended, exitCodes.stopped);
      const summaries = program.lines().filter(({ msg }) => msg === "request.summary");
      assert.equal(summaries.length, answered, "every answered request has its line in the log");
      assert.equal(program.lines().filter(({ msg }) => msg === "stopped").length, 3);
    });

  test("who was connected before SIGTERM is answered, also when all workers are busy for long", async (t) => {
    const program = await started(t);
    const { blocked, release } = await block(t, program);
    const connected = await crowd(program.origin, 60);
    const asked = connected.ask("/v1/who");
    program.child.kill("SIGTERM");
    await program.line(({ msg, worker }) => msg === "stopping" && worker === 0);
    release();
    assert.deepEqual(await asked, Array(60).fill(200));
    for (const answer of blocked) assert.equal((await answer).status, 200);
    assert.equal(await program.ended, exitCodes.stopped);
  });

  test("a signal that all processes of the group get ends them in order, whoever hears of it first", async (t) => {
    const program = await started(t);
    const pids = [...(await workersOf(program)).values()];
    const folder = mkdtempSync(join(tmpdir(), "workers-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const until = join(folder, "free");
    const running = [1, 2].map(() => ask(`${program.origin}/v1/slow?until=${until}`));
    const metric = 'service_requests_running{worker="1",service="several"} 1';
    while (!(await ask(`${program.origin}/metrics`)).body.includes(metric)) await new Promise(setImmediate);
    program.child.kill("SIGTERM");
    for (const number of [1, 2]) await program.line(({ msg, worker }) => msg === "stopping" && worker === number);
    for (const pid of pids) process.kill(pid, "SIGTERM");
    writeFileSync(until, "");
    for (const answer of running) assert.equal((await answer).status, 200);
    assert.equal(await program.ended, exitCodes.stopped);
  });

  test("who was connected and not taken by a worker yet is another's when it is killed", async (t) => {
    const program = await started(t);
    const pid = (await workersOf(program)).get("2") ?? 0;
    const { blocked, release } = await block(t, program);
    const connected = await crowd(program.origin, 20);
    const asked = connected.ask("/v1/who");
    process.kill(pid, "SIGKILL");
    await program.line(({ msg, of }) => msg === "worker died, it is started again" && of === 2);
    release();
    assert.deepEqual(await asked, Array(20).fill(200));
    const outcomes = await Promise.allSettled(blocked);
    assert.deepEqual(
      outcomes.map(({ status }) => status).sort(),
      ["fulfilled", "rejected"],
      "what it had begun is cut",
    );
  });

  test("connections wait while the only two workers are replaced", async (t) => {
    const program = await started(t);
    const from = program.lines().length;
    for (const pid of (await workersOf(program)).values()) process.kill(pid, "SIGKILL");
    for (const number of [1, 2])
      await program.line(({ msg, of }) => msg === "worker died, it is started again" && of === number, from);
    assert.deepEqual(await (await crowd(program.origin, 20)).ask("/v1/who"), Array(20).fill(200));
  });

  test("a request that does not arrive in time is refused, as in one process", async (t) => {
    const program = await started(t, { SEVERAL_REQUEST_TIMEOUT_SECONDS: "1" });
    const socket = connect(Number(new URL(program.origin).port), "127.0.0.1");
    t.after(() => socket.destroy());
    socket.write("GET /v1/who HTTP/1.1\r\nhost: x\r\n");
    const [answer] = await once(socket.setEncoding("latin1"), "data");
    assert.match(answer, /^HTTP\/1\.1 408 /);
  });

  test("a second signal ends all of them at once", async (t) => {
    const program = await started(t);
    const pids = [...(await workersOf(program)).values()];
    const waiting = ask(`${program.origin}/v1/wait`).catch((error: unknown) => error);
    program.child.kill("SIGTERM");
    await program.line(({ msg, worker }) => msg === "stopping" && worker !== 0);
    program.child.kill("SIGTERM");
    assert.equal(await program.ended, exitCodes.forced);
    for (const pid of pids) while (isRunning(pid)) await new Promise(setImmediate);
    await waiting;
  });

  test("end in order when their supervisor is killed", async (t) => {
    const program = await started(t);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    // Its connection is a worker's from here on.
    await ask(`${program.origin}/v1/who`, agent);
    const slow = ask(`${program.origin}/v1/slow`, agent);
    program.child.kill("SIGKILL");
    assert.equal((await slow).status, 200);
    await program.ended;
    const last = program.lines().filter(({ msg }) => msg === "stopped");
    assert.deepEqual(last.map(({ worker }) => worker).sort(), [1, 2]);
    assert.ok(program.lines().some(({ reason }) => reason === "the supervisor is gone"));
  });

  test("whichever is asked for metrics answers those of all", async (t) => {
    const program = await started(t, { SEVERAL_METRICS_PORT: "0" });
    await workersOf(program);
    const url = String(program.lines().find(({ msg }) => msg === "listening")?.metrics_url);
    for (let n = 0; n < 4; n++) {
      const { body } = await ask(url);
      for (const worker of [1, 2])
        assert.match(
          body,
          new RegExp(`^rouage_handler_called_total{worker="${worker}",.*handler="GET /who".*} [1-9]`, "m"),
        );
      assert.match(body, /^service_workers_serving{service="several"} 2$/m);
      assert.equal(body.match(/^# TYPE rouage_handler_called_total /gm)?.length, 1);
    }
  });

  test("count together what a caller may ask: their cache is one", async (t) => {
    const program = await started(t, { SEVERAL_RATE_LIMIT: "10/3600" });
    const statuses: number[] = [];
    for (let n = 0; n < 14; n++) statuses.push((await ask(`${program.origin}/v1/who`)).status);
    assert.equal(statuses.filter((status) => status === 200).length, 10);
    assert.equal(statuses.filter((status) => status === 429).length, 4);
  });

  test("what keeps the first from starting is said once, and is the end", async (t) => {
    for (const environment of [{ SEVERAL_STORAGE: "memory:" }, { SEVERAL_HOST: "192.0.2.1" }]) {
      const program = spawned(t, { SEVERAL_WORKERS: "3", ...environment });
      assert.equal(await program.ended, exitCodes.failed);
      assert.equal(
        program.errors().match(/Error: .*(memory: is in one process alone|is no address of this machine)/g)?.length,
        1,
      );
    }
  });

  test("one that never comes to serve is given up in the end, and the others end in order", async (t) => {
    const program = spawned(t, { SEVERAL_WORKERS: "2", BROKEN_WORKER: "2" });
    assert.equal(await program.ended, exitCodes.failed);
    const died = program.lines().filter(({ msg }) => msg === "worker died, it is started again");
    assert.deepEqual(
      died.map(({ of, exit, again_in_ms }) => ({ of, exit, again_in_ms })),
      [0, 500, 1000, 2000, 4000].map((again_in_ms) => ({ of: 2, exit: 7, again_in_ms })),
    );
    assert.ok(program.lines().some(({ level, of }) => level === "fatal" && of === 2));
    assert.ok(program.lines().some(({ msg, worker }) => msg === "stopped" && worker === 1));
  });

  test("one process needs no supervisor", async (t) => {
    const program = spawned(t, { SEVERAL_WORKERS: "1" });
    const listening = await program.line(({ msg }) => msg === "listening");
    assert.equal(listening.pid, program.child.pid);
    assert.equal(listening.worker, undefined);
  });
});
