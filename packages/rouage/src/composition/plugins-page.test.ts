import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Type } from "typebox";
import { everyone } from "../operations/access.ts";
import { anonymous } from "../principal.ts";
import { resource } from "../resource.ts";
import { type Plugin, service } from "../service.ts";
import { silentLogger } from "../telemetry/log.ts";

const root = new URL("../../../../", import.meta.url);

/** The plugin as the page shows it, as a program of its own. */
async function shown(folder: string): Promise<(title: string) => Plugin> {
  const page = readFileSync(new URL("docs/plugins.md", root), "utf8");
  const code = /```ts\n(\/\/ journal\.ts\n[\s\S]*?)```/.exec(page)?.[1] ?? assert.fail("the page has no example");
  symlinkSync(fileURLToPath(new URL("node_modules", root)), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  writeFileSync(join(folder, "journal.ts"), code);
  const module = await import(pathToFileURL(join(folder, "journal.ts")).href);
  return module.journal;
}

test("the plugin of docs/plugins.md does what the page says", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "plugin-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const journal = await shown(folder);
  const kittens = resource("kittens", {
    schema: Type.Object({ name: Type.String() }),
    access: { create: [everyone], read: [everyone], write: [everyone] },
  });
  const running = await service({
    name: "cattery",
    version: "1.0.0",
    resources: [kittens],
    plugins: [journal("Our cats")],
    authentication: [
      {
        name: "test",
        securityScheme: { type: "http", scheme: "test" },
        authenticate: (request) => {
          const id = request.header("authorization");
          return id === undefined ? undefined : { ...anonymous, id, policy: "test" };
        },
      },
    ],
  }).start({ log: silentLogger, settings: { storage: "memory:" } });
  t.after(() => running.stop(0));
  // biome-ignore lint/suspicious/noExplicitAny: looks into answers whose shape it asserts
  const call = async (method: string, path: string, body?: object): Promise<any> => {
    const response = await running.fetch(
      new Request(`http://local${path}`, {
        method,
        headers: { authorization: "ann", "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    );
    assert.equal(response.headers.get("x-journal"), "Our cats");
    return response.json();
  };

  const { data } = await call("POST", "/v1/cats", { data: { name: "Tom" } });
  await call("PATCH", `/v1/kittens/${data.id}`, { data: { name: "Tim" } });
  const { title, entries } = await call("GET", `/v1/journal-of/${data.id}`);
  assert.equal(title, "Our cats");
  assert.deepEqual(
    entries.map(({ action, by }: { action: string; by: string }) => [action, by]),
    [
      ["patch", "ann"],
      ["create", "ann"],
    ],
  );
  const hello = await call("GET", "/v1/");
  assert.equal(hello.settings.journal_title, "Our cats");
  assert.equal(hello.user.journal_entries, 2);
  assert.ok("journal" in hello.capabilities);
});
