/** An `IncomingMessage` as a plain request; headers, signal and body are built only when asked for. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { isIP } from "node:net";
import { invalid, ServiceError } from "../errors.ts";
import type { HttpRequest } from "../http.ts";
import { cut, failing, streamBody } from "./stream-body.ts";

export interface RequestOptions {
  readonly publicOrigin: string | undefined;
  readonly trustedProxies: number;
  readonly hosts: HostMemory;
}

/** The last `Host` seen and the origin made of it. */
export interface HostMemory {
  host: string | undefined;
  origin: string;
}

/** @throws ServiceError when the target or the `Host` is not acceptable */
export function nodeRequest(
  message: IncomingMessage,
  response: ServerResponse,
  options: RequestOptions,
  expectsContinue: boolean,
): HttpRequest {
  return new NodeRequest(message, response, options, expectsContinue);
}

/** The connection ended before the answer did. */
function isCut(response: ServerResponse): boolean {
  return response.destroyed && !response.writableFinished;
}

/** Whether the message announces a body. */
export function hasBody(message: IncomingMessage): boolean {
  const raw = message.rawHeaders;
  for (let index = 0; index < raw.length; index += 2) {
    const name = (raw[index] as string).toLowerCase();
    if (name === "transfer-encoding" || (name === "content-length" && raw[index + 1] !== "0")) return true;
  }
  return false;
}

/** A class, because one is made for each request: its methods are shared instead of closed over. */
class NodeRequest implements HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly origin: string;
  readonly #message: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #expectsContinue: boolean;
  readonly #trustedProxies: number;
  #controller: AbortController | undefined;
  #abortion: { readonly reason: unknown } | undefined;

  constructor(message: IncomingMessage, response: ServerResponse, options: RequestOptions, expectsContinue: boolean) {
    this.#message = message;
    this.#response = response;
    this.#expectsContinue = expectsContinue;
    this.#trustedProxies = options.trustedProxies;
    this.method = message.method ?? "GET";
    const target = message.url ?? "/";
    // Origin form, RFC 9112 §3.2.1; the other forms are rare.
    if (target.charCodeAt(0) === 47) {
      this.url = target;
      this.origin = options.publicOrigin ?? originOf(options.hosts, this.header("host") ?? noHost(message));
    } else {
      const { url, host } = absoluteForm(target);
      this.url = url;
      this.origin = options.publicOrigin ?? originOf(options.hosts, host);
    }
  }

  get peer(): string | undefined {
    const address = this.#message.socket.remoteAddress;
    if (this.#trustedProxies === 0) return address;
    return forwardedFor(this.header("x-forwarded-for"), this.#trustedProxies) ?? address;
  }

  header(name: string): string | undefined {
    const raw = this.#message.rawHeaders;
    let value: string | undefined;
    for (let index = 0; index < raw.length; index += 2) {
      const key = raw[index] as string;
      if (key.length !== name.length || (key !== name && key.toLowerCase() !== name)) continue;
      const item = raw[index + 1] as string;
      if (value === undefined) value = item;
      else if (!singular.has(name)) value += name === "cookie" ? `; ${item}` : `, ${item}`;
    }
    return value;
  }

  headers(): Readonly<Record<string, string>> {
    const result: Record<string, string> = {};
    const raw = this.#message.rawHeaders;
    for (let index = 0; index < raw.length; index += 2) {
      const name = (raw[index] as string).toLowerCase();
      if (!Object.hasOwn(result, name)) define(result, name, this.header(name) ?? "");
    }
    return result;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      const controller = new AbortController();
      this.#controller = controller;
      const response = this.#response;
      if (this.#abortion !== undefined) controller.abort(this.#abortion.reason);
      else if (isCut(response)) controller.abort(gone());
      else
        response.once("close", () => {
          if (!response.writableFinished) controller.abort(gone());
        });
    }
    return this.#controller.signal;
  }

  get ended(): boolean {
    return this.#abortion !== undefined || isCut(this.#response);
  }

  abort(reason: unknown): void {
    this.#abortion ??= { reason };
    this.#controller?.abort(reason);
  }

  stream(limit: number): ReadableStream<Uint8Array> {
    const message = this.#message;
    if (Number(this.header("content-length") ?? 0) > limit) return failing(new ServiceError("body-too-large"));
    if (hasBody(message) && this.#expectsContinue) this.#response.writeContinue();
    return streamBody(message, limit);
  }

  body(limit: number): Promise<Uint8Array> {
    const message = this.#message;
    const announced = Number(this.header("content-length") ?? 0);
    if (announced > limit) return Promise.reject(new ServiceError("body-too-large"));
    if (!hasBody(message)) return Promise.resolve(empty);
    if (this.#expectsContinue) this.#response.writeContinue();
    return readBody(message, limit, announced);
  }
}

/**
 * The client's address as the outermost trusted proxy saw it: each proxy appends the address of its own peer, so it stands
 * `proxies` entries from the end. What clients claim stands before it and is never looked at.
 */
function forwardedFor(header: string | undefined, proxies: number): string | undefined {
  const entry = header?.split(",").at(-proxies)?.trim();
  if (entry === undefined) return undefined;
  const address = entry.startsWith("[") ? entry.slice(1, entry.indexOf("]")) : entry;
  return isIP(address) === 0 ? undefined : address;
}

const empty = new Uint8Array(0);

/**
 * Headers of which a second line is no second value; as `IncomingMessage.headers` does, the first counts. Not so `Host` and the
 * preconditions: two of them contradict each other, and joined they are refused.
 */
const singular = new Set(
  (
    "age authorization content-length content-type etag expires from if-modified-since " +
    "if-unmodified-since last-modified location max-forwards proxy-authorization referer retry-after server user-agent x-request-id"
  ).split(" "),
);

function readBody(message: IncomingMessage, limit: number, announced: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    if (message.destroyed || message.readableDidRead) {
      reject(message.readableDidRead ? new Error("the body was read already") : cut());
      return;
    }
    let length = 0;
    const chunks: Buffer[] = [];
    // Listeners stay, as long as the message does: taking them off again costs more than they do.
    let over = false;
    const onData = (chunk: Buffer): void => {
      if (over) return;
      length += chunk.length;
      if (length > limit) {
        over = true;
        chunks.length = 0;
        message.pause();
        reject(new ServiceError("body-too-large"));
      } else chunks.push(chunk);
    };
    const onEnd = (): void => {
      if (over) return;
      over = true;
      const [first] = chunks;
      resolve(first !== undefined && chunks.length === 1 ? first : Buffer.concat(chunks, length));
      chunks.length = 0;
    };
    // Also after an error, which `node:http` emits only to those who listen for it.
    const onClose = (): void => {
      if (over) return;
      over = true;
      reject(cut());
    };
    message.on("data", onData);
    message.on("end", onEnd);
    message.on("close", onClose);
    if (announced === 0) message.resume();
  });
}

/** A `__proto__` header is a header like any other. */
function define(target: Record<string, string>, name: string, value: string): void {
  if (name === "__proto__") Object.defineProperty(target, name, { value, enumerable: true, configurable: true });
  else target[name] = value;
}

/** HTTP/1.0 has no `Host`; later versions need one (RFC 9112 §3.2). */
function noHost({ httpVersionMajor: major, httpVersionMinor: minor }: IncomingMessage): undefined {
  if (major > 1 || minor > 0)
    throw invalid({ location: "header", name: "Host", description: "Host header is missing", code: "required" });
}

/** The origin of a `Host` header. The last one is remembered: a service is asked by the same name over and over. */
function originOf(hosts: HostMemory, host: string | undefined): string {
  if (host === hosts.host) return hosts.origin;
  if (host === undefined) return "http://localhost";
  if (!/^(?:[a-zA-Z0-9._-]+|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?$/.test(host))
    throw invalid({ location: "header", name: "Host", description: "Host is not valid", code: "pattern" });
  hosts.host = host;
  hosts.origin = `http://${host.toLowerCase()}`;
  return hosts.origin;
}

/** RFC 9112 §3.2.2: a server accepts the absolute form, and its authority wins over `Host`. */
function absoluteForm(target: string): { readonly url: string; readonly host: string } {
  const parts = /^https?:\/\/([^/?#]+)(\/[^#]*)?$/i.exec(target);
  const host = parts?.[1];
  if (host === undefined)
    throw invalid({ location: "url", name: null, description: "The request target is not valid", code: "pattern" });
  return { url: parts?.[2] ?? "/", host };
}

function gone(): ServiceError {
  return new ServiceError("deadline-exceeded", { message: "The client is gone." });
}
