/** The body of an `IncomingMessage` as a stream, with backpressure: who does not read makes the sender wait. */
import type { IncomingMessage } from "node:http";
import { invalid, ServiceError } from "../errors.ts";

/** Bytes that may wait for who reads, beside those in the message's own buffer. */
const waitingBytes = 65_536;

/** Fails with `body-too-large` behind `limit` bytes, and with `invalid-parameters` where the client ends before the body does. */
export function streamBody(message: IncomingMessage, limit: number): ReadableStream<Uint8Array> {
  if (message.readableDidRead) return failing(new Error("the body was read already"));
  if (message.destroyed) return failing(cut());
  let over = false;
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        let length = 0;
        const fail = (error: Error): void => {
          if (over) return;
          over = true;
          controller.error(error);
        };
        message.on("data", (chunk: Buffer) => {
          if (over) return;
          length += chunk.length;
          if (length > limit) {
            message.pause();
            fail(new ServiceError("body-too-large"));
            return;
          }
          controller.enqueue(chunk);
          if ((controller.desiredSize ?? 0) <= 0) message.pause();
        });
        message.on("end", () => {
          if (over) return;
          over = true;
          controller.close();
        });
        // Also for errors of the connection that belong to nobody any more.
        message.on("close", () => fail(cut()));
        message.on("error", () => fail(cut()));
      },
      pull: () => void message.resume(),
      cancel() {
        over = true;
        message.pause();
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: waitingBytes }),
  );
}

export function failing(error: Error): ReadableStream<Uint8Array> {
  return new ReadableStream({ start: (controller) => controller.error(error) });
}

export function cut(): ServiceError {
  return invalid({
    location: "body",
    name: null,
    description: "The request ended before its body was complete",
    code: "incomplete",
  });
}
