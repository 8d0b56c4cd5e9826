/** For the tests of this folder: a face on a clock of its own, and requests as plain calls. */
import type { AuthenticationPolicy } from "../../auth/policy.ts";
import { type ManualClock, manualClock } from "../../clock.ts";
import { ServiceError } from "../../errors.ts";
import type { HttpRequest, HttpResponse } from "../../http.ts";
import { createAllOperations, definitionOf } from "../../operations/create-operations.ts";
import type { Resource } from "../../resource.ts";
import type { Settings } from "../../settings.ts";
import { readServiceSettings } from "../../settings.ts";
import { memoryStorage } from "../../storage/memory.ts";
import type { Storage } from "../../storage/storage.ts";
import { type Logger, silentLogger } from "../../telemetry/log.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { createRestFace, type RestFace, type RestFaceParts } from "./rest.ts";

/** A face over declared resources on a memory storage. */
export async function resourceFace(resources: readonly Resource[], options: FaceOptions = {}): Promise<RestFace> {
  const clock = options.clock ?? manualClock();
  const storage = options.storage ?? memoryStorage({ clock });
  await storage.define(resources.map(definitionOf));
  const settings = { ...readServiceSettings("kittens", {}), ...options.settings };
  const operations = createAllOperations(resources, {
    storage,
    clock,
    log: options.log ?? silentLogger,
    settings: {
      pageSize: settings.paginate_by,
      maxFetch: settings.storage_max_fetch_size,
      bodyLimit: settings.body_limit,
      bodyDepth: settings.body_depth,
      readonly: settings.readonly,
    },
  });
  const served = resources.map((resource) => {
    const own = operations.get(resource.name);
    if (own === undefined) throw new Error(`no operations for ${resource.name}`);
    return { resource, operations: own };
  });
  return testFace({ ...options, clock, resources: served });
}

export interface FaceOptions extends Partial<Omit<RestFaceParts, "settings" | "clock">> {
  readonly settings?: Partial<Settings>;
  readonly clock?: ManualClock;
  readonly storage?: Storage;
}

export function testFace({ settings = {}, storage: _, ...parts }: FaceOptions = {}): RestFace {
  return createRestFace({
    name: "kittens",
    version: "1.2.3",
    clock: parts.clock ?? manualClock(),
    log: silentLogger,
    metrics: noMetrics,
    resources: [],
    routes: [],
    authentication: [namedCaller],
    capabilities: {},
    heartbeat: async () => ({ ok: true, body: { storage: true } }),
    openapi: () => ({ openapi: "3.1.0" }),
    ...parts,
    settings: { ...readServiceSettings("kittens", {}), ...settings },
  });
}

/** `Authorization: Test NAME` signs in as NAME; `Test !` is not valid. */
export const namedCaller: AuthenticationPolicy = {
  name: "test",
  challenge: 'Test realm="kittens"',
  securityScheme: { type: "http", scheme: "test" },
  authenticate(request) {
    const header = request.header("authorization");
    if (header === undefined || !header.startsWith("Test ")) return undefined;
    const id = header.slice(5);
    if (id === "!") throw new ServiceError("invalid-credentials");
    return { id: `test:${id}`, roles: new Set(id === "admin" ? ["admin"] : []), claims: {}, policy: "test" };
  },
};

export const noMetrics: Metrics = {
  counter: () => ({ add() {} }),
  histogram: () => ({ observe() {} }),
  gauge() {},
  expose: () => "",
  collect: () => [],
};

/** A logger that keeps its lines. */
export function recordingLogger(): Logger & {
  readonly lines: { level: string; fields: Record<string, unknown>; message: string | undefined }[];
} {
  const lines: { level: string; fields: Record<string, unknown>; message: string | undefined }[] = [];
  const at = (bound: object): Logger => {
    const write = (level: string) => (fields: object, message?: string) => {
      lines.push({ level, fields: { ...bound, ...fields }, message });
    };
    return {
      trace: write("trace"),
      debug: write("debug"),
      info: write("info"),
      warn: write("warn"),
      error: write("error"),
      fatal: write("fatal"),
      child: (fields) => at({ ...bound, ...fields }),
    };
  };
  return { ...at({}), lines };
}

export interface Call {
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON. */
  readonly body?: string | Uint8Array | object;
  /** Sign in as. */
  readonly as?: string;
  readonly signal?: AbortSignal;
}

/** Calls the face and reads its answer. */
export async function call(face: RestFace, method: string, url: string, options: Call = {}): Promise<Answered> {
  const response = await face.handle(testRequest(method, url, options));
  const text = await textOf(response);
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: isJson(response) ? JSON.parse(text) : undefined,
  };
}

export interface Answered {
  readonly status: number;
  readonly headers: HttpResponse["headers"];
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers whose shape they assert
  readonly json: any;
}

export function testRequest(method: string, url: string, { headers = {}, body, as, signal }: Call = {}): HttpRequest {
  const bytes =
    body === undefined
      ? new Uint8Array()
      : body instanceof Uint8Array
        ? body
        : new TextEncoder().encode(typeof body === "string" ? body : JSON.stringify(body));
  const all: Record<string, string> = {
    ...(typeof body === "object" && !(body instanceof Uint8Array) ? { "content-type": "application/json" } : {}),
    ...(body === undefined ? {} : { "content-length": String(bytes.length) }),
    ...(as === undefined ? {} : { authorization: `Test ${as}` }),
  };
  for (const [name, value] of Object.entries(headers)) all[name.toLowerCase()] = value;
  return {
    method,
    url,
    origin: "http://localhost:8888",
    header: (name) => (Object.hasOwn(all, name) ? all[name] : undefined),
    headers: () => all,
    body: async (limit) => {
      if (bytes.length > limit) throw new ServiceError("body-too-large");
      return bytes;
    },
    peer: "127.0.0.1",
    signal: signal ?? new AbortController().signal,
  };
}

async function textOf({ body }: HttpResponse): Promise<string> {
  return body === undefined ? "" : new Response(body as ConstructorParameters<typeof Response>[0]).text();
}

function isJson({ headers, body }: HttpResponse): boolean {
  const type = headers["content-type"];
  return body !== undefined && typeof type === "string" && type.endsWith("json");
}
