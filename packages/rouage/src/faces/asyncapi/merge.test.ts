import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { compose } from "../../compose.ts";
import { resource } from "../../resource.ts";
import { service } from "../../service.ts";

const schema = Type.Object({});
const settings = { storage: "memory:", log_level: "silent" };

test("a door describes the streams of all its services, also of lists that are called alike", async (t) => {
  const start = async (name: string, path: string) =>
    service({ name, version: "1.0.0", resources: [resource("things", { schema, path })] }).start({ settings });
  const door = compose({
    name: "door",
    version: "1.0.0",
    services: [await start("first", "/first"), await start("second", "/second")],
    settings: { log_level: "silent" },
  });
  t.after(() => door.stop());
  const answer = await door.fetch(new Request("http://door.example/v1/asyncapi.json"));
  const document = (await answer.json()) as { channels: Record<string, { address: string; messages: object }> };
  assert.deepEqual(
    Object.entries(document.channels).map(([name, { address }]) => [name, address]),
    [
      ["things", "/v1/first"],
      ["second.things", "/v1/second"],
    ],
  );
  const references = JSON.stringify(document).matchAll(/"#\/([^"]+)"/g);
  for (const [, reference = ""] of references) {
    const found = reference
      .split("/")
      .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], document);
    assert.ok(found !== undefined, `${reference} is defined`);
  }
});

test("a service serves Swagger 2.0 for clients that know nothing later", async (t) => {
  const pets = await service({ name: "pets", version: "1.0.0", resources: [resource("pets", { schema })] }).start({
    settings,
  });
  t.after(() => pets.stop());
  const answer = await pets.fetch(new Request("http://pets.example/v1/__api__"));
  const document = (await answer.json()) as { swagger: string; basePath: string; paths: object };
  assert.deepEqual([answer.status, document.swagger, document.basePath], [200, "2.0", "/v1"]);
  assert.ok("/pets/{id}" in document.paths);
});
