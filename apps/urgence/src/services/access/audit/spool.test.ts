import assert from "node:assert/strict";
import { appendFile, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { temporaryFolder } from "../../../shared/test-callers.ts";
import { draft, testKeys } from "../testing.ts";
import type { AuditDraft } from "./entry.ts";
import { auditSigner, auditVerifier } from "./signer.ts";
import { openSpool } from "./spool.ts";

const keys = testKeys();
const tools = { sign: auditSigner(keys), verify: auditVerifier(keys.jwks()) };

async function setUp() {
  const temporary = await temporaryFolder();
  const folder = join(temporary.path, "spool");
  const spool = await openSpool({ folder, ...tools });
  /** The file that lines are appended to, once there is one. */
  const file = async () =>
    join(folder, (await readdir(folder)).find((name) => name.startsWith("audit-spool-")) ?? assert.fail("no file"));
  return { temporary, folder, file, spool };
}

function collector() {
  const taken: AuditDraft[] = [];
  return { taken, take: async (one: AuditDraft) => void taken.push(one) };
}

describe("the audit spool", () => {
  test("is a folder and a file that only this user may read", async () => {
    const { temporary, folder, file, spool } = await setUp();
    await using _ = temporary;
    await spool.append(draft(1));
    assert.equal((await stat(folder)).mode & 0o777, 0o700);
    assert.equal((await stat(await file())).mode & 0o777, 0o600);
    await spool.close();
  });

  test("hands over what waits, in order, once, and leaves nothing behind", async () => {
    const { temporary, folder, spool } = await setUp();
    await using _ = temporary;
    await Promise.all([spool.append(draft(1)), spool.append(draft(2)), spool.append(draft(3))]);
    assert.ok(spool.waiting());
    const { taken, take } = collector();
    assert.deepEqual(await spool.drain(take), { drained: 3, rejected: 0 });
    assert.deepEqual(taken, [draft(1), draft(2), draft(3)]);
    assert.deepEqual(await spool.drain(take), { drained: 0, rejected: 0 });
    assert.deepEqual(await readdir(folder), []);
    assert.ok(!spool.waiting());
    await spool.close();
  });

  test("keeps everything when the store still fails", async () => {
    const { temporary, spool } = await setUp();
    await using _ = temporary;
    await spool.append(draft(1));
    await assert.rejects(spool.drain(() => Promise.reject(new Error("still failing"))));
    assert.ok(spool.waiting());
    await spool.append(draft(2));
    const { taken, take } = collector();
    await spool.drain(take);
    assert.deepEqual(taken, [draft(1), draft(2)]);
    await spool.close();
  });

  test("survives the end of the process; a torn last line was never acknowledged", async () => {
    const { temporary, folder, file, spool } = await setUp();
    await using _ = temporary;
    await spool.append(draft(1));
    await spool.close();
    await appendFile(await file(), '{"kind":"spool","draft":{"aud');
    const again = await openSpool({ folder, ...tools });
    assert.ok(again.waiting());
    await again.append(draft(2));
    const { taken, take } = collector();
    assert.deepEqual(await again.drain(take), { drained: 2, rejected: 0 });
    assert.deepEqual(taken, [draft(1), draft(2)]);
    await again.close();
  });

  test("two processes in one folder: each drains its own, and nothing is lost when one takes over what the other writes", async () => {
    const { temporary, folder, spool } = await setUp();
    await using _ = temporary;
    const other = await openSpool({ folder, ...tools });
    await spool.append(draft(1));
    await other.append(draft(2));
    const { taken, take } = collector();
    await other.drain(take);
    assert.deepEqual(taken.splice(0), [draft(2)], "the other's file is left alone");
    await other.adopt();
    await spool.append(draft(3));
    await other.drain(take);
    // The line that came just then may be handed over twice, but not never.
    assert.deepEqual(taken.splice(0)[0], draft(1));
    await spool.drain(take);
    assert.deepEqual(taken.splice(0), [draft(3)]);
    const appended = Array.from({ length: 200 }, (_, n) => spool.append(draft(n)));
    const both = (async () => {
      for (let turn = 0; turn < 30; turn++) {
        await other.adopt();
        await other.drain(take);
      }
    })();
    await Promise.all([...appended, both]);
    await spool.drain(take);
    assert.deepEqual(new Set(taken.map(({ audit }) => audit)).size, 200);
    assert.deepEqual(await readdir(folder), []);
    await spool.close();
    await other.close();
  });

  for (const [what, alter, drained] of [
    ["an altered line", (lines: string[]) => [lines[0], lines[1]?.replace("unconscious", "curiosity"), lines[2]], 2],
    ["a removed line", (lines: string[]) => [lines[0], lines[2]], 2],
    ["a line of another's making", (lines: string[]) => [...lines, '{"kind":"spool","previous":"","draft":{}}'], 3],
    ["a line that is no JSON", (lines: string[]) => ["}{", ...lines], 3],
  ] as const)
    test(`shows ${what} and keeps the file`, async () => {
      const { temporary, folder, file, spool } = await setUp();
      await using _ = temporary;
      for (const number of [1, 2, 3]) await spool.append(draft(number));
      const path = await file();
      const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
      await writeFile(path, `${alter(lines).join("\n")}\n`);
      const { take } = collector();
      const report = await spool.drain(take);
      assert.equal(report.drained, drained);
      assert.ok(report.rejected > 0);
      assert.ok((await readdir(folder)).some((name) => name.endsWith(".rejected")));
      await spool.close();
    });
});
