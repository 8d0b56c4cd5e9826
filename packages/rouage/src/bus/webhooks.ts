/** Webhooks: receivers elsewhere, named by settings, that are told of events by signed POST requests. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { BackgroundTask, ServiceContext } from "../service-declaration.ts";
import type { WebhookSettings } from "../settings.ts";
import type { Storage } from "../storage/storage.ts";
import { consumerLists } from "./consumer.ts";
import { listen } from "./events-listener.ts";
import { DeliveryFailed, deliver, type Receiver } from "./webhooks-delivery.ts";
import { keyOfSecret } from "./webhooks-signature.ts";

export interface WebhookOptions {
  readonly webhooks: readonly WebhookSettings[];
  /** Longest wait for an answer. Default 15 s. */
  readonly timeoutMs?: number;
  /** Waits between attempts. Default: a timer. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

const defaultAttempts = 20;
const retry = { initialMs: 1000, maximumMs: 600_000 } as const;

/**
 * The tasks that deliver, one for each receiver: each has its own position in the log, so that one that is away keeps no other waiting.
 * @throws Error when two share a name, or a secret is missing or none
 */
export function webhookTasks({ webhooks, timeoutMs = 15_000, wait }: WebhookOptions): readonly BackgroundTask[] {
  const names = webhooks.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Error(`setting webhooks: two are called ${twice}`);
  return webhooks.map((webhook) => {
    const receiver = { url: webhook.url, keys: keysOf(webhook), timeoutMs };
    return {
      name: taskName(webhook),
      once: true,
      start: (context) => start(webhook, receiver, wait ?? pause, context),
    };
  });
}

/** Under which position and dead letters are kept. */
function taskName({ name }: WebhookSettings): string {
  return `webhook-${name}`;
}

async function start(
  webhook: WebhookSettings,
  receiver: Receiver,
  wait: NonNullable<WebhookOptions["wait"]>,
  context: ServiceContext,
): Promise<() => Promise<void>> {
  const { storage, clock, metrics } = context;
  const log = context.log.child({ webhook: webhook.name });
  const resources = chosen(webhook, context);
  const outcome = (result: string) =>
    metrics.counter(
      "webhook_deliveries_total",
      "Webhook requests by what became of them: delivered, failed (a try), gone (the receiver wants no more)",
      { webhook: webhook.name, outcome: result },
    );
  const delivered = outcome("delivered");
  const failed = outcome("failed");
  const gone = outcome("gone");
  if (await isSwitchedOff(storage, webhook)) {
    log.warn({}, "webhook stays switched off: its receiver has answered 410; another url switches it on");
    return async () => {};
  }

  let patienceMs = 0;
  const task = listen({
    name: taskName(webhook),
    resources,
    ...(webhook.actions === undefined ? {} : { actions: webhook.actions }),
    publicOnly: true,
    retry: { ...retry, attempts: webhook.attempts ?? defaultAttempts },
    wait: (ms, signal) => {
      const waited = Math.max(ms, patienceMs);
      patienceMs = 0;
      return wait(waited, signal);
    },
    async handler(event, consuming) {
      try {
        await deliver(receiver, event, consuming, clock.now());
        delivered.add();
      } catch (error) {
        if (!(error instanceof DeliveryFailed)) throw error;
        patienceMs = error.retryAfterMs;
        (error.isGone ? gone : failed).add();
        if (error.isGone) {
          await switchOff(storage, webhook, clock.now());
          log.error({}, "webhook switched off: its receiver answered 410");
          // Not awaited: stopping waits for this handler.
          void stop();
        }
        throw error;
      }
    },
  });
  let stopped: Promise<void> | undefined;
  const started = Promise.resolve(task.start(context));
  function stop(): Promise<void> {
    stopped ??= started.then((end) => end());
    return stopped;
  }
  await started;
  return stop;
}

function chosen({ name, resources }: WebhookSettings, context: ServiceContext) {
  if (resources === undefined) return context.resources;
  const unknown = resources.filter((wanted) => !context.resources.some((resource) => resource.name === wanted));
  if (unknown.length > 0) throw new Error(`setting webhooks: ${name}: no such resource: ${unknown.join(", ")}`);
  return context.resources.filter((resource) => resources.includes(resource.name));
}

/** The first signs first; a receiver accepts any of them, so that secrets can be replaced one after the other. */
function keysOf({ name, secret = [], secret_file: path }: WebhookSettings): readonly Buffer[] {
  const texts = typeof secret === "string" ? [secret] : [...secret];
  if (path !== undefined) texts.push(...secretsOf(name, path));
  if (texts.length === 0) throw new Error(`setting webhooks: ${name}: secret or secret_file is required`);
  return texts.map((text) => {
    const key = keyOfSecret(text);
    if (key === undefined)
      throw new Error(`setting webhooks: ${name}: a secret is whsec_ and 24 to 64 bytes in Base64`);
    return key;
  });
}

function secretsOf(name: string, path: string): readonly string[] {
  try {
    return readFileSync(path, "utf8")
      .split(/\s+/)
      .filter((line) => line !== "");
  } catch (error) {
    const { code } = error as { readonly code?: string };
    throw new Error(`setting webhooks: ${name}: secret_file ${path} cannot be read: ${code ?? "unknown error"}`);
  }
}

const switchKey = (webhook: WebhookSettings) => ({
  resource: consumerLists.positions,
  parent: "",
  id: `${taskName(webhook)}.off`,
});

/** Of the URL, which may hold a secret, only a hash is kept. */
const hashOf = ({ url }: WebhookSettings): string => createHash("sha256").update(url).digest("hex");

async function switchOff(storage: Storage, webhook: WebhookSettings, time: number): Promise<void> {
  const body = JSON.stringify({ time, url_sha256: hashOf(webhook) });
  await storage.commit([{ kind: "put", key: switchKey(webhook), body, expect: { kind: "any" }, logBody: false }]);
}

async function isSwitchedOff(storage: Storage, webhook: WebhookSettings): Promise<boolean> {
  await storage.define([{ resource: consumerLists.positions, indexes: [], unique: [] }]);
  const entry = await storage.get(switchKey(webhook));
  return entry?.kind === "object" && JSON.parse(entry.body).url_sha256 === hashOf(webhook);
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal });
}
