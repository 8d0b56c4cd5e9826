/**
 * The open streams of a service: how many there may be, what each holds back for a client that reads slowly (one event), and how they end.
 * A stream has no deadline and takes no slot of the requests' limit.
 */
import { ServiceError } from "../../errors.ts";
import type { WatchEvent } from "../../operations/operations.ts";
import type { Settings } from "../../settings.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { endFrame, frameOf } from "./event-stream.ts";

export interface Streams {
  /**
   * A stream of what is watched; its first event has come, so that what refuses the caller is thrown.
   * @param watch what to watch, until `signal` aborts; calls `tooSlow` when the client is
   * @param caller who holds the stream; undefined: nobody that could be told from others
   * @throws ServiceError `too-many-requests`, `unavailable` while the service ends, and what watching throws
   */
  open(
    caller: string | undefined,
    watch: (signal: AbortSignal, tooSlow: () => void) => AsyncIterable<WatchEvent>,
    log: Logger,
  ): Promise<ReadableStream<Uint8Array>>;
  /** Ends every stream and refuses new ones: clients resume elsewhere. */
  drain(): void;
}

export interface StreamsOptions {
  readonly settings: Pick<Settings, "stream_limit" | "stream_limit_per_caller" | "retry_after_seconds">;
  readonly metrics: Pick<Metrics, "counter" | "gauge">;
  /** How long a client may leave untaken what it was sent. Default one minute. */
  readonly stallMs?: number;
}

type EndReason = "client" | "slow" | "refused" | "drained" | "failed";

/** How long a client that has stopped reading is waited for when the service ends. */
const drainMs = 500;

export function createStreams({ settings, metrics, stallMs = 60_000 }: StreamsOptions): Streams {
  const { stream_limit: most, stream_limit_per_caller: mostOfOne } = settings;
  const retryAfter = String(Math.ceil(settings.retry_after_seconds));
  const held = new Map<string, number>();
  const enders = new Set<() => void>();
  const encoder = new TextEncoder();
  let count = 0;
  let isDraining = false;

  metrics.gauge("streams_open", "Change streams that are open", () => count);
  const sent = metrics.counter("stream_events_total", "Changes sent to change streams");
  const ends = (reason: EndReason) =>
    metrics.counter(
      "stream_ends_total",
      "Change streams by why they ended: client (gone), slow (reads too slowly), refused (access or credentials ended), drained, failed",
      { reason },
    );
  const ended = {
    client: ends("client"),
    slow: ends("slow"),
    refused: ends("refused"),
    drained: ends("drained"),
    failed: ends("failed"),
  } as const;

  function admit(caller: string | undefined): () => void {
    if (isDraining) throw new ServiceError("unavailable", { headers: { "retry-after": retryAfter } });
    const own = caller === undefined ? 0 : (held.get(caller) ?? 0);
    if (count >= most || own >= mostOfOne)
      throw new ServiceError("too-many-requests", {
        message: count >= most ? "Too many streams are open." : "You have too many streams open.",
        headers: { "retry-after": retryAfter },
      });
    count++;
    if (caller !== undefined) held.set(caller, own + 1);
    return () => {
      count--;
      if (caller === undefined) return;
      const left = (held.get(caller) ?? 1) - 1;
      if (left === 0) held.delete(caller);
      else held.set(caller, left);
    };
  }

  return {
    async open(caller, watch, log) {
      const leave = admit(caller);
      const ending = new AbortController();
      let cut = (_: EndReason): void => {};
      const events = watch(ending.signal, () => cut("slow"))[Symbol.asyncIterator]();
      let first: WatchEvent | undefined;
      try {
        const { value, done } = await events.next();
        if (done === true || isDraining)
          throw new ServiceError("unavailable", { headers: { "retry-after": retryAfter } });
        first = value;
      } catch (error) {
        leave();
        ending.abort();
        throw error;
      }

      let isOver = false;
      let isAsked = false;
      let stalled: NodeJS.Timeout | undefined;
      const finish = (reason: EndReason): void => {
        if (isOver) return;
        isOver = true;
        enders.delete(end);
        clearTimeout(stalled);
        leave();
        ending.abort();
        ended[reason].add();
      };
      function end(): void {
        ending.abort();
        // Who waits for more gets a proper end at once. Who does not read what it has is not waited for long.
        if (isAsked) setTimeout(() => cut("drained"), drainMs).unref();
        else cut("drained");
      }
      enders.add(end);

      return new ReadableStream<Uint8Array>(
        {
          start(controller) {
            cut = (reason) => {
              if (isOver) return;
              finish(reason);
              controller.error(new ServiceError("unavailable"));
            };
          },
          async pull(controller) {
            isAsked = true;
            clearTimeout(stalled);
            try {
              const event = first ?? (await next());
              first = undefined;
              if (isOver) return;
              if (event === undefined) {
                finish(isDraining ? "drained" : "client");
                controller.close();
                return;
              }
              if ("json" in event) sent.add();
              controller.enqueue(encoder.encode(frameOf(event)));
              // The next is asked for as soon as this one is on its way.
              stalled = setTimeout(() => cut("slow"), stallMs);
              stalled.unref();
            } catch (error) {
              if (!isOver) fail(controller, error);
            } finally {
              isAsked = false;
            }
          },
          cancel: () => finish("client"),
        },
        { highWaterMark: 0 },
      );

      async function next(): Promise<WatchEvent | undefined> {
        const { value, done } = await events.next();
        return done === true ? undefined : value;
      }

      function fail(controller: ReadableStreamDefaultController<Uint8Array>, error: unknown): void {
        if (ServiceError.is(error) && error.kind.status < 500) {
          finish("refused");
          controller.enqueue(encoder.encode(endFrame(error)));
          controller.close();
          return;
        }
        const isSlow = ServiceError.is(error) && error.code === "unavailable";
        if (!isSlow) log.error({ err: error }, "change stream failed");
        finish(isSlow ? "slow" : "failed");
        controller.error(error);
      }
    },
    drain() {
      isDraining = true;
      for (const end of [...enders]) end();
    },
  };
}
