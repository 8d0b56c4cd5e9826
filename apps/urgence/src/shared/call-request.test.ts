import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ServiceError } from "rouage";
import { callRequest, textOf } from "./call-request.ts";

const call = (url: string, body?: string) =>
  callRequest({
    method: "POST",
    url: new URL(url),
    headers: { "if-match": '"1"' },
    body,
    signal: new AbortController().signal,
  });

describe("calls between services", () => {
  test("are requests with the path as a client would send it, and the length of what they carry", async () => {
    const request = call("http://profiles.internal/people/Zoé d?x=é", '{"é":1}');
    assert.equal(request.url, "/people/Zo%C3%A9%20d?x=%C3%A9");
    assert.equal(request.origin, "http://profiles.internal");
    assert.equal(request.header("if-match"), '"1"');
    assert.equal(request.header("content-length"), "8");
    assert.deepEqual(request.headers(), { "if-match": '"1"', "content-length": "8" });
    assert.equal(Buffer.from(await request.body(8)).toString(), '{"é":1}');
  });

  test("without a body have neither length nor bytes", async () => {
    const request = call("http://profiles.internal/");
    assert.equal(request.header("content-length"), undefined);
    assert.equal((await request.body(0)).length, 0);
  });

  test("are bounded as any other", async () => {
    const refused = (error: unknown) => ServiceError.is(error) && error.code === "body-too-large";
    await assert.rejects(call("http://profiles.internal/", "12345").body(4), refused);
  });
});

describe("the text of an answer", () => {
  test("is read from text, bytes, nothing and a stream that cuts a character in two", async () => {
    const bytes = new TextEncoder().encode("Zoé");
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(bytes.subarray(0, 3));
        controller.enqueue(bytes.subarray(3));
        controller.close();
      },
    });
    assert.deepEqual(await Promise.all(["Zoé", bytes, undefined, stream].map(textOf)), ["Zoé", "Zoé", "", "Zoé"]);
  });
});
