import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { describe, type TestContext, test } from "node:test";
import type { HttpRequest, HttpResponse } from "../http.ts";
import { crowd } from "./asking.fixture.ts";
import { type Handler, type ListenOptions, listen, type Server } from "./node.ts";

const ok: HttpResponse = { status: 200, headers: { "content-type": "text/plain" }, body: "ok" };

async function serving(
  t: TestContext,
  handle: (request: HttpRequest) => Promise<HttpResponse> | HttpResponse,
  options: ListenOptions = {},
): Promise<Server> {
  const server = await listen({ handle }, options);
  t.after(() => server.stop(0));
  return server;
}

/** A raw connection: what HTTP clients would never send. */
async function raw(
  server: Server,
  t: TestContext,
): Promise<{ readonly socket: Socket; read(): Promise<string>; until(text: string): Promise<string> }> {
  const socket = connect(server.port, "127.0.0.1");
  t.after(() => socket.destroy());
  socket.on("error", () => {});
  let received = "";
  let ended = false;
  let wake = (): void => {};
  socket.on("data", (data) => {
    received += data.toString("latin1");
    wake();
  });
  socket.on("close", () => {
    ended = true;
    wake();
  });
  await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
  const wait = () =>
    new Promise<void>((resolve) => {
      wake = resolve;
    });
  return {
    socket,
    read: async () => {
      while (!ended) await wait();
      return received;
    },
    until: async (text) => {
      while (!received.includes(text) && !ended) await wait();
      return received;
    },
  };
}

function isListening(server: Server): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(server.port, "127.0.0.1");
    socket.once("connect", () => socket.destroy()).once("error", () => resolve(false));
    socket.once("close", (isBroken) => resolve(!isBroken));
  });
}

function bodyOf(response: string): Record<string, unknown> {
  return JSON.parse(response.slice(response.indexOf("\r\n\r\n") + 4));
}

describe("requests", () => {
  test("method, url, origin, headers, peer and body arrive as they were sent", async (t) => {
    let seen: HttpRequest | undefined;
    let body = "";
    const server = await serving(t, async (request) => {
      seen = request;
      body = Buffer.from(await request.body(100)).toString();
      return ok;
    });
    await fetch(`${server.origin}/a%20b?c=d`, { method: "POST", body: "héllo", headers: { "X-One": "1" } });
    assert.equal(seen?.method, "POST");
    assert.equal(seen?.url, "/a%20b?c=d");
    assert.equal(seen?.origin, server.origin);
    assert.equal(seen?.header("x-one"), "1");
    assert.equal(seen?.headers()["x-one"], "1");
    assert.equal(seen?.peer, "127.0.0.1");
    assert.equal(body, "héllo");
  });

  test("headers sent several times are joined, except those of which only one counts", async (t) => {
    let seen: HttpRequest | undefined;
    const server = await serving(t, (request) => {
      seen = request;
      return ok;
    });
    const { socket, until } = await raw(server, t);
    socket.write(
      "GET / HTTP/1.1\r\nHost: a\r\nAccept: x\r\naccept: y\r\nCookie: a=1\r\nCookie: b=2\r\nAuthorization: one\r\nAuthorization: two\r\n__proto__: x\r\n\r\n",
    );
    await until("ok");
    assert.equal(seen?.header("accept"), "x, y");
    assert.equal(seen?.header("cookie"), "a=1; b=2");
    assert.equal(seen?.header("authorization"), "one");
    assert.deepEqual(Object.keys(seen?.headers() ?? {}), ["host", "accept", "cookie", "authorization", "__proto__"]);
  });

  test("RFC 9112 §3.2.2: the absolute form is accepted and its authority wins over Host", async (t) => {
    const server = await serving(t, ({ url, origin }) => ({ ...ok, body: `${origin} ${url}` }));
    const { socket, until } = await raw(server, t);
    socket.write("GET http://kittens.example:81/x?y HTTP/1.1\r\nHost: other\r\n\r\n");
    assert.match(await until("/x?y"), /http:\/\/kittens\.example:81 \/x\?y$/);
  });

  test("RFC 9112 §3.2: no Host, or two of them, is a 400 that says so; HTTP/1.0 needs none", async (t) => {
    const server = await serving(t, ({ origin }) => ({ ...ok, body: `fine ${origin}` }));
    const ask = async (head: string) => {
      const { socket, read } = await raw(server, t);
      socket.write(`${head}\r\nConnection: close\r\n\r\n`);
      return read();
    };
    assert.match(await ask("GET / HTTP/1.1"), /^HTTP\/1.1 400 .*Host header is missing/s);
    assert.match(await ask("GET / HTTP/1.1\r\nHost: a\r\nHost: b"), /^HTTP\/1.1 400 .*Host is not valid/s);
    assert.match(await ask("GET / HTTP/1.0"), /^HTTP\/1.1 200 .*fine/s);
    assert.match(await ask("GET / HTTP/1.1\r\nHost: a\r\nExpect: wonders"), /^HTTP\/1.1 200 .*fine/s);
  });

  test("a Host that is none is answered with 400, and the public origin overrides a good one", async (t) => {
    const plain = await serving(t, ({ origin }) => ({ ...ok, body: origin }));
    const one = await raw(plain, t);
    one.socket.write('GET / HTTP/1.1\r\nHost: a/b"><script>\r\nConnection: close\r\n\r\n');
    const refused = await one.read();
    assert.match(refused, /^HTTP\/1\.1 400 /);
    assert.equal(bodyOf(refused).errno, 107);
    const fixed = await serving(t, ({ origin }) => ({ ...ok, body: origin }), {
      publicOrigin: "https://kittens.example",
    });
    assert.equal(await (await fetch(fixed.origin)).text(), "https://kittens.example");
  });

  test("the body is empty where none is sent", async (t) => {
    const server = await serving(t, async (request) => ({ ...ok, body: String((await request.body(10)).length) }));
    assert.equal(await (await fetch(server.origin)).text(), "0");
    assert.equal(await (await fetch(server.origin, { method: "POST" })).text(), "0");
  });

  test("pipelined requests are answered in order", async (t) => {
    const waiting: (() => void)[] = [];
    const server = await serving(t, async ({ url }) => {
      if (url === "/1") await new Promise<void>((resolve) => waiting.push(resolve));
      else waiting[0]?.();
      return { ...ok, body: `answer ${url}` };
    });
    const { socket, until } = await raw(server, t);
    socket.write("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    const text = await until("answer /2");
    assert.ok(text.indexOf("answer /1") < text.indexOf("answer /2"));
  });
});

describe("bodies and their limits", () => {
  const echoLength = async (request: HttpRequest): Promise<HttpResponse> => {
    try {
      return { ...ok, body: String((await request.body(1000)).length) };
    } catch (error) {
      return { ...ok, status: 413, body: (error as Error).message };
    }
  };

  test("a body that announces too much is refused before it is read", async (t) => {
    const server = await serving(t, echoLength);
    const { socket, read } = await raw(server, t);
    socket.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\nbeginning");
    const text = await read();
    assert.match(text, /^HTTP\/1\.1 413 /);
    assert.match(text, /connection: close/i);
  });

  test("a chunked body is refused as soon as it is too large, and the client can read why", async (t) => {
    const server = await serving(t, echoLength);
    const { socket, until } = await raw(server, t);
    socket.write("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    const chunk = "x".repeat(500);
    let isOpen = true;
    socket.on("close", () => {
      isOpen = false;
    });
    for (let count = 0; count < 20 && isOpen; count++) socket.write(`1f4\r\n${chunk}\r\n`);
    const text = await until("larger than");
    assert.match(text, /^HTTP\/1\.1 413 /);
    socket.end();
  });

  test("a small body that nobody read does not end the connection", async (t) => {
    const server = await serving(t, () => ({ ...ok, status: 401 }));
    const { socket, until } = await raw(server, t);
    socket.write("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n");
    await until("401");
    socket.write("bodyGET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    const text = await until("close");
    assert.equal(text.match(/HTTP\/1\.1 401/g)?.length, 2);
  });

  test("RFC 9110 §10.1.1: `100 Continue` is sent only when the body is wanted", async (t) => {
    const server = await serving(t, echoLength);
    const wanted = await raw(server, t);
    wanted.socket.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    await wanted.until("100 Continue");
    wanted.socket.write("abc");
    assert.match(await wanted.until("200 OK"), /100 Continue[\s\S]*200 OK/);
    const unwanted = await raw(server, t);
    unwanted.socket.write(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
    );
    assert.doesNotMatch(await unwanted.until("larger"), /100 Continue/);
  });

  test("an upload that breaks off fails the handler's wait and the server lives", async (t) => {
    const failed = Promise.withResolvers<string>();
    const server = await serving(t, async (request) => {
      try {
        await request.body(1000);
      } catch (error) {
        failed.resolve((error as Error).message);
      }
      return ok;
    });
    const { socket } = await raw(server, t);
    socket.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
    socket.destroy();
    assert.match(await failed.promise, /ended before its body was complete/);
    assert.equal(await (await fetch(server.origin)).text(), "ok");
  });
});

describe("responses", () => {
  test("HEAD answers the length and no body; 204 and 304 carry neither", async (t) => {
    const server = await serving(
      t,
      ({ url }) =>
        ({ ...ok, status: Number(url.slice(1)), ...(url === "/200" ? {} : { body: undefined }) }) as HttpResponse,
    );
    const head = await fetch(`${server.origin}/200`, { method: "HEAD" });
    assert.equal(head.headers.get("content-length"), "2");
    assert.equal(await head.text(), "");
    for (const status of [204, 304]) {
      const response = await fetch(`${server.origin}/${status}`);
      assert.equal(response.status, status);
      assert.equal(response.headers.get("content-length"), null);
    }
  });

  test("a header with several values is sent several times, and text is counted in bytes", async (t) => {
    const server = await serving(t, () => ({ status: 200, headers: { "set-cookie": ["a=1", "b=2"] }, body: "é" }));
    const response = await fetch(server.origin);
    assert.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2"]);
    assert.equal(response.headers.get("content-length"), "2");
    assert.equal(await response.text(), "é");
  });

  test("a stream is sent as it comes and waits for a slow reader", async (t) => {
    let pulled = 0;
    const chunk = new Uint8Array(65_536);
    const server = await serving(t, () => ({
      status: 200,
      headers: {},
      body: new ReadableStream<Uint8Array>(
        {
          pull: (controller) => {
            pulled++;
            if (pulled > 2000) controller.close();
            else controller.enqueue(chunk);
          },
        },
        { highWaterMark: 0 },
      ),
    }));
    const { socket, until } = await raw(server, t);
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await until("\r\n\r\n");
    socket.pause();
    let before = -1;
    while (before !== pulled) {
      before = pulled;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.ok(pulled < 2000, `${pulled} chunks pulled for a reader that does not read`);
  });

  test("a client that goes away cancels the stream and aborts the signal", async (t) => {
    const cancelled = Promise.withResolvers<void>();
    const aborted = Promise.withResolvers<void>();
    const server = await serving(t, ({ signal }) => {
      signal.addEventListener("abort", () => aborted.resolve());
      return {
        status: 200,
        headers: {},
        body: new ReadableStream<Uint8Array>({
          start: (controller) => controller.enqueue(new Uint8Array([97])),
          cancel: () => cancelled.resolve(),
        }),
      };
    });
    const { socket, until } = await raw(server, t);
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await until("a\r\n");
    socket.destroy();
    await Promise.all([cancelled.promise, aborted.promise]);
  });

  test("a stream made for a client that is gone already is cancelled", async (t) => {
    const inside = Promise.withResolvers<void>();
    const cancelled = Promise.withResolvers<void>();
    const server = await serving(t, async ({ signal }) => {
      const gone = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      inside.resolve();
      await gone;
      return { status: 200, headers: {}, body: new ReadableStream<Uint8Array>({ cancel: () => cancelled.resolve() }) };
    });
    const { socket } = await raw(server, t);
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await inside.promise;
    socket.destroy();
    await cancelled.promise;
  });

  test("a handler that throws, rejects or answers what cannot be sent gives the generic 500 and the server lives", async (t) => {
    const handlers: Readonly<Record<string, Handler["handle"]>> = {
      "/throws": () => {
        throw new Error("secret");
      },
      "/rejects": () => Promise.reject(new Error("secret")),
      "/unsendable": () => ({ ...ok, headers: { "x-bad": "a\r\nb" } }),
    };
    const server = await serving(t, (request) => handlers[request.url]?.(request) ?? ok);
    for (const path of Object.keys(handlers)) {
      const response = await fetch(server.origin + path);
      const body = await response.text();
      assert.equal(response.status, 500, path);
      assert.equal(JSON.parse(body).errno, 999);
      assert.doesNotMatch(body, /secret/);
    }
    assert.equal(await (await fetch(server.origin)).text(), "ok");
  });
});

describe("what is no request", () => {
  test("malformed HTTP is answered with 400 in the protocol's form", async (t) => {
    const server = await serving(t, () => ok);
    for (const garbage of [
      "nonsense\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      "GET / HTTP/1.1\r\nbad header\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01",
    ]) {
      const { socket, read } = await raw(server, t);
      socket.write(garbage);
      const text = await read();
      assert.match(text, /^HTTP\/1\.1 400 /, JSON.stringify(garbage));
      assert.equal(bodyOf(text).errno, 107);
    }
  });

  test("headers larger than the limit are answered with 431", async (t) => {
    const server = await serving(t, () => ok, { headerLimit: 2048 });
    const { socket, read } = await raw(server, t);
    socket.write(`GET / HTTP/1.1\r\nHost: a\r\nX-Large: ${"x".repeat(5000)}\r\n\r\n`);
    const text = await read();
    assert.match(text, /^HTTP\/1\.1 431 /);
    assert.equal(bodyOf(text).errno, 113);
  });

  test("slowloris: headers and bodies that do not arrive in time are answered with 408", async (t) => {
    const server = await serving(t, async (request) => ({ ...ok, body: String((await request.body(99)).length) }), {
      requestTimeoutMs: 200,
    });
    for (const start of [
      "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf",
    ]) {
      const { socket, read } = await raw(server, t);
      socket.write(start);
      const text = await read();
      assert.match(text, /^HTTP\/1\.1 408 /, start);
    }
    assert.equal(await (await fetch(server.origin)).text(), "0");
  });

  test("a half-closed connection still gets its answer", async (t) => {
    const release = Promise.withResolvers<void>();
    const server = await serving(t, async () => {
      await release.promise;
      return ok;
    });
    const { socket, read } = await raw(server, t);
    socket.end("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    setImmediate(() => release.resolve());
    assert.match(await read(), /^HTTP\/1\.1 200 OK[\s\S]*ok$/);
  });

  test("RFC 9110 §7.8: an offered upgrade is ignored; a tunnel is refused", async (t) => {
    const server = await serving(t, () => ok);
    const upgrade = await raw(server, t);
    upgrade.socket.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n");
    assert.match(await upgrade.until("ok"), /^HTTP\/1\.1 200 /);
    const tunnel = await raw(server, t);
    tunnel.socket.write("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n");
    assert.match(await tunnel.read(), /^HTTP\/1\.1 405 /);
  });
});

describe("starting and stopping", () => {
  test("a port in use, and an address that is not ours, are said in words", async (t) => {
    const server = await serving(t, () => ok);
    await assert.rejects(listen({ handle: () => ok }, { port: server.port }), /is in use by another process.*"port"/);
    await assert.rejects(
      listen({ handle: () => ok }, { host: "203.0.113.1" }),
      /is no address of this machine.*"host"/,
    );
  });

  test("stop finishes the request under way, closes the connection behind it and accepts no other", async (t) => {
    const release = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    const server = await serving(t, async () => {
      started.resolve();
      await release.promise;
      return ok;
    });
    const { socket, read } = await raw(server, t);
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await started.promise;
    const stopped = server.stop(5000);
    while (await isListening(server));
    release.resolve();
    const text = await read();
    assert.match(text, /^HTTP\/1\.1 200 OK/);
    assert.match(text, /connection: close/i);
    await stopped;
    assert.equal(server.active, 0);
  });

  test("stop lets in who was connected and not accepted yet", async (t) => {
    const server = await serving(t, () => ok);
    const connected = await crowd(server.origin, 50);
    const stopped = server.stop(5000);
    assert.deepEqual(await connected.ask("/"), Array(50).fill(200));
    await stopped;
    assert.deepEqual(await (await crowd(server.origin, 1)).ask("/"), [0], "nobody listens any more");
  });

  test("stop answers a request that arrives on an open connection meanwhile", async (t) => {
    const server = await serving(t, () => ok);
    const { socket, until, read } = await raw(server, t);
    socket.write("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    await until("ok");
    const stopped = server.stop(5000);
    socket.write("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    const text = await read();
    assert.equal(text.match(/HTTP\/1\.1 200/g)?.length, 2);
    await stopped;
  });

  test("stop cuts what does not end within its bound", async (t) => {
    const started = Promise.withResolvers<void>();
    const server = await serving(t, () => {
      started.resolve();
      return new Promise(() => {});
    });
    const { socket, read } = await raw(server, t);
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await started.promise;
    await server.stop(50);
    assert.equal(await read(), "");
  });
});
