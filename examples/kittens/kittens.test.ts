import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type AuthenticationPolicy, anonymous, silentLogger } from "rouage";
import kittens from "./kittens.ts";

const tom: AuthenticationPolicy = {
  name: "tom",
  securityScheme: { type: "http", scheme: "bearer" },
  authenticate: (request) =>
    request.header("authorization") === "Bearer tom" ? { ...anonymous, id: "tom", policy: "tom" } : undefined,
};

test("fifteen lines are a service: signed-in callers create, everyone reads and filters, the owner deletes", async (t) => {
  const service = await kittens.start({
    settings: { storage: "memory:" },
    log: silentLogger,
    fallbackAuthentication: [tom],
  });
  t.after(() => service.stop());
  const call = async (method: string, path: string, data?: object, authorization = "Bearer tom") => {
    const headers = { authorization, ...(data === undefined ? {} : { "content-type": "application/json" }) };
    const body = data === undefined ? null : JSON.stringify({ data });
    const response = await service.fetch(new Request(`http://kittens${path}`, { method, headers, body }));
    return { status: response.status, body: (await response.json()) as { data: never } };
  };
  const created = await call("POST", "/v1/kittens", { name: "Tom", weight: 4.2 });
  assert.equal(created.status, 201);
  await call("POST", "/v1/kittens", { name: "Kit", weight: 1 });
  assert.equal((await call("POST", "/v1/kittens", { name: "Nobody", weight: 1 }, "")).status, 401);
  assert.equal((await call("POST", "/v1/kittens", { name: "" })).status, 400);

  const { id } = created.body.data as { id: string };
  const found = await call("GET", "/v1/kittens?min_weight=3", undefined, "");
  assert.deepEqual(
    (found.body.data as { id: string }[]).map((kitten) => kitten.id),
    [id],
  );
  assert.equal((await call("DELETE", `/v1/kittens/${id}`, undefined, "")).status, 401);
  assert.equal((await call("DELETE", `/v1/kittens/${id}`)).status, 200);
  assert.equal((await call("GET", `/v1/kittens/${id}`)).status, 404);
});

test("it stays that short", () => {
  const source = readFileSync(new URL("kittens.ts", import.meta.url), "utf8");
  assert.ok(source.trim().split("\n").length <= 15);
});
