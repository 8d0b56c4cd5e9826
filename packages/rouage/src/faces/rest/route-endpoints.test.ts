import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { authenticated, everyone } from "../../operations/access.ts";
import { reply, route } from "../../route.ts";
import { call, testFace } from "./fixture.ts";

test("a route answers a plain value as JSON and undefined as 204", async () => {
  const face = testFace({
    routes: [
      route("POST", "/helloworld", {
        access: [everyone],
        body: Type.Object({ name: Type.String({ minLength: 1 }) }),
        handler: ({ body }) => ({ msg: `Hello ${body.name}` }),
      }),
      route("POST", "/nothing", { access: [everyone], handler: () => undefined }),
    ],
  });
  const hello = await call(face, "POST", "/v1/helloworld", { body: { name: "Nic" } });
  assert.equal(hello.status, 200);
  assert.deepEqual(hello.json, { msg: "Hello Nic" });
  const nothing = await call(face, "POST", "/v1/nothing");
  assert.equal(nothing.status, 204);
  assert.equal(nothing.text, "");
});

test("everything wrong with a body is named", async () => {
  const face = testFace({
    routes: [
      route("POST", "/people", {
        access: [everyone],
        body: Type.Object({ name: Type.String({ minLength: 2 }), age: Type.Integer() }),
        handler: ({ body }) => body,
      }),
    ],
  });
  const { status, json } = await call(face, "POST", "/v1/people", { body: { name: "x", age: "old" } });
  assert.equal(status, 400);
  assert.equal(json.errno, 107);
  assert.deepEqual(
    json.details.map(({ location, name, code }: Record<string, string>) => [location, name, code]),
    [
      ["body", "age", "type"],
      ["body", "name", "min-length"],
    ],
  );
  const empty = await call(face, "POST", "/v1/people");
  assert.deepEqual(
    empty.json.details.map(({ name, code }: Record<string, string>) => [name, code]),
    [
      ["age", "required"],
      ["name", "required"],
    ],
  );
});

test("query parameters are converted to the types of their schema", async () => {
  const face = testFace({
    routes: [
      route("GET", "/search", {
        access: [everyone],
        query: Type.Object({
          q: Type.String(),
          page: Type.Integer({ default: 1 }),
          strict: Type.Optional(Type.Boolean()),
          tag: Type.Optional(Type.Array(Type.String())),
          order: Type.Optional(Type.Union([Type.Literal("asc"), Type.Literal("desc"), Type.Null()])),
        }),
        handler: ({ query }) => query,
      }),
    ],
  });
  const { json } = await call(face, "GET", "/v1/search?q=5&strict=true&tag=a&tag=b+c&order=desc");
  assert.deepEqual(json, { q: "5", page: 1, strict: true, tag: ["a", "b c"], order: "desc" });
  const wrong = await call(face, "GET", "/v1/search?page=x&strict=maybe");
  assert.equal(wrong.status, 400);
  assert.deepEqual(
    wrong.json.details.map(({ location, name }: Record<string, string>) => [location, name]),
    [
      ["querystring", "page"],
      ["querystring", "q"],
      ["querystring", "strict"],
    ],
  );
});

test("path parameters are decoded, and checked against their schema", async () => {
  const face = testFace({
    routes: [
      route("GET", "/e/{token}/{part}", {
        access: [everyone],
        unversioned: true,
        params: Type.Object({ token: Type.String({ pattern: "^[a-z/]+$" }), part: Type.String() }),
        handler: ({ params }) => params,
      }),
    ],
  });
  assert.deepEqual((await call(face, "GET", "/e/a%2Fb/%C3%A9")).json, { token: "a/b", part: "é" });
  const wrong = await call(face, "GET", "/e/A/x");
  assert.equal(wrong.status, 400);
  assert.equal(wrong.json.details[0].location, "path");
});

test("access rules come before the body is looked at: 401 for nobody, 403 for somebody else", async () => {
  const face = testFace({
    routes: [
      route("POST", "/a", { access: [authenticated], body: Type.Object({}), handler: () => ({}) }),
      route("POST", "/b", { access: [], handler: () => ({}) }),
    ],
  });
  const anonymous = await call(face, "POST", "/v1/a", { body: "{" });
  assert.equal(anonymous.status, 401);
  assert.equal(anonymous.json.errno, 104);
  assert.equal(anonymous.headers["www-authenticate"], 'Test realm="kittens"');
  assert.equal((await call(face, "POST", "/v1/b", { as: "bob" })).json.errno, 121);
});

test("where credentials are optional, invalid ones count as none and valid ones are recognised", async () => {
  const who: Parameters<typeof route>[2]["handler"] = ({ principal }) => ({ id: principal.id ?? null });
  const face = testFace({
    routes: [
      route("GET", "/strict", { access: [everyone], handler: who }),
      route("GET", "/mild", { access: [everyone], credentials: "optional", handler: who }),
    ],
  });
  assert.equal((await call(face, "GET", "/v1/strict", { as: "!" })).status, 401);
  const mild = await call(face, "GET", "/v1/mild", { as: "!" });
  assert.deepEqual([mild.status, mild.json], [200, { id: null }]);
  assert.equal((await call(face, "GET", "/v1/mild")).json.id, null);
  assert.equal((await call(face, "GET", "/v1/mild", { as: "bob" })).json.id, "test:bob");
  const closed = route("GET", "/a", { access: [authenticated], credentials: "optional", handler: () => ({}) });
  assert.throws(() => testFace({ routes: [closed] }), /not everyone/);
});

test("reply() and web responses are sent as they are", async () => {
  const face = testFace({
    routes: [
      route("GET", "/page", {
        access: [everyone],
        handler: () => reply(203, "<p>hi</p>", { "Content-Type": "text/html", "set-cookie": ["a=1", "b=2"] }),
      }),
      route("GET", "/web", {
        access: [everyone],
        handler: () => new Response("hello", { status: 202, headers: { "x-a": "b" } }),
      }),
    ],
  });
  const page = await call(face, "GET", "/v1/page");
  assert.equal(page.status, 203);
  assert.equal(page.text, "<p>hi</p>");
  assert.deepEqual(page.headers["set-cookie"], ["a=1", "b=2"]);
  assert.equal(page.headers["content-type"], "text/html");
  const web = await call(face, "GET", "/v1/web");
  assert.equal(web.status, 202);
  assert.equal(web.text, "hello");
  assert.equal(web.headers["x-a"], "b");
  const head = await call(face, "HEAD", "/v1/page");
  assert.equal(head.text, "");
  assert.equal(head.headers["content-length"], "9");
});
