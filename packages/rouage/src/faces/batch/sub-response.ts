/** Answers inside a batch: status, path, headers and body as JSON text. What is not JSON is told as text, base64 or an error. */
import { type ErrorCode, errorTable, ServiceError } from "../../errors.ts";
import type { HttpRequest, HttpResponse } from "../../http.ts";
import { jsonType } from "../rest/body.ts";

/** The bodies of all answers of one batch, in characters; as much as the largest page. */
export const largestAnswer = 16 * 1024 * 1024;

export interface SubResponse {
  readonly status: number;
  /** The entry of `responses`, as JSON text. */
  readonly json: string;
  /** Characters of the body. */
  readonly size: number;
}

export interface Reading {
  /** Renders an error as the face does. */
  readonly renderError: (error: ServiceError) => HttpResponse;
  /** Characters left for bodies. */
  readonly room: number;
  /** The body is known to be JSON. */
  readonly vouched: boolean;
  readonly signal: AbortSignal;
}

/** @throws ServiceError `deadline-exceeded` when a body takes longer than the batch has */
export async function subResponse(
  request: HttpRequest,
  response: HttpResponse,
  reading: Reading,
): Promise<SubResponse> {
  const read = await bodyOf(request, response, reading);
  if (ServiceError.is(read)) {
    const rendered = reading.renderError(read);
    const body = typeof rendered.body === "string" ? rendered.body : '""';
    return entry(request.url, rendered, request.method === "HEAD" ? '""' : body);
  }
  return entry(request.url, { ...response, headers: { ...response.headers, ...read.headers } }, read.json);
}

/** An entry that nothing was asked of. */
export function errorEntry(url: string, rendered: HttpResponse): SubResponse {
  return entry(url, rendered, typeof rendered.body === "string" ? rendered.body : '""');
}

function entry(url: string, { status, headers }: HttpResponse, json: string): SubResponse {
  return {
    status,
    json: `{"status":${status},"path":${JSON.stringify(decodedPath(url))},"headers":${headersOf(headers)},"body":${json}}`,
    size: json.length,
  };
}

interface ReadBody {
  readonly json: string;
  readonly headers?: HttpResponse["headers"];
}

async function bodyOf(
  { method }: HttpRequest,
  { status, headers, body }: HttpResponse,
  { room, vouched, signal }: Reading,
): Promise<ReadBody | ServiceError> {
  if (body === undefined || method === "HEAD") return { json: '""' };
  const type = mediaType(headers["content-type"]);
  if (body instanceof ReadableStream && (type === "text/event-stream" || type.startsWith("multipart/"))) {
    body.cancel().catch(() => {});
    return notInBatch(type);
  }
  const isRead = method === "GET" || method === "QUERY";
  const content = body instanceof ReadableStream ? await whole(body, room, signal) : body;
  if (content === undefined || (isRead && content.length > room)) return tooLarge();
  const text = typeof content === "string" ? content : textOf(content);
  if (text === undefined)
    return { json: JSON.stringify(bytesOf(content).toBase64()), headers: { "content-transfer-encoding": "base64" } };
  if (text === "") return { json: '""' };
  if (isJson(type) && (vouched || parses(text))) return { json: text };
  if (status < 400) return { json: JSON.stringify(text) };
  const error = errorOf(status, text);
  return { json: JSON.stringify(error), headers: { "content-type": jsonType } };
}

export function notInBatch(type: string): ServiceError {
  return new ServiceError("invalid-parameters", {
    message: `header: Answers of type ${type} cannot be part of a batch`,
    details: [
      {
        location: "header",
        name: "Accept",
        description: `Answers of type ${type} cannot be part of a batch`,
        code: "not-in-batch",
      },
    ],
  });
}

function tooLarge(): ServiceError {
  return new ServiceError("body-too-large", {
    message: `The answers of a batch may have ${largestAnswer} characters together; ask for less at once.`,
  });
}

/** The protocol's form of an error that something else wrote. */
function errorOf(status: number, message: string): object {
  const code = (Object.keys(errorTable) as ErrorCode[]).find((name) => errorTable[name].status === status);
  const { errno, title } = code === undefined ? { errno: 999, title: "Error" } : errorTable[code];
  return { code: status, errno, error: title, message: message.slice(0, 1000) };
}

/** Undefined when it is longer than `most` bytes. */
async function whole(
  stream: ReadableStream<Uint8Array>,
  most: number,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = stream.getReader();
  const stop = () => reader.cancel(signal.reason).catch(() => {});
  signal.addEventListener("abort", stop);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (signal.aborted) throw new ServiceError("deadline-exceeded", { cause: signal.reason });
      if (done) return joined(chunks, size);
      size += value.byteLength;
      if (size > most) {
        reader.cancel().catch(() => {});
        return undefined;
      }
      chunks.push(value);
    }
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

function joined(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return bytes;
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

function bytesOf(content: string | Uint8Array): Uint8Array {
  return typeof content === "string" ? new TextEncoder().encode(content) : content;
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function mediaType(header: string | readonly string[] | undefined): string {
  const value = typeof header === "string" ? header : (header?.[0] ?? "");
  return (value.split(";", 1)[0] ?? "").trim().toLowerCase();
}

function isJson(type: string): boolean {
  return type === jsonType || type.endsWith("+json");
}

function decodedPath(url: string): string {
  const question = url.indexOf("?");
  const path = question === -1 ? url : url.slice(0, question);
  if (!path.includes("%")) return path;
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** As clients know them: `ETag`, `Last-Modified`. Cookies are for the browser's eyes, not for those of its scripts. */
function headersOf(headers: HttpResponse["headers"]): string {
  let text = "";
  for (const [name, value] of Object.entries(headers)) {
    if (name === "set-cookie") continue;
    const key = commonKeys.get(name) ?? keyOf(name);
    text += `${text === "" ? "" : ","}${key}:${JSON.stringify(typeof value === "string" ? value : value.join(", "))}`;
  }
  return `{${text}}`;
}

function keyOf(name: string): string {
  return JSON.stringify(canonicalName(name));
}

function canonicalName(name: string): string {
  if (name === "etag") return "ETag";
  if (name === "www-authenticate") return "WWW-Authenticate";
  return name.replaceAll(/(?<=^|-)[a-z]/g, (letter) => letter.toUpperCase());
}

const commonKeys: ReadonlyMap<string, string> = new Map(
  [
    ...["content-type", "cache-control", "etag", "last-modified", "location", "vary", "expires", "accept-query"],
    ...["next-page", "total-objects", "total-records", "alert", "allow", "retry-after"],
  ].map((name) => [name, keyOf(name)]),
);

const decoder = new TextDecoder("utf-8", { fatal: true });
