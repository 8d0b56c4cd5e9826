import assert from "node:assert/strict";
import { test } from "node:test";
import { everyone, type Logger, manualClock, route, ServiceError, service, silentLogger } from "rouage";
import { clientAddress, serviceRegistry } from "./client.ts";
import { webDoor } from "./web-door.fixture.ts";

function setup(answer: (request: Request) => Response | Promise<Response>, timeoutMs?: number) {
  const clock = manualClock();
  const minted: string[] = [];
  const registry = serviceRegistry({
    clock,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    mint: async (service) => {
      minted.push(service);
      return { token: `${service}-${minted.length}`, expiresIn: 600 };
    },
  });
  registry.register("profiles", webDoor(answer));
  return { clock, minted, registry };
}

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

test("a call carries the service's own token, the body, the correlation id, the trace and the person's address", async () => {
  const { registry } = setup(async (request) =>
    Response.json(
      { url: request.url, headers: Object.fromEntries(request.headers), body: await request.json() },
      { status: 201 },
    ),
  );
  const answer = await registry.callsFrom("access")("profiles", "POST", "/internal/card?x=1", {
    body: { a: 1 },
    requestId: "r-1",
    trace: { traceparent },
    address: "192.0.2.1",
  });
  assert.equal(answer.status, 201);
  const { url, headers, body } = answer.body as { url: string; headers: Record<string, string>; body: unknown };
  assert.equal(url, "http://profiles.internal/internal/card?x=1");
  assert.equal(headers.authorization, "Bearer access-1");
  assert.equal(headers["x-request-id"], "r-1");
  assert.match(headers.traceparent ?? "", /^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/);
  assert.notEqual(headers.traceparent, traceparent, "each call has an id of its own");
  assert.equal(headers["x-client-address"], "192.0.2.1");
  assert.deepEqual(body, { a: 1 });
});

test("a call may carry preconditions and another type of JSON, but no other identity", async () => {
  const { registry } = setup((request) => Response.json(Object.fromEntries(request.headers)));
  const headers = { "if-match": '"7"', "content-type": "application/merge-patch+json", authorization: "Bearer mine" };
  const answer = await registry.callsFrom("web")("profiles", "PATCH", "/v1/me/profile", { body: {}, headers });
  const sent = answer.body as Record<string, string>;
  assert.equal(sent["if-match"], '"7"');
  assert.equal(sent["content-type"], "application/merge-patch+json");
  assert.equal(sent.authorization, "Bearer web-1");
});

test("an id that is a step in the path reaches no other route, and is nobody's", async () => {
  const asked: string[] = [];
  const { registry } = setup((request) => {
    asked.push(new URL(request.url).pathname);
    return Response.json({});
  });
  const call = registry.callsFrom("web");
  for (const id of [".", "..", "%2e", "%2E%2e", ".%2e", "..?a=1", "../x", "./x"])
    assert.equal((await call("profiles", "GET", `/v1/cards/${id}`)).status, 404, id);
  assert.deepEqual(asked, []);
  for (const id of ["...", "a.", ".a", "a..b", "?since=.."]) await call("profiles", "GET", `/v1/cards/${id}`);
  assert.deepEqual(asked, ["/v1/cards/...", "/v1/cards/a.", "/v1/cards/.a", "/v1/cards/a..b", "/v1/cards/"]);
});

test("a call on behalf of a user carries the user's token and needs none of its own", async () => {
  const { registry, minted } = setup((request) => Response.json(request.headers.get("authorization")));
  const answer = await registry.callsFrom("web")("profiles", "GET", "/v1/me/profile", { authorization: "Bearer user" });
  assert.equal(answer.body, "Bearer user");
  assert.deepEqual(minted, []);
});

test("the token is minted once for many calls, and anew a minute before it expires", async () => {
  const { registry, minted, clock } = setup(() => new Response(null, { status: 204 }));
  const call = registry.callsFrom("access");
  await Promise.all([call("profiles", "GET", "/a"), call("profiles", "GET", "/b")]);
  clock.advance(539_000);
  await call("profiles", "GET", "/c");
  assert.equal(minted.length, 1);
  clock.advance(1000);
  await call("profiles", "GET", "/d");
  assert.equal(minted.length, 2);
});

const hasCode = (code: string) => (error: unknown) => ServiceError.is(error) && error.code === code;

test("a service that is not there, breaks or hangs is a 503 or 504, never a crash", async () => {
  const missing = setup(() => new Response());
  await assert.rejects(missing.registry.callsFrom("web")("access", "GET", "/"), hasCode("unavailable"));
  const broken = setup(() => {
    throw new Error("broken");
  });
  await assert.rejects(broken.registry.callsFrom("web")("profiles", "GET", "/"), hasCode("unavailable"));
  const hanging = setup(() => new Promise<Response>(() => {}), 5);
  await assert.rejects(hanging.registry.callsFrom("web")("profiles", "GET", "/"), hasCode("deadline-exceeded"));
});

test("a caller that goes away ends the call", async () => {
  const { registry } = setup(() => new Promise<Response>(() => {}));
  const controller = new AbortController();
  const call = registry.callsFrom("web")("profiles", "GET", "/", { signal: controller.signal });
  controller.abort(new Error("gone"));
  await assert.rejects(call, /gone/);
});

test("answers that are not JSON are text, empty ones undefined", async () => {
  const text = setup(() => new Response("<p>"));
  assert.equal((await text.registry.callsFrom("web")("profiles", "GET", "/")).body, "<p>");
  const empty = setup(() => new Response(null, { status: 204 }));
  assert.equal((await empty.registry.callsFrom("web")("profiles", "GET", "/")).body, undefined);
});

test("an address told in a header is believed from services only", () => {
  const request = {
    peer: "198.51.100.1",
    header: (name: string) => (name === "x-client-address" ? "192.0.2.1" : undefined),
  };
  assert.equal(clientAddress(request, new Set(["service"])), "192.0.2.1");
  assert.equal(clientAddress(request, new Set(["person"])), "198.51.100.1");
  assert.equal(clientAddress(request, new Set()), "198.51.100.1");
});

test("request id and trace of a caller reach the log of a service behind another one", async (t) => {
  const { registry } = setup(() => new Response());
  const lines: Record<string, unknown>[] = [];
  const logger = (bound: object): Logger => ({
    ...silentLogger,
    writes: () => true,
    info: (fields, message) => void lines.push({ ...bound, ...fields, message }),
    child: (fields) => logger({ ...bound, ...fields }),
  });
  const { line: _, ...log } = logger({});
  const call = registry.callsFrom("web");
  const front = await service({
    name: "front",
    version: "1",
    routes: [
      route("GET", "/front", {
        access: [everyone],
        handler: async ({ requestId, trace, signal }) =>
          (await call("positions", "GET", "/v1/behind", { requestId, trace, signal })).body,
      }),
    ],
  }).start({ settings: { storage: "memory:" }, log: silentLogger });
  t.after(() => front.stop());
  const behind = await service({
    name: "behind",
    version: "1",
    routes: [route("GET", "/behind", { access: [everyone], handler: () => ({}) })],
  }).start({ settings: { storage: "memory:" }, log });
  t.after(() => behind.stop());
  registry.register("positions", behind);
  const answer = await front.fetch(
    new Request("http://local/v1/front", { headers: { "x-request-id": "r-7", traceparent } }),
  );
  assert.equal(answer.headers.get("x-request-id"), "r-7");
  const summary = lines.find(({ message }) => message === "request.summary");
  assert.deepEqual([summary?.rid, summary?.trace], ["r-7", traceparent.slice(3, 35)]);
});
