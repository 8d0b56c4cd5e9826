/** What a command says of a store that cannot be opened: one or two lines for who runs it, no stack, no password, no text for clients. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { main, peopleService } from "./people.fixture.ts";

const run = promisify(execFile);

for (const [what, url, message] of [
  [
    "a PostgreSQL that is down",
    "postgres://ann:s3cret@127.0.0.1:1/shop",
    /^rouage: no connection to the database: connect ECONNREFUSED 127\.0\.0\.1:1\n$/,
  ],
  [
    "a MongoDB that is down",
    "mongodb://127.0.0.1:1/shop?connect_timeout=1",
    /^rouage: no connection to the database: connect ECONNREFUSED 127\.0\.0\.1:1\n$/,
  ],
  [
    "a URL that the driver of MongoDB cannot read",
    "mongodb://ann:s3:cret@127.0.0.1/shop",
    /^rouage: storage: Password contains unescaped characters; special characters .* are written as %40 \(@\)/,
  ],
  ["a file of something else", "sqlite:people.ts", /^rouage: the storage file people\.ts cannot be opened: .*\n$/],
] as const) {
  test(`${what}: start and verify say what is wrong`, async (t) => {
    const path = mkdtempSync(join(tmpdir(), "wrong-store-"));
    t.after(() => rmSync(path, { recursive: true, force: true }));
    writeFileSync(join(path, "people.ts"), peopleService(""));
    for (const args of [
      ["start", "people.ts", "--port", "0", "--set", `storage=${url}`],
      ["verify", url],
    ] as const) {
      const { code, stderr } = await run(process.execPath, [main, ...args], { cwd: path }).then(
        ({ stderr }) => ({ code: 0, stderr }),
        ({ code, stderr }) => ({ code, stderr }),
      );
      assert.equal(code, 1, args[0]);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /\n\s+at |s3|retry later/);
    }
  });
}
