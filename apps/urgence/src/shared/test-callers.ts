/** For tests of services: callers without an accounts service, and calls that are answered by the test. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AuthenticationPolicy, type Logger, ServiceError } from "rouage";
import type { ServiceAnswer, ServiceCall, ServiceName } from "./client.ts";

export interface TestCaller {
  readonly id: string;
  readonly roles: readonly string[];
  readonly amr?: readonly string[];
  readonly site?: string | { readonly id: string; readonly name: string };
}

/** Believes what the token says: it is the caller itself, as JSON in base64url. */
export const testPolicy: AuthenticationPolicy = {
  name: "test",
  challenge: "Bearer",
  securityScheme: { type: "http", scheme: "bearer" },
  authenticate(request) {
    const token = /^Bearer (.+)$/.exec(request.header("authorization") ?? "")?.[1];
    if (token === undefined) return undefined;
    try {
      const caller = JSON.parse(Buffer.from(token, "base64url").toString()) as TestCaller;
      return { id: caller.id, roles: new Set(caller.roles), claims: { ...caller }, policy: "test" };
    } catch (cause) {
      throw new ServiceError("invalid-credentials", { cause });
    }
  },
};

export function authorization(caller: TestCaller): string {
  return `Bearer ${Buffer.from(JSON.stringify(caller)).toString("base64url")}`;
}

/** A request as this caller; an object body is sent as JSON. */
export function requestAs(
  caller: TestCaller | undefined,
  method: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Request {
  const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  return new Request(`http://service.test${path}`, {
    method,
    headers: {
      ...(caller === undefined ? {} : { authorization: authorization(caller) }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(text === undefined ? {} : { body: text }),
  });
}

export interface MadeCall {
  readonly service: ServiceName;
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

/** Calls to other services, answered by the test; `undefined` stands for 404. */
export function testCalls(
  answer: (call: MadeCall) => object | undefined | Promise<object | undefined>,
): ServiceCall & { readonly made: MadeCall[] } {
  const made: MadeCall[] = [];
  const call: ServiceCall = async (service, method, path, options = {}): Promise<ServiceAnswer> => {
    const one = { service, method, path, body: options.body };
    made.push(one);
    const data = await answer(one);
    return data === undefined
      ? { status: 404, body: { code: 404, errno: 110 }, headers: {} }
      : { status: 200, body: { data }, headers: {} };
  };
  return Object.assign(call, { made });
}

export async function temporaryFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "urgence-test-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Resolves when the condition holds. @throws Error after five seconds */
export async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 5_000;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error("the condition never held");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A logger whose lines can be read. */
export function captureLog(): { readonly log: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  const write = (fields: object, message?: string) => void lines.push(JSON.stringify([message, fields], replacer));
  const log: Logger = {
    trace: write,
    debug: write,
    info: write,
    warn: write,
    error: write,
    fatal: write,
    child: () => log,
  };
  return { log, lines };
}

function replacer(_key: string, value: unknown): unknown {
  return value instanceof Error ? { message: value.message, stack: value.stack, cause: value.cause } : value;
}
