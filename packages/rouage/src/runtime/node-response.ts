/** Sends plain responses: head and body in one write where the body is known, with backpressure where it is a stream. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { ServiceError } from "../errors.ts";
import type { HttpResponse } from "../http.ts";
import type { Logger } from "../telemetry/log.ts";
import type { ResponseHeads } from "./response-head.ts";

export interface Sending {
  readonly log: Logger;
  readonly heads: ResponseHeads;
}

/** Sends the response; with `close`, the connection ends after it. */
export function send(
  message: IncomingMessage,
  response: ServerResponse,
  value: HttpResponse,
  close: boolean,
  { log, heads }: Sending,
): void {
  const { status, body } = value;
  if (typeof body === "string" && !close && message.method !== "HEAD" && mayHaveBody(status)) {
    if (heads.put(response, value, Buffer.byteLength(body))) {
      response.end(body);
      return;
    }
  }
  const head = headOf(message, value, close);
  if (body instanceof ReadableStream) {
    response.writeHead(status, head as string[]);
    if (message.method === "HEAD") {
      response.end();
      void body.cancel().catch(() => {});
    } else void pump(body, response, log);
    return;
  }
  response.writeHead(status, head as string[]);
  if (body === undefined || message.method === "HEAD") response.end();
  else response.end(body);
}

/** Bytes of an unwanted body that are read and dropped to keep the connection; more is not worth it. */
const smallRest = 65_536;
const longestLingerMs = 2000;

/**
 * Answers while the client is still sending a body that nobody wants. A small rest is read and dropped; otherwise the connection
 * ends, but only after the client had the time to read the answer: closing with unread bytes resets it (RFC 9112 §9.6).
 */
export function lingerWhileUploading(
  message: IncomingMessage,
  response: ServerResponse,
  value: HttpResponse,
  close: boolean,
): void {
  const announced = Number(message.headers["content-length"] ?? Number.POSITIVE_INFINITY);
  const body = value.body instanceof ReadableStream ? undefined : value.body;
  if (value.body instanceof ReadableStream) void value.body.cancel().catch(() => {});
  const isSmall = announced <= smallRest;
  response.writeHead(value.status, headOf(message, { ...value, body }, close || !isSmall) as string[]);
  if (isSmall || body === undefined || message.method === "HEAD") {
    response.end(message.method === "HEAD" ? undefined : body);
    return;
  }
  response.write(body);
  const finish = (): void => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(finish, longestLingerMs);
  message.on("error", () => {});
  message.once("close", finish);
  message.once("end", finish);
  message.resume();
}

function headOf(message: IncomingMessage, { status, headers, body }: HttpResponse, close: boolean): readonly string[] {
  const head: string[] = [];
  let hasLength = false;
  for (const name in headers) {
    const value = headers[name];
    if (typeof value === "string") head.push(name, value);
    else if (value !== undefined) for (const item of value) head.push(name, item);
    if (name === "content-length") hasLength = true;
  }
  if (!hasLength && mayHaveBody(status) && !(body instanceof ReadableStream)) {
    if (typeof body === "string") head.push("content-length", String(Buffer.byteLength(body)));
    else if (body !== undefined) head.push("content-length", String(body.byteLength));
    else if (message.method !== "HEAD") head.push("content-length", "0");
  }
  if (close) head.push("connection", "close");
  return head;
}

/** RFC 9110 §8.6: 1xx and 204 have neither body nor length, and 304 none of either to save the count. */
function mayHaveBody(status: number): boolean {
  return status >= 200 && status !== 204 && status !== 304;
}

async function pump(body: ReadableStream<Uint8Array>, response: ServerResponse, log: Logger): Promise<void> {
  const reader = body.getReader();
  // A listener and not a race: a stream of events may go on for days.
  response.once("close", () => void reader.cancel().catch(() => {}));
  // Also while the client does not read: a stream that fails is not waited for.
  reader.closed.catch(() => response.destroy());
  try {
    // Streams of events send their head before the first event.
    response.flushHeaders();
    for (;;) {
      const next = await reader.read();
      if (next.done) break;
      if (!response.write(next.value)) await drained(response);
    }
    response.end();
  } catch (error) {
    // The status is sent already: cutting the connection is the only way left to say that the body is not whole.
    if (!ServiceError.is(error)) log.error({ err: error }, "stream of an answer failed");
    response.destroy();
  }
}

/** Resolves when the client has taken what was written, or is gone. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.on("drain", done);
    response.on("close", done);
    if (response.destroyed) done();
  });
}
