import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { settingsTable } from "../settings/table.ts";
import { exits } from "./dispatch.ts";

const main = fileURLToPath(import.meta.resolve("./main.ts"));
const index = JSON.stringify(import.meta.resolve("../index.ts"));

const pets = (color: string) => `
import { everyone, reply, route, service } from ${index};
export default service({
  name: "pets",
  version: "1.0.0",
  routes: [route("GET", "/color", { access: [everyone], handler: () => reply(200, ${JSON.stringify(color)}) })],
});
`;

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "cli-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

interface Running {
  readonly child: ChildProcess;
  output(): string;
  errors(): string;
  until(pattern: RegExp, from?: number): Promise<RegExpExecArray>;
  readonly ended: Promise<number | null>;
}

function rouage(
  t: TestContext,
  args: readonly string[],
  cwd: string,
  environment: Readonly<Record<string, string>> = {},
): Running {
  const child = spawn(process.execPath, [main, ...args], {
    cwd,
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  t.after(() => child.kill("SIGKILL"));
  let output = "";
  let errors = "";
  let wake = (): void => {};
  child.stdout?.on("data", (data) => {
    output += data;
    wake();
  });
  child.stderr?.on("data", (data) => {
    errors += data;
  });
  const ended = once(child, "close").then(([code]) => code as number | null);
  void ended.then(() => wake());
  return {
    child,
    output: () => output,
    errors: () => errors,
    ended,
    until: async (pattern, from = 0) => {
      for (;;) {
        const found = pattern.exec(output.slice(from));
        if (found !== null) return found;
        if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}: ${errors}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

async function ended(
  t: TestContext,
  args: readonly string[],
  cwd = tmpdir(),
  environment: Readonly<Record<string, string>> = {},
) {
  const run = rouage(t, args, cwd, environment);
  return { code: await run.ended, output: run.output(), errors: run.errors() };
}

const listening = /"url":"(http:[^"]+)\/"/;

describe("rouage start", () => {
  test("serves the file's service with settings from file, environment and flags, until SIGTERM", async (t) => {
    const path = folder(t);
    writeFileSync(join(path, "pets.ts"), pets("red"));
    writeFileSync(
      join(path, "pets.toml"),
      'storage = "memory:"\nlog_level = "warn"\nproject_docs = "https://docs.example"\n',
    );
    const run = rouage(
      t,
      ["start", "pets.ts", "--config", "pets.toml", "--port", "0", "--set", "log_level=info"],
      path,
      { PETS_PORT: "1", PETS_EOS_MESSAGE: "later" },
    );
    const [, origin] = await run.until(listening);
    assert.equal(await (await fetch(`${origin}/v1/color`)).text(), "red");
    assert.equal(
      ((await (await fetch(`${origin}/v1/`)).json()) as { project_docs: string }).project_docs,
      "https://docs.example",
    );
    run.child.kill("SIGTERM");
    assert.equal(await run.ended, exits.done);
    assert.match(run.output(), /"msg":"stopped"/);
  });

  test("a reader of the log that goes away neither ends the service nor keeps it from ending", async (t) => {
    const path = folder(t);
    writeFileSync(join(path, "pets.ts"), pets("red"));
    const run = rouage(t, ["start", "pets.ts", "--port", "0", "--set", "storage=memory:"], path);
    const [, origin] = await run.until(listening);
    run.child.stdout?.destroy();
    for (let n = 0; n < 3; n++) assert.equal(await (await fetch(`${origin}/v1/color`)).text(), "red");
    const exited = once(run.child, "exit");
    run.child.kill("SIGTERM");
    assert.equal((await exited)[0], exits.done);
  });

  test("a missing file, no file, two files and an unknown option are usage errors", async (t) => {
    for (const [args, message] of [
      [["start", "nowhere.ts"], /nowhere\.ts: no such file/],
      [["start", "."], /is not a file/],
      [["start"], /name the file/],
      [["start", "a.ts", "b.ts"], /one file is expected, not 2/],
      [["start", "a.ts", "--prot", "1"], /--prot/],
      [
        ["strat"],
        /no command strat, and no package strat-app is installed here; the commands are start, dev, openapi, client, dump, load, .*keys/,
      ],
    ] as const) {
      const { code, errors } = await ended(t, args);
      assert.equal(code, exits.usage, args.join(" "));
      assert.match(errors, message);
      assert.match(errors, /rouage --help/);
    }
  });

  test("a file without a service, a broken file, bad settings and a port in use say what is wrong", async (t) => {
    const path = folder(t);
    const write = (name: string, text: string) => writeFileSync(join(path, name), text);
    write("none.ts", "export const a = 1;");
    write("other.ts", "export default 1;");
    write("broken.ts", "export const a = ;");
    write("twice.ts", `import { service } from ${index}; export default service({ name: "Bad Name", version: "1" });`);
    write("pets.ts", pets("red"));
    const first = rouage(t, ["start", "pets.ts", "--port", "0", "--set", "storage=memory:"], path);
    const port = new URL((await first.until(listening))[1] ?? "").port;
    for (const [args, message] of [
      [["none.ts"], /none\.ts has no default export/],
      [["other.ts"], /was not made with service\(\)/],
      [["broken.ts"], /broken\.ts cannot be loaded[\s\S]*broken\.ts:1/],
      [["twice.ts"], /the name must be lower-case/],
      [
        ["pets.ts", "--set", "stroage=memory:"],
        / {2}stroage \(--set stroage\): unknown setting; did you mean storage\?/,
      ],
      [["pets.ts", "--port", "99999"], / {2}port \(--port\): expected integer from 0 to 65535/],
      [["pets.ts", "--set", "port=p"], / {2}port \(--set port\): expected integer/],
      [
        ["pets.ts", "--set", "storage=pets.db"],
        / {2}storage \(--set storage\): expected memory:, sqlite:PATH, postgres/,
      ],
      [["pets.ts", "--set", "storage=memory:", "--port", port], /in use by another process/],
    ] as const) {
      const { code, errors } = await ended(t, ["start", ...args], path);
      assert.equal(code, exits.failed, args.join(" "));
      assert.match(errors, message);
    }
  });
});

describe("rouage dev", () => {
  test("starts again when the file changes, and lets any user name sign in", async (t) => {
    const path = folder(t);
    writeFileSync(join(path, "pets.ts"), pets("red"));
    const run = rouage(t, ["dev", "pets.ts", "--port", "0", "--set", "storage=memory:"], path);
    const [, before] = await run.until(listening);
    assert.equal(await (await fetch(`${before}/v1/color`)).text(), "red");
    const headers = { authorization: `Basic ${Buffer.from("tom:x").toString("base64")}` };
    const hello = (await (await fetch(`${before}/v1/`, { headers })).json()) as { user: { id: string } };
    assert.equal(hello.user.id, "development:tom");
    const seen = run.output().length;
    writeFileSync(join(path, "pets.ts"), pets("blue"));
    const [, after] = await run.until(listening, seen);
    assert.equal(await (await fetch(`${after}/v1/color`)).text(), "blue");
    run.child.kill("SIGTERM");
    await run.ended;
    await assert.rejects(fetch(`${after}/v1/color`), "the watched process is gone as well");
  });
});

describe("rouage openapi", () => {
  test("writes the description to standard output or a file, without listening or storing", async (t) => {
    const path = folder(t);
    writeFileSync(join(path, "pets.ts"), pets("red"));
    const printed = await ended(t, ["openapi", "pets.ts"], path);
    assert.equal(printed.code, exits.done);
    assert.ok("/v1/color" in JSON.parse(printed.output).paths);
    const written = await ended(t, ["openapi", "pets.ts", "--out", "api.json"], path);
    assert.deepEqual([written.code, written.output], [exits.done, ""]);
    assert.equal(readFileSync(join(path, "api.json"), "utf8"), printed.output);
  });
});

describe("rouage keys", () => {
  test("makes, rotates and lists keys without showing any", async (t) => {
    const dir = folder(t);
    assert.equal((await ended(t, ["keys", "init", "--dir", dir, "--purpose", "tokens"])).code, exits.done);
    assert.equal(
      (await ended(t, ["keys", "rotate", "--dir", dir, "--purpose", "tokens", "--keep", "3600"])).code,
      exits.done,
    );
    const { output } = await ended(t, ["keys", "list", "--dir", dir]);
    const rows = output
      .trim()
      .split("\n")
      .map((line) => line.split("\t"));
    assert.deepEqual(
      rows.map(([purpose, , kind, state]) => [purpose, kind, state]),
      [
        ["tokens", "EdDSA", "verifying"],
        ["tokens", "EdDSA", "active"],
      ],
    );
    assert.doesNotMatch(output, /"d"|secret/);
  });

  test("needs to be told what and where", async (t) => {
    const dir = folder(t);
    for (const args of [
      ["keys"],
      ["keys", "list"],
      ["keys", "init", "--dir", dir],
      ["keys", "init", "--dir", dir, "--purpose", "a", "--kind", "rsa"],
      ["keys", "burn", "--dir", dir],
      ["keys", "rotate", "--dir", dir, "--purpose", "a", "--keep", "long"],
    ])
      assert.equal((await ended(t, args)).code, exits.usage, args.join(" "));
  });
});

test("--help names every command, option and setting", async (t) => {
  const { code, output } = await ended(t, ["--help"]);
  assert.equal(code, exits.done);
  for (const name of [
    "start",
    "dev",
    "openapi",
    "keys init",
    "--config",
    "--set",
    "--out",
    "_CONFIG",
    ...settingsTable().map(({ key }) => key),
  ])
    assert.ok(output.includes(name), name);
  assert.doesNotMatch(output, /\]\(/, "no links of Markdown on a terminal");
  assert.match(output, /Scaling\s+\(docs\/scaling\.md\)/);
  assert.equal((await ended(t, [])).code, exits.usage);
});
