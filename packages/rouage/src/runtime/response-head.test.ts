import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, IncomingMessage, type RequestListener, type Server, ServerResponse } from "node:http";
import { connect, Socket } from "node:net";
import { describe, type TestContext, test } from "node:test";
import fc from "fast-check";
import type { HttpResponse } from "../http.ts";
import { responseHeads } from "./response-head.ts";

const keepAliveTimeout = 5_000;

async function serving(t: TestContext, listener: RequestListener): Promise<Server> {
  const server = createServer({ keepAliveTimeout }, listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close().closeAllConnections());
  return server;
}

/** The bytes of one answer. */
async function answered(server: Server, request: string, body: string): Promise<string> {
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const socket = connect(address.port, "127.0.0.1");
  socket.write(request);
  let received = "";
  for await (const chunk of socket) {
    received += (chunk as Buffer).toString("utf8");
    if (received.includes("\r\n\r\n") && received.endsWith(body)) break;
  }
  return received.replace(/\r\nDate: [^\r]+/, "\r\nDate: now");
}

const token = fc.string({ unit: fc.constantFrom(..."abcxyz019-_!~"), minLength: 1, maxLength: 20 });
/** One byte a character: what lies behind ASCII is sent as UTF-8 by both, and shown as it arrives. */
const text = fc.string({ unit: fc.constantFrom(..."abc XYZ09\t\"'<>;,=é~"), maxLength: 60 });
const headers = fc.dictionary(token, fc.oneof(text, fc.array(text, { minLength: 1, maxLength: 3 })), { maxKeys: 12 });
const answers = fc.record({
  status: fc.constantFrom(200, 201, 400, 404, 412, 503, 599),
  headers,
  body: fc.string({ unit: "grapheme", minLength: 1, maxLength: 200 }),
});

describe("heads of responses", () => {
  test("are to the byte what writeHead sends", async (t) => {
    let answer: HttpResponse & { readonly body: string } = { status: 200, headers: {}, body: "" };
    const heads = responseHeads(keepAliveTimeout);
    const ours = await serving(t, (_request, response) => {
      assert.ok(heads.put(response, answer, Buffer.byteLength(answer.body)));
      response.end(answer.body);
    });
    const reference = await serving(t, (_request, response) => {
      const lines = Object.entries(answer.headers).flatMap(([name, value]) => [value].flat().map((one) => [name, one]));
      const length = ["content-length", String(Buffer.byteLength(answer.body))];
      response.writeHead(answer.status, [...lines, length].flat() as string[]);
      response.end(answer.body);
    });
    const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    await fc.assert(
      fc.asyncProperty(answers, async (made) => {
        answer = made;
        // Twice: the second time from memory.
        for (let time = 0; time < 2; time++)
          assert.equal(await answered(ours, get, made.body), await answered(reference, get, made.body));
      }),
      { numRuns: 60 },
    );
  });

  test("a name or value that HTTP cannot carry is refused, also where the name is known", () => {
    const heads = responseHeads(keepAliveTimeout);
    const put = (made: Record<string, string>) => heads.put(response(), { status: 200, headers: made }, 0);
    assert.equal(put({ "x-id": "1" }), true);
    for (const value of ["a\r\nset-cookie: b", "a\nb", "\0", "a\u{1f600}"])
      assert.throws(() => put({ "x-id": value }), TypeError, JSON.stringify(value));
    for (const name of ["", "a b", "a:b", "a\r\n"]) assert.throws(() => put({ [name]: "1" }), TypeError);
    assert.equal(put({ "x-id": "1" }), true);
  });

  test("connections that end, and headers that say how a message is framed, are left to writeHead", () => {
    const heads = responseHeads(keepAliveTimeout);
    const put = (made: ServerResponse, more = {}) => heads.put(made, { status: 200, headers: more }, 0);
    const ending = response();
    ending.shouldKeepAlive = false;
    assert.equal(put(ending), false);
    for (const name of ["connection", "Transfer-Encoding", "trailer", "upgrade", "date"])
      assert.equal(put(response(), { [name]: "x" }), false);
    const begun = response();
    begun.writeHead(200);
    assert.equal(put(begun), false);
    assert.equal(put(response()), true);
  });

  test("many names are not remembered", () => {
    const heads = responseHeads(0);
    for (let n = 0; n < 1000; n++) {
      const made = response();
      assert.equal(heads.put(made, { status: 200, headers: { [`x-${n}`]: String(n) } }, 1), true);
      assert.match((made as unknown as { _header: string })._header, new RegExp(`^x-${n}: ${n}\\r$`, "m"));
    }
  });
});

function response(): ServerResponse {
  return new ServerResponse(
    Object.assign(new IncomingMessage(new Socket()), { httpVersionMajor: 1, httpVersionMinor: 1 }),
  );
}
