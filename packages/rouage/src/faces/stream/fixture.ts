/** What tests of streams share: a service behind a real port, and a client that keeps what it hears. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { Agent, type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import type { Resource } from "../../resource.ts";
import { serve } from "../../runtime/run.ts";
import { service } from "../../service.ts";
import type { ServiceDeclaration, StartOptions } from "../../service-declaration.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { namedCaller } from "../rest/fixture.ts";

export const storages = ["memory", "sqlite"] as const;

export async function serving(
  t: TestContext,
  resources: readonly Resource[],
  options: StartOptions & {
    readonly kind?: (typeof storages)[number];
    readonly declaration?: Partial<ServiceDeclaration>;
  } = {},
) {
  const { kind = "memory", declaration, settings, ...more } = options;
  const folder = mkdtempSync(join(tmpdir(), "stream-"));
  const running = await service({
    ...{ name: "kittens", version: "1", resources, authentication: [namedCaller] },
    ...declaration,
  }).start({
    log: silentLogger,
    ...more,
    settings: { storage: kind === "memory" ? "memory:" : `sqlite:${join(folder, "kittens.db")}`, port: 0, ...settings },
  });
  const server = await serve(running);
  t.after(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  async function call(method: string, path: string, data?: object, as?: string) {
    const response = await fetch(`${server.origin}/v1${path}`, {
      method,
      headers: { "content-type": "application/json", ...(as === undefined ? {} : { authorization: `Test ${as}` }) },
      ...(data === undefined ? {} : { body: JSON.stringify({ data }) }),
    });
    const body = (await response.json()) as { data: { id: string; last_modified: number } };
    assert.ok(response.status < 300, JSON.stringify(body));
    return body.data;
  }

  return {
    origin: server.origin,
    running,
    stop: server.stop,
    call,
    follow: (path: string, as?: string, headers: Record<string, string> = {}) =>
      follow(t, `${server.origin}/v1${path}`, {
        ...headers,
        ...(as === undefined ? {} : { authorization: `Test ${as}` }),
      }),
    metric: (line: string) => Number(new RegExp(`^${line} (\\d+)$`, "m").exec(running.metrics())?.[1] ?? Number.NaN),
  };
}

export interface Followed {
  readonly status: number;
  readonly response: IncomingMessage;
  readonly events: readonly EventSourceMessage[];
  readonly comments: () => number;
  /** Of the last event, to come back with. */
  readonly lastId: () => string | undefined;
  readonly isClosed: () => boolean;
  until(isSo: () => boolean): Promise<void>;
  text(): string;
  close(): void;
}

/** Opens a stream; every answer other than one is read to its end. */
export async function follow(t: TestContext, url: string, headers: Record<string, string> = {}): Promise<Followed> {
  const events: EventSourceMessage[] = [];
  let comments = 0;
  let text = "";
  let isClosed = false;
  let wake = (): void => {};
  const agent = new Agent();
  t.after(() => agent.destroy());
  const parser = createParser({
    onEvent: (event) => void events.push(event),
    onComment: () => void comments++,
  });
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request(url, { agent, headers: { accept: "text/event-stream", ...headers } }, resolve)
      .on("error", reject)
      .end();
  });
  response.setEncoding("utf8");
  response.on("data", (chunk: string) => {
    text += chunk;
    parser.feed(chunk);
    wake();
  });
  response.on("error", () => {});
  response.on("close", () => {
    isClosed = true;
    wake();
  });
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) {
      assert.ok(!isClosed, `the stream ended: ${text.slice(-500)}`);
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  if (response.statusCode !== 200)
    while (!isClosed)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  return {
    status: response.statusCode ?? 0,
    response,
    events,
    comments: () => comments,
    lastId: () => events.at(-1)?.id,
    isClosed: () => isClosed,
    until,
    text: () => text,
    close: () => void response.destroy(),
  };
}

/** Waits until it is so, giving everything else its turn. */
export async function eventually(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setImmediate(resolve));
}
