/** Bounds on what runs at once: a concurrency limit (429) and shedding under overload (503). Both refuse before any work is done. */
import { ServiceError } from "../../errors.ts";

export interface LimitOptions {
  /** Most requests at once. */
  readonly maximum: number;
  /** Event-loop delay beyond which requests are shed, milliseconds; 0: never. */
  readonly shedDelayMs: number;
  /** Current event-loop delay, milliseconds. */
  readonly eventLoopDelay: () => number;
  /** Seconds that a refused client is asked to wait. */
  readonly retryAfter: number;
}

export interface Limits {
  /** Takes a slot; the error to answer when there is none. An important request is shed at twice the delay. */
  enter(important: boolean): ServiceError | undefined;
  /** The error to answer while there is too much to do already; takes no slot. */
  shed(important: boolean): ServiceError | undefined;
  /** Returns the slot. */
  leave(): void;
  /** Slots taken. */
  running(): number;
}

export function createLimits({ maximum, shedDelayMs, eventLoopDelay, retryAfter }: LimitOptions): Limits {
  let running = 0;
  const wait = String(retryAfter);
  const shed: Limits["shed"] = (important) =>
    shedDelayMs > 0 && eventLoopDelay() > (important ? 2 * shedDelayMs : shedDelayMs)
      ? new ServiceError("unavailable", { headers: { "retry-after": wait, backoff: wait } })
      : undefined;
  return {
    shed,
    enter(important) {
      if (running >= maximum)
        return new ServiceError("too-many-requests", {
          message: "Busy: too many requests at once, please retry later.",
          headers: { "retry-after": wait },
        });
      const overloaded = shed(important);
      if (overloaded !== undefined) return overloaded;
      running++;
      return undefined;
    },
    leave() {
      running--;
    },
    running: () => running,
  };
}
