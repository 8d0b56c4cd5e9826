/** The program as operators run it: its start, its end, its command line. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { durableStorage, serverKinds } from "../../../scripts/test-stores.ts";
import { clientOf } from "./support/kinto-http.ts";
import { runProcess, startProcess, storeFor, toolkitCli } from "./support/process.ts";

async function inFolder(run: (folder: string, ini: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "kinto-process-"));
  try {
    await using store = await storeFor(folder);
    await run(folder, usual.replace("STORE", store.line));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Resolves with the milliseconds after which the port could be listened on. */
async function freed(port: number): Promise<number> {
  const start = performance.now();
  while (true) {
    const isFree = await new Promise<boolean>((resolve) => {
      const server = createServer();
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (isFree) return performance.now() - start;
    if (performance.now() - start > 10_000) throw new Error("the port was never free");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const usual = `
[server:main]
use = egg:waitress#main
host = 127.0.0.1
port = 0

[app:main]
use = egg:kinto
kinto.includes = kinto.plugins.accounts
    kinto.plugins.default_bucket
STORE
kinto.permission_backend = kinto.core.permission.memory
kinto.userid_hmac_secret = aea10d8733
kinto.account_create_principals = system.Everyone
multiauth.policies = account basicauth
multiauth.policy.account.use = kinto.plugins.accounts.authentication.AccountsAuthenticationPolicy

[loggers]
keys = root
`;

test("starts from an existing file, answers within two seconds, and frees its port within 300 ms of SIGTERM", () =>
  inFolder(async (folder, ini) => {
    await writeFile(join(folder, "kinto.ini"), ini);
    const started = await startProcess(["kinto.ini"], { folder });
    try {
      // A server has a schema to make first.
      const most = serverKinds.includes(durableStorage) ? 4000 : 2000;
      assert.ok(started.milliseconds < most, `${started.milliseconds} ms`);
      const client = clientOf(started.remote, "alice");
      await client.createBucket("kept");
      // The client's connection stays open: idle, not gone.
      started.child.kill("SIGTERM");
      const milliseconds = await freed(started.port);
      assert.ok(milliseconds < 300, `${milliseconds} ms`);
    } finally {
      assert.equal(await started.end(), 0);
    }
    assert.deepEqual(
      started.lines.filter(({ level }) => level === "warn"),
      [],
    );

    const again = await startProcess(["start", "--ini", "kinto.ini"], { folder });
    try {
      assert.deepEqual(
        (await clientOf(again.remote, "alice").listBuckets()).data.map(({ id }) => id),
        ["kept"],
      );
    } finally {
      await again.end();
    }
  }));

test("starts without a file: a store in data-kinto with a secret of its own, accounts, and no other sign-in", () =>
  inFolder(async (folder) => {
    const started = await startProcess(["--port", "0"], { folder });
    let bucket: string | undefined;
    try {
      await clientOf(started.remote).createAccount("bob", "correct horse battery");
      const bob = clientOf(started.remote, "bob:correct horse battery");
      await bob.createBucket("b");
      bucket = (await bob.fetchUser())?.bucket;
      await assert.rejects(clientOf(started.remote, "alice").createBucket("c"), /401/);
      assert.ok(existsSync(join(folder, "data-kinto/kinto.db")));
      assert.equal((await stat(join(folder, "data-kinto/kinto.db.secret"))).mode & 0o777, 0o600);
      assert.deepEqual(
        started.lines.filter(({ level }) => level === "warn"),
        [],
      );
    } finally {
      assert.equal(await started.end(), 0);
    }
    const again = await startProcess(["--port", "0"], { folder });
    try {
      const user = await clientOf(again.remote, "bob:correct horse battery").fetchUser();
      assert.ok(bucket !== undefined && user?.bucket === bucket, "the default bucket is the same after a restart");
    } finally {
      await again.end();
    }
    const other = join(folder, "other");
    await mkdir(other);
    const elsewhere = await startProcess(["--port", "0"], { folder: other });
    try {
      await clientOf(elsewhere.remote).createAccount("bob", "correct horse battery");
      assert.notEqual((await clientOf(elsewhere.remote, "bob:correct horse battery").fetchUser())?.bucket, bucket);
    } finally {
      await elsewhere.end();
    }
  }));

test("trap: the environment overrides the file, and flags override both", () =>
  inFolder(async (folder, ini) => {
    await writeFile(join(folder, "kinto.ini"), ini.replace("port = 0", "port = 1"));
    const environment = {
      KINTO_INI: join(folder, "kinto.ini"),
      KINTO_STORAGE_URL: "memory:",
      KINTO_PROJECT_NAME: '"my shelf"',
      KINTO_PAGINATE_BY: "3",
    };
    const started = await startProcess(["--port", "0"], { folder, environment });
    try {
      const client = clientOf(started.remote, "alice");
      assert.equal((await client.fetchServerInfo()).project_name, "my shelf");
      for (const id of ["a", "b", "c", "d"]) await client.createBucket(id);
      assert.equal((await client.listBuckets()).data.length, 3);
      assert.ok(!existsSync(join(folder, "kinto.db")));
    } finally {
      await started.end();
    }
  }));

test("create-user makes an account beside the service, and gives it another password", () =>
  inFolder(async (folder, ini) => {
    await writeFile(join(folder, "kinto.ini"), ini);
    const made = await runProcess(["create-user", "kinto.ini", "-u", "admin", "-p", "correct horse"], { folder });
    assert.deepEqual(made, { code: 0, output: "account admin created\n", errors: "" });
    const environment = { KINTO_PASSWORD: "battery staple" };
    const changed = await runProcess(["create-user", "kinto.ini", "-u", "admin"], { folder, environment });
    assert.deepEqual(changed, { code: 0, output: "account admin has the new password\n", errors: "" });
    const started = await startProcess(["kinto.ini"], { folder });
    try {
      assert.equal((await clientOf(started.remote, "admin:battery staple").fetchUser())?.id, "account:admin");
      assert.notEqual((await clientOf(started.remote, "admin:correct horse").fetchUser())?.id, "account:admin");
    } finally {
      await started.end();
    }
    const without = await runProcess(["create-user", "kinto.ini"], { folder });
    assert.equal(without.code, 2);
    assert.match(without.errors, /--username .*is required/);
  }));

test("says what is wrong with how it was called, and what it is", () =>
  inFolder(async (folder) => {
    assert.match((await runProcess(["--version"], { folder })).output, /^\d+\.\d+\.\d+\n$/);
    assert.match((await runProcess(["--help"], { folder })).output, /create-user/);
    for (const [args, said] of [
      [["nowhere.ini"], /no such file/],
      [["a.ini", "b.ini"], /one file of settings is expected/],
      [["--colour", "blue"], /--colour/],
    ] as const) {
      const { code, errors } = await runProcess(args, { folder });
      assert.equal(code, 2);
      assert.match(errors, said);
      assert.doesNotMatch(errors, /\n\s+at /, "no stack");
    }
  }));

test("is a command of the toolkit where it is installed", () =>
  inFolder(async (folder) => {
    const started = await startProcess(["kinto", "--port", "0"], { folder, command: toolkitCli });
    try {
      assert.equal((await clientOf(started.remote).fetchServerInfo()).project_name, "kinto");
    } finally {
      assert.equal(await started.end(), 0);
    }
    const { code, errors } = await runProcess(["otter"], { folder, command: toolkitCli });
    assert.equal(code, 2);
    assert.match(errors, /no command otter, and no package otter-app is installed/);
  }));
