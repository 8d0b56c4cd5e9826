/**
 * The adapter to Node.js: one `node:http` server in front of anything that handles plain requests. Knows HTTP/1.1 and
 * sockets, no resources and no routes.
 */
import { createServer, type IncomingMessage, type Server as NodeServer, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { ServiceError } from "../errors.ts";
import type { HttpRequest, HttpResponse } from "../http.ts";
import { type Logger, silentLogger } from "../telemetry/log.ts";
import type { Address } from "./address.ts";
import { errorResponse, rawError } from "./error-response.ts";
import { hasBody, nodeRequest, type RequestOptions } from "./node-request.ts";
import { lingerWhileUploading, send } from "./node-response.ts";
import { ownPort, type Port } from "./port.ts";
import { type ResponseHeads, responseHeads } from "./response-head.ts";

/** What can be put behind a port: a service, a door of several services, a function in an object. */
export interface Handler {
  handle(request: HttpRequest): Promise<HttpResponse> | HttpResponse;
}

export interface ListenOptions {
  readonly host?: string;
  /** 0 takes a free port. */
  readonly port?: number;
  /** Origin for links; default: from each request's `Host`. */
  readonly publicOrigin?: string | undefined;
  /** Reverse proxies in front whose `X-Forwarded-For` entries are believed. Default 0: the header is ignored. */
  readonly trustedProxies?: number;
  /** Largest request line and headers together, in bytes. */
  readonly headerLimit?: number;
  /** Longest a request may take to arrive, headers and body each. */
  readonly requestTimeoutMs?: number;
  readonly keepAliveTimeoutMs?: number;
  /** Opens the port where others serve it too. Default: it is this process's own. */
  readonly share?: (server: NodeServer, address: Address) => Promise<Port>;
  readonly log?: Logger;
}

/** A listening server. */
export interface Server extends AsyncDisposable {
  /** `http://127.0.0.1:8888` */
  readonly origin: string;
  readonly port: number;
  /** Requests under way. */
  readonly active: number;
  /**
   * Lets in who is connected, stops accepting, lets requests under way finish within `timeoutMs`, answers what still arrives on open connections with
   * `Connection: close`, then closes the connections that are left.
   */
  stop(timeoutMs?: number): Promise<void>;
}

/** How long connections that look idle stay open after the stop began, for requests already on their way to us. */
const idleGraceMs = 500;

/**
 * Listens for HTTP requests.
 * @throws Error with a message for the operator when the address cannot be listened on
 * @example await using server = await listen(service, { port: 8888 });
 */
export async function listen(handler: Handler, options: ListenOptions = {}): Promise<Server> {
  const { host = "127.0.0.1", port = 0, log = silentLogger } = options;
  const requestTimeoutMs = options.requestTimeoutMs ?? 15_000;
  const request = {
    publicOrigin: options.publicOrigin,
    trustedProxies: options.trustedProxies ?? 0,
    hosts: { host: undefined, origin: "" },
  };
  const keepAliveTimeout = options.keepAliveTimeoutMs ?? 65_000;
  const state: State = { handler, log, stopping: false, active: 0, request, heads: responseHeads(keepAliveTimeout) };

  const server = createServer(
    {
      maxHeaderSize: options.headerLimit ?? 16_384,
      headersTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout,
      connectionsCheckingInterval: Math.max(50, Math.min(1000, requestTimeoutMs / 4)),
      noDelay: true,
      optimizeEmptyRequests: true,
      // Refused by ourselves, with a body that says why.
      requireHostHeader: false,
    },
    (message, response) => answer(state, message, response, false),
  );
  server.on("checkContinue", (message, response) => answer(state, message, response, true));
  // Expectations that are not known are ignored, as RFC 9110 §10.1.1 allows.
  server.on("checkExpectation", (message, response) => answer(state, message, response, false));
  server.on("clientError", (error, socket) => refuse(log, error, socket as Socket));
  // Upgrades are ignored, as RFC 9110 §7.8 allows: some clients offer HTTP/2 with every request. Tunnels must be refused by hand.
  server.on("connect", (_message, socket) => socket.end(rawError(new ServiceError("method-not-allowed"))));

  const { share = ownPort } = options;
  const opened = await share(server, { host, port });
  let stopped: Promise<void> | undefined;
  const stop = (timeoutMs = 25_000): Promise<void> => {
    stopped ??= shut(state, server, opened, timeoutMs);
    return stopped;
  };
  return {
    origin: `http://${host.includes(":") ? `[${host}]` : host}:${opened.number}`,
    port: opened.number,
    get active() {
      return state.active;
    },
    stop,
    [Symbol.asyncDispose]: () => stop(),
  };
}

interface State {
  readonly handler: Handler;
  readonly log: Logger;
  readonly request: RequestOptions;
  readonly heads: ResponseHeads;
  stopping: boolean;
  active: number;
}

function answer(state: State, message: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
  state.active++;
  let request: HttpRequest;
  try {
    request = nodeRequest(message, response, state.request, expectsContinue);
  } catch (error) {
    finish(state, message, response, errorResponse(error));
    return;
  }
  try {
    const result = state.handler.handle(request);
    if (!("then" in result)) finish(state, message, response, result);
    else
      result.then(
        (value) => finish(state, message, response, value),
        (error: unknown) => fail(state, message, response, error),
      );
  } catch (error) {
    fail(state, message, response, error);
  }
}

function fail(state: State, message: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (!ServiceError.is(error)) state.log.error({ err: error, method: message.method }, "handler failed");
  finish(state, message, response, errorResponse(error));
}

function finish(state: State, message: IncomingMessage, response: ServerResponse, value: HttpResponse): void {
  state.active--;
  if (response.destroyed || response.headersSent) {
    if (value.body instanceof ReadableStream) value.body.cancel().catch(() => {});
    return;
  }
  try {
    if (!message.complete && hasBody(message)) lingerWhileUploading(message, response, value, state.stopping);
    else send(message, response, value, state.stopping, state);
  } catch (error) {
    // A header that HTTP cannot carry, for example.
    state.log.error({ err: error, method: message.method }, "answer cannot be sent");
    if (response.headersSent) response.destroy();
    else send(message, response, errorResponse(error), true, state);
  }
}

/** Answers what was no HTTP request, or did not arrive in time, in the protocol's form. */
function refuse(log: Logger, error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  // An answer under way on this connection (pipelining) must not be mixed with ours.
  const underWay = (socket as Socket & { readonly _httpMessage?: ServerResponse })._httpMessage;
  if (underWay?.headersSent === true) {
    socket.destroy();
    return;
  }
  log.debug({ reason: error.code, peer: socket.remoteAddress }, "request refused");
  socket.end(rawError(protocolError(error)));
  socket.setTimeout(2000, () => socket.destroy());
}

function protocolError(error: NodeJS.ErrnoException): ServiceError {
  switch (error.code) {
    case "HPE_HEADER_OVERFLOW":
      return new ServiceError("header-too-large");
    case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
      return new ServiceError("body-too-large");
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new ServiceError("request-timeout");
    default:
      return new ServiceError("invalid-parameters", { message: "The request is not valid HTTP." });
  }
}

async function shut(state: State, server: NodeServer, port: Port, timeoutMs: number): Promise<void> {
  state.stopping = true;
  let isLate = false;
  const force = setTimeout(() => {
    isLate = true;
    server.closeAllConnections();
  }, timeoutMs);
  await port.close();
  if (isLate) server.closeAllConnections();
  const idle = setTimeout(() => server.closeIdleConnections(), Math.min(idleGraceMs, timeoutMs));
  // Connections whose request finished after that without an answer to carry `Connection: close`.
  const sweep = setInterval(() => {
    if (state.active === 0) server.closeIdleConnections();
  }, 1000);
  await port.ended();
  clearTimeout(idle);
  clearInterval(sweep);
  clearTimeout(force);
  // `node:http` ends its own timer of connection checks only in its close.
  server.close(() => {});
}
