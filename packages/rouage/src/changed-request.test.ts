import assert from "node:assert/strict";
import { test } from "node:test";
import { changedRequest } from "./changed-request.ts";
import { ServiceError } from "./errors.ts";
import { toFetch } from "./faces/rest/fetch.ts";
import type { HttpRequest } from "./http.ts";
import { everyone } from "./operations/access.ts";
import { route } from "./route.ts";
import { listen } from "./runtime/node.ts";
import { service } from "./service.ts";
import { silentLogger } from "./telemetry/log.ts";

const taken = (request: Request): Promise<HttpRequest> =>
  new Promise((resolve) => {
    const fetch = toFetch(async (given) => {
      resolve(given);
      return { status: 200, headers: {} };
    });
    void fetch(request);
  });

test("what is changed is new, the rest is the original's", async () => {
  const original = await taken(
    new Request("http://local/a?b", { method: "POST", body: "text", headers: { "x-a": "1", "x-b": "2" } }),
  );
  const changed = changedRequest(original, { url: "/c", headers: { "x-a": "3", "x-b": undefined } });
  assert.deepEqual([changed.method, changed.url, changed.origin], ["POST", "/c", "http://local"]);
  assert.deepEqual(
    ["x-a", "x-b", "content-type"].map((name) => changed.header(name)),
    ["3", undefined, "text/plain;charset=UTF-8"],
  );
  assert.deepEqual(changed.headers(), { "content-type": "text/plain;charset=UTF-8", "x-a": "3" });
  assert.equal(changed.signal, original.signal);
  assert.equal(new TextDecoder().decode(await changed.body(10)), "text");
  const body = new TextEncoder().encode("other");
  const again = changedRequest(changed, { method: "PUT", body });
  assert.equal(again.method, "PUT");
  assert.equal(await again.body(5), body);
  await assert.rejects(again.body(4), (error) => ServiceError.is(error) && error.code === "body-too-large");
});

test("requests of the Node adapter, which are no plain objects, can be changed by interceptors", async (t) => {
  const running = await service({
    name: "kittens",
    version: "1",
    routes: [
      route("POST", "/real", {
        access: [everyone],
        accepts: ["text/plain"],
        handler: async ({ request }) => ({
          text: new TextDecoder().decode(await request.body(100)),
          header: request.header("x-added"),
          hasPeer: request.peer !== undefined,
        }),
      }),
    ],
    plugins: [
      {
        name: "alias",
        intercept: () => (request, next) =>
          next(changedRequest(request, { url: request.url.replace("/alias", "/real"), headers: { "x-added": "yes" } })),
      },
    ],
  }).start({ log: silentLogger, settings: { storage: "memory:" } });
  const server = await listen(running, { port: 0 });
  t.after(() => server.stop());
  const response = await fetch(`${server.origin}/v1/alias`, {
    method: "POST",
    headers: { "content-type": "text/plain" },
    body: "meow",
  });
  assert.deepEqual(await response.json(), { text: "meow", header: "yes", hasPeer: true });
});
