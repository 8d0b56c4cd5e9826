/** One POST of one event to one receiver, bounded in time and size. Knows no retry. */
import { type Correlated, correlationHeaders } from "../operations/trace.ts";
import type { ChangeEvent } from "./events.ts";
import { signatureOf } from "./webhooks-signature.ts";

export interface Receiver {
  readonly url: string;
  readonly keys: readonly Buffer[];
  readonly timeoutMs: number;
}

/** The receiver has not taken the event. */
export class DeliveryFailed extends Error {
  /** Kept with dead letters, which know errors by their names. */
  override readonly name: string;
  readonly isGone: boolean;
  /** How long the receiver asks to be left alone. */
  readonly retryAfterMs: number;
  constructor(reason: string, options: { readonly isGone?: boolean; readonly retryAfterMs?: number } = {}) {
    super(reason);
    this.name = `DeliveryFailed (${reason})`;
    this.isGone = options.isGone === true;
    this.retryAfterMs = options.retryAfterMs ?? 0;
  }
}

/** What is read of an answer, so that the connection can be used again. */
const mostAnswer = 64 * 1024;
const longestRetryAfterMs = 3_600_000;

/** @throws DeliveryFailed; what `signal` aborts with */
export async function deliver(
  { url, keys, timeoutMs }: Receiver,
  event: ChangeEvent,
  correlated: Correlated & { readonly signal: AbortSignal },
  now: number,
): Promise<void> {
  const body = JSON.stringify(event.payload);
  const seconds = Math.floor(now / 1000);
  let response: Response;
  try {
    response = await fetch(url, {
      method: "POST",
      redirect: "manual",
      signal: AbortSignal.any([correlated.signal, AbortSignal.timeout(timeoutMs)]),
      headers: {
        ...correlationHeaders(correlated),
        "content-type": "application/json",
        "user-agent": "rouage",
        "webhook-id": event.id,
        "webhook-timestamp": String(seconds),
        "webhook-signature": signatureOf(keys, event.id, seconds, body),
      },
      body,
    });
  } catch (error) {
    correlated.signal.throwIfAborted();
    throw new DeliveryFailed(reasonOf(error));
  }
  await drop(response);
  if (response.ok) return;
  const retryAfterMs = retryAfterOf(response.headers.get("retry-after"), now);
  throw new DeliveryFailed(`status ${response.status}`, { isGone: response.status === 410, retryAfterMs });
}

/** Never quotes what a receiver or a library says: it may hold the URL, and that a secret. */
function reasonOf(error: unknown): string {
  if (error instanceof Error && error.name === "TimeoutError") return "timeout";
  const code = (error as { readonly cause?: { readonly code?: unknown } }).cause?.code;
  return typeof code === "string" && /^[A-Z_]+$/.test(code) ? code : "no connection";
}

async function drop(response: Response): Promise<void> {
  let size = 0;
  try {
    // Leaving the loop cancels what is left.
    for await (const chunk of response.body ?? []) {
      size += chunk.byteLength;
      if (size > mostAnswer) return;
    }
  } catch {
    // The status has arrived; the rest tells nothing.
  }
}

/** RFC 9110 §10.2.3: seconds, or a date. */
function retryAfterOf(header: string | null, now: number): number {
  if (header === null) return 0;
  const ms = /^\d{1,9}$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isNaN(ms) ? 0 : Math.min(longestRetryAfterMs, Math.max(0, ms));
}
