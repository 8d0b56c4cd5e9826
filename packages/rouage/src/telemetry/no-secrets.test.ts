import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { consume } from "../bus/consumer.ts";
import { systemClock } from "../clock.ts";
import { ServiceError } from "../errors.ts";
import { everyone } from "../operations/access.ts";
import { resource } from "../resource.ts";
import { route } from "../route.ts";
import { service } from "../service.ts";
import { memoryStorage } from "../storage/memory.ts";
import { CommitConflict, type Storage } from "../storage/storage.ts";
import { jsonLogger } from "./json-log.ts";

/** In every place of a request that the log may not show; each looks as such a value does. */
const markers = {
  query: "MARKquery",
  body: "MARKbody",
  token: "eyJMARKtoken.eyJpayload.signature",
  mail: "MARKmail@example.org",
  phone: "+33698765432",
} as const;

function recorded(redact: readonly string[] = []) {
  let text = "";
  const destination = {
    write: (lines: string) => {
      text += lines;
    },
  };
  return { log: jsonLogger({ name: "kittens", level: "trace", redact, destination }), text: () => text };
}

function assertClean(text: string): void {
  for (const [name, marker] of Object.entries(markers))
    assert.ok(
      !text.includes(marker),
      `${name} in ${text.slice(Math.max(0, text.indexOf(marker) - 300)).slice(0, 400)}`,
    );
  assert.ok(!text.includes("MARK"), text.slice(Math.max(0, text.indexOf("MARK") - 300)).slice(0, 400));
}

const request = (method: string, path: string): Request =>
  new Request(`http://local${path}${path.includes("?") ? "&" : "?"}name=${markers.query}`, {
    method,
    headers: {
      authorization: `Bearer ${markers.token}`,
      cookie: `session=${markers.token}`,
      "content-type": "application/json",
    },
    ...(method === "GET" || method === "DELETE"
      ? {}
      : { body: JSON.stringify({ data: { name: markers.body, email: markers.mail, phone: markers.phone } }) }),
  });

const schema = Type.Object({ name: Type.String(), email: Type.String(), phone: Type.String() });
const open = { create: [everyone], read: [everyone], write: [everyone] } as const;

/** What code near the input throws: errors that hold it, quote it, or carry it as a cause. */
const failures: Readonly<Record<string, (input: unknown) => unknown>> = {
  "an error that holds the input": (input) => Object.assign(new Error("failed"), { input, existing: { body: input } }),
  "an error that quotes a token, a mail address and a number": () =>
    new Error(`no ${markers.token}, ${markers.mail}, ${markers.phone}, http://x.example/?q=${markers.query}`),
  "an error of the service's own, caused by one that holds the input": (input) =>
    new ServiceError("unavailable", {
      message: `Mail to ${markers.mail} failed.`,
      cause: Object.assign(new Error("failed"), { input }),
    }),
  "a conflict that holds a stored body": () =>
    new CommitConflict(0, {
      kind: "unique",
      fields: ["name"],
      existing: { kind: "object", id: "a", revision: 1, body: `{"name":"${markers.body}"}` },
    }),
  "what JSON.parse says": () => {
    try {
      return JSON.parse(`{"name": ${markers.body}}`);
    } catch (error) {
      return error;
    }
  },
  "what is thrown without being an error": (input) => ({ input }),
  "a chain of errors": (input) =>
    new AggregateError([Object.assign(new Error("one"), { input })], "several", {
      cause: new Error(`for ${markers.mail}`, { cause: input }),
    }),
};

for (const [name, make] of Object.entries(failures)) {
  test(`T3 a handler and hooks that throw ${name} put nothing of the request in the log`, async () => {
    const { log, text } = recorded();
    const throws = (input: unknown): never => {
      throw make(input);
    };
    const kittens = resource("kittens", { schema, access: open, hooks: { before: (write) => throws(write) } });
    const puppies = resource("puppies", { schema, access: open, hooks: { after: (write) => throws(write) } });
    const running = await service({
      name: "kittens",
      version: "1",
      resources: [kittens, puppies],
      routes: [
        route("POST", "/fail", {
          access: [everyone],
          body: Type.Object({ data: schema }),
          handler: (context) => throws({ body: context.body, request: context.request }),
        }),
        route("GET", "/late", { access: [everyone], handler: async (context) => throws(context.request) }),
      ],
    }).start({ log, settings: { storage: "memory:" } });
    for (const [method, path] of [
      ["POST", "/v1/fail"],
      ["GET", "/v1/late"],
      ["POST", "/v1/kittens"],
      ["POST", "/v1/puppies"],
      ["PUT", "/v1/puppies/a"],
    ] as const)
      await running.fetch(request(method, path));
    await running.stop();
    assert.ok(text().includes("request.summary"));
    assert.match(text(), /"level":"error"/);
    assertClean(text());
  });

  test(`T3 a storage that throws ${name} puts nothing of the request in the log`, async () => {
    const { log, text } = recorded();
    const inner = memoryStorage({ clock: systemClock });
    const fails = async (input: unknown): Promise<never> => {
      throw make(input);
    };
    const storage: Storage = { ...inner, commit: fails, list: fails, count: fails, get: fails, timestamp: fails };
    const running = await service({
      name: "kittens",
      version: "1",
      resources: [resource("kittens", { schema, access: open })],
    }).start({ log, storage, settings: { storage: "memory:" } });
    for (const [method, path] of [
      ["POST", "/v1/kittens"],
      ["GET", "/v1/kittens"],
      ["GET", "/v1/kittens/a"],
      ["PUT", "/v1/kittens/a"],
      ["PATCH", "/v1/kittens/a"],
      ["DELETE", "/v1/kittens/a"],
      ["DELETE", "/v1/kittens"],
    ] as const)
      await running.fetch(request(method, path));
    await running.stop();
    await inner.close();
    assert.ok(text().includes("request.summary"));
    assertClean(text());
  });

  test(`T3 a consumer whose handler throws ${name} puts nothing of the entry in the log`, async () => {
    const { log, text } = recorded();
    const storage = memoryStorage({ clock: systemClock });
    await storage.define([{ resource: "things", indexes: [], unique: [] }]);
    const body = JSON.stringify({ name: markers.body });
    await storage.commit([
      { kind: "put", key: { resource: "things", parent: "", id: "a" }, body, expect: { kind: "any" } },
    ]);
    const { resolve, promise } = Promise.withResolvers<void>();
    const running = await service({ name: "kittens", version: "1" }).start({
      log,
      settings: { storage: "memory:" },
    });
    const stop = await consume({
      name: "reader",
      source: storage,
      retry: { attempts: 2 },
      wait: async () => {
        if (text().includes('attempt":2') || text().includes("dead letters")) resolve();
      },
      handle: (entry) => {
        if (text().includes("will be tried again")) resolve();
        throw make(entry);
      },
    }).start({ ...running.context, log });
    await promise;
    await stop();
    await running.stop();
    await storage.close();
    assert.match(text(), /entry failed, will be tried again/);
    assertClean(text());
  });
}

test("T3 malformed and refused requests put nothing of themselves in the log", async () => {
  const { log, text } = recorded();
  const running = await service({
    name: "kittens",
    version: "1",
    resources: [resource("kittens", { schema, access: open })],
  }).start({ log, settings: { storage: "memory:" } });
  for (const body of [
    `{"data": ${markers.body}`,
    `{"data":{"name":"${markers.body}","${markers.body}":1}}`,
    markers.body,
  ])
    await running.fetch(
      new Request(`http://local/v1/kittens?_filter=${markers.query}`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Basic ${markers.token}` },
        body,
      }),
    );
  await running.fetch(new Request(`http://local/v1/kittens?_sort=${markers.query}&_limit=${markers.query}`));
  await running.stop();
  assert.equal(text().match(/request\.summary/g)?.length, 4);
  assertClean(text());
});

test("T3 declared paths are hidden in the lines of requests as well", async () => {
  const { log, text } = recorded(["agent", "context.address"]);
  const running = await service({
    name: "kittens",
    version: "1",
    routes: [
      route("GET", "/a", {
        access: [everyone],
        handler: (context) => {
          context.log.info({ context: { address: "MARKaddress" } }, "working");
          return {};
        },
      }),
    ],
  }).start({ log, settings: { storage: "memory:" } });
  await running.fetch(new Request("http://local/v1/a", { headers: { "user-agent": "MARKagent" } }));
  await running.stop();
  const summary = JSON.parse(
    text()
      .split("\n")
      .find((line) => line.includes("request.summary")) ?? "",
  );
  assert.deepEqual(
    [summary.agent, summary.handler, summary.name, summary.code],
    ["[redacted]", "GET /a", "kittens", 200],
  );
  assertClean(text());
});
