import assert from "node:assert/strict";
import { once } from "node:events";
import { request as ask } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import { ServiceError } from "../errors.ts";
import { fromWebRequest } from "../faces/rest/fetch.ts";
import { bodyStream, type HttpRequest, type HttpResponse } from "../http.ts";
import { listen } from "./node.ts";

const mebibyte = new Uint8Array(1024 * 1024).fill(7);

/** Counts what arrives. */
async function counted(request: HttpRequest, limit: number): Promise<HttpResponse> {
  try {
    let bytes = 0;
    for await (const chunk of bodyStream(request, limit)) bytes += chunk.length;
    return { status: 200, headers: {}, body: String(bytes) };
  } catch (error) {
    if (!ServiceError.is(error)) throw error;
    return { status: error.kind.status, headers: {}, body: error.code };
  }
}

function repeated(times: number): ReadableStream<Uint8Array> {
  let left = times;
  return new ReadableStream({
    pull(controller) {
      if (left-- > 0) controller.enqueue(mebibyte);
      else controller.close();
    },
  });
}

const doors = {
  async node(limit: number, init: RequestInit) {
    await using server = await listen({ handle: (request) => counted(request, limit) });
    return (await fetch(server.origin, init)).text();
  },
  async fetch(limit: number, init: RequestInit) {
    const { body } = await counted(fromWebRequest(new Request("http://local/", init)), limit);
    return String(body);
  },
};

for (const [name, door] of Object.entries(doors)) {
  test(`a body arrives as a stream, whatever its size (${name})`, async () => {
    for (const times of [0, 1, 40]) {
      const init = { method: "POST", body: repeated(times), duplex: "half" } as RequestInit;
      assert.equal(await door(64 * 1024 * 1024, init), String(times * mebibyte.length));
    }
    assert.equal(await door(10, { method: "POST", body: "0123456789" }), "10");
    assert.equal(await door(10, { method: "POST" }), "0");
  });

  test(`a stream fails behind the last byte that is allowed (${name})`, async () => {
    const init = { method: "POST", body: repeated(3), duplex: "half" } as RequestInit;
    assert.equal(await door(mebibyte.length, init), "body-too-large");
    assert.equal(await door(9, { method: "POST", body: "0123456789" }), "body-too-large");
  });
}

test("who does not read a stream makes the sender wait", async () => {
  const read = Promise.withResolvers<void>();
  await using server = await listen({
    async handle(request) {
      const reader = bodyStream(request, 1e9).getReader();
      await read.promise;
      let bytes = 0;
      for (let next = await reader.read(); !next.done; next = await reader.read()) bytes += next.value.length;
      return { status: 200, headers: {}, body: String(bytes) };
    },
  });
  const upload = ask(server.origin, { method: "POST" });
  let sent = 0;
  // Until the buffers of both sides and of the system are full.
  while (upload.write(mebibyte) || sent < 32) {
    if (++sent > 200) break;
    await new Promise(setImmediate);
    if (upload.writableLength > 16 * mebibyte.length) break;
  }
  assert.ok(upload.writableLength > 0, "the sender was not held up");
  read.resolve();
  const answered = once(upload, "response");
  upload.end();
  const [response] = await answered;
  let text = "";
  for await (const chunk of response) text += chunk;
  assert.ok(Number(text) >= sent * mebibyte.length);
});

test("a stream whose client goes away fails, and its reader is told", async () => {
  const failure = Promise.withResolvers<unknown>();
  const begun = Promise.withResolvers<void>();
  await using server = await listen({
    async handle(request) {
      try {
        for await (const _ of bodyStream(request, 1e9)) begun.resolve();
      } catch (error) {
        failure.resolve(error);
      }
      return { status: 200, headers: {} };
    },
  });
  const socket = connect(server.port, "127.0.0.1");
  socket.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhello");
  await begun.promise;
  socket.destroy();
  const error = await failure.promise;
  assert.ok(ServiceError.is(error));
  assert.equal(error.code, "invalid-parameters");
});

test("a stream given up in the middle leaves the answer and the connection's next request as they should be", async () => {
  await using server = await listen({
    async handle(request) {
      for await (const _ of bodyStream(request, 1e9)) break;
      return { status: 418, headers: {}, body: "enough" };
    },
  });
  for (const size of [20_000, 3 * mebibyte.length]) {
    const response = await fetch(server.origin, { method: "POST", body: new Uint8Array(size) });
    assert.equal(response.status, 418);
    assert.equal(await response.text(), "enough");
  }
});
