/** One request on its way through the face: who, what for, and what its log line will say. */
import type { Clock } from "../../clock.ts";
import type { HttpBody, HttpRequest } from "../../http.ts";
import type { OperationContext } from "../../operations/context.ts";
import { continueTrace, type TraceContext } from "../../operations/trace.ts";
import { anonymous, type Principal } from "../../principal.ts";
import type { Logger, LogLevel } from "../../telemetry/log.ts";
import type { Part } from "../batch/part.ts";
import type { Negotiated } from "./accept.ts";
import type { Notice } from "./alerts.ts";
import { requestIdOf, traceIdOf } from "./correlation.ts";
import type { HandlerMetrics } from "./handler-metrics.ts";
import type { EndpointKind } from "./headers.ts";

/** An answer of an endpoint, before the standard headers are added. */
export interface Answer {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: HttpBody;
  /** What was written on the way here has been taken back, or is to be where somebody else's transaction is around it. */
  readonly takenBack?: true;
}

/**
 * The state of one request. It is itself the operation context of reads, because an object with accessors of its own costs ten times
 * as much (measured 320 against 20 ns); code of users gets `context()`, which may be copied with `{...context}`.
 */
export class Exchange implements OperationContext {
  request: HttpRequest;
  readonly clock: Clock;
  readonly requestId: string;
  readonly traceId: string | undefined;
  /** Monotonic, milliseconds. */
  readonly startedAt: number;
  readonly log: Logger;
  readonly negotiated: Negotiated;
  principal: Principal = anonymous;
  endpoint: RegisteredEndpoint | undefined;
  path = "";
  /** Without its question mark. */
  search = "";
  /** What the log shows instead of the path, where the path holds a secret. */
  shownPath: string | undefined;
  /** Errno of the error answered. */
  errno: number | undefined;
  /** Message of a deprecated parameter to announce in `Alert`. */
  deprecation: string | undefined;
  /** Headers that what stands in front of the endpoint adds to any answer of it. */
  further: Readonly<Record<string, string>> | undefined;
  /** The request's body is being waited for. */
  reading = false;
  /** A slot of the concurrency limit is held. */
  admitted = false;
  /** What it shares with the batch around it. */
  part: Part | undefined;
  /** Number of requests in it, where it is a batch. */
  batchSize: number | undefined;
  #expiry: AbortController | undefined;
  #signal: AbortSignal | undefined;
  #expired: unknown;
  #trace: TraceContext | undefined;

  constructor(request: HttpRequest, clock: Clock, log: Logger, negotiated: Negotiated) {
    this.request = request;
    this.clock = clock;
    this.requestId = requestIdOf(request.header("x-request-id"));
    this.traceId = traceIdOf(request.header("traceparent"));
    this.startedAt = performance.now();
    this.log = new RequestLog(log, this.requestId, this.traceId);
    this.negotiated = negotiated;
  }

  /** Aborts when the client is gone or the deadline has passed. Made when first asked for. */
  get signal(): AbortSignal {
    // Where the request can be ended its own signal is enough: `AbortSignal.any` would cost a tenth of a write.
    // What is part of a batch ends with the batch.
    if (this.request.abort !== undefined || this.part !== undefined) return this.request.signal;
    if (this.#signal === undefined) {
      this.#expiry = new AbortController();
      if (this.#expired !== undefined) this.#expiry.abort(this.#expired);
      this.#signal = AbortSignal.any([this.request.signal, this.#expiry.signal]);
    }
    return this.#signal;
  }

  get ended(): boolean {
    return this.#expired !== undefined || (this.request.ended ?? this.signal.aborted);
  }

  /** Made when first asked for; most requests are in no trace. */
  get trace(): TraceContext | undefined {
    if (this.traceId === undefined) return undefined;
    this.#trace ??= continueTrace(this.request.header("traceparent"), this.request.header("tracestate"));
    return this.#trace;
  }

  /** The deadline has passed: stops what still works on this request. */
  expire(reason: unknown): void {
    this.request.abort?.(reason);
    this.#expired = reason;
    this.#expiry?.abort(reason);
  }

  /** The operation context for code of users: all of its properties are its own. */
  context(): OperationContext {
    return new CopyableContext(this);
  }

  /** The whole body; remembers that it is being waited for, so that a client too slow is told 408 and not 504. */
  body(limit: number): Promise<Uint8Array> {
    this.reading = true;
    return this.request.body(limit).then(
      (bytes) => {
        this.reading = false;
        return bytes;
      },
      (error) => {
        this.reading = false;
        throw error;
      },
    );
  }
}

/**
 * A context whose properties are all its own, so that `{...context}` copies them; trace and signal are made when asked for. Their accessors
 * are the same two functions in every context: with functions of its own, each would get a hidden class of its own in V8, which holds
 * on to it and its request until the next major collection (measured: a third of a create's time went into that).
 */
export class CopyableContext implements OperationContext {
  readonly principal: Principal;
  readonly requestId: string;
  readonly log: Logger;
  readonly clock: Clock;
  declare readonly trace: TraceContext | undefined;
  declare readonly signal: AbortSignal;
  readonly #exchange: Exchange;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
    this.principal = exchange.principal;
    this.requestId = exchange.requestId;
    this.log = exchange.log;
    this.clock = exchange.clock;
    // One at a time: `defineProperties` takes twice as long.
    Object.defineProperty(this, "trace", CopyableContext.#trace);
    Object.defineProperty(this, "signal", CopyableContext.#signal);
  }

  get ended(): boolean {
    return this.#exchange.ended;
  }

  static readonly #trace: PropertyDescriptor & ThisType<CopyableContext> = {
    enumerable: true,
    configurable: true,
    get() {
      return this.#exchange.trace;
    },
  };
  static readonly #signal: PropertyDescriptor & ThisType<CopyableContext> = {
    enumerable: true,
    configurable: true,
    get() {
      return this.#exchange.signal;
    },
  };
}

/** A logger that adds the request's correlation, made when the first line is written: most requests write none of their own. */
class RequestLog implements Logger {
  readonly #parent: Logger;
  readonly #requestId: string;
  readonly #traceId: string | undefined;
  #own: Logger | undefined;

  constructor(parent: Logger, requestId: string, traceId: string | undefined) {
    this.#parent = parent;
    this.#requestId = requestId;
    this.#traceId = traceId;
  }

  get #logger(): Logger {
    this.#own ??= this.#parent.child(
      this.#traceId === undefined ? { rid: this.#requestId } : { rid: this.#requestId, trace: this.#traceId },
    );
    return this.#own;
  }

  trace(fields: object, message?: string): void {
    this.#logger.trace(fields, message);
  }
  debug(fields: object, message?: string): void {
    this.#logger.debug(fields, message);
  }
  info(fields: object, message?: string): void {
    this.#logger.info(fields, message);
  }
  warn(fields: object, message?: string): void {
    this.#logger.warn(fields, message);
  }
  error(fields: object, message?: string): void {
    this.#logger.error(fields, message);
  }
  fatal(fields: object, message?: string): void {
    this.#logger.fatal(fields, message);
  }
  writes(level: LogLevel): boolean {
    return this.#parent.writes?.(level) ?? true;
  }
  child(fields: object): Logger {
    return this.#logger.child(fields);
  }
}

/** What the face serves at a method and a path: made from resources, routes and the built-in views. */
export interface Endpoint {
  readonly method: string;
  /** Complete path with `{name}` parameters, version prefix included. */
  readonly path: string;
  /** Short name for logs and metrics, `kittens.get`. */
  readonly name: string;
  /** Who declared it, for messages: `resource kittens`. */
  readonly declaredBy: string;
  readonly kind: EndpointKind;
  /** False: known but switched off, answers 405. */
  readonly enabled: boolean;
  /** Switched off by its declaration: a route may take its place. */
  readonly vacant: boolean;
  /** Callers are authenticated. */
  readonly identify: boolean;
  /** Credentials that are not valid count as none. */
  readonly lenient: boolean;
  /** Answers JSON only: 406 when that is not acceptable. */
  readonly jsonOnly: boolean;
  /** Part of the versioned API: origins that are not allowed are refused. */
  readonly api: boolean;
  /** A probe: never limited, shed or ended, and logged as debug. */
  readonly operational: boolean;
  /** Shed last under overload. */
  readonly important: boolean;
  /** The path carries a secret: logs show its pattern. */
  readonly secretPath: boolean;
  /** Announced on every answer. */
  readonly notice?: Notice | undefined;
  /** Bounded by a limit of its own instead of that of requests. */
  readonly ownLimit: boolean;
  /** Serves who asks for an event stream. */
  readonly stream?: Endpoint;
  run(exchange: Exchange, params: Readonly<Record<string, string>>): Answer | Promise<Answer>;
}

export interface RegisteredEndpoint extends Endpoint {
  readonly metrics: HandlerMetrics;
  readonly stream?: RegisteredEndpoint;
}
