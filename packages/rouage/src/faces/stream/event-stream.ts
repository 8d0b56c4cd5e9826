/** Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html): what happens to a list, as text that clients resume by its ids. */
import type { ErrorKind, ServiceError } from "../../errors.ts";
import type { WatchEvent } from "../../operations/operations.ts";

export const eventStreamType = "text/event-stream";

/** How long a client waits before it comes back: not all at once, when they are many and their service was started anew. */
function retryMs(): number {
  return 2000 + Math.floor(Math.random() * 3000);
}

export function frameOf(event: WatchEvent): string {
  switch (event.kind) {
    case "open":
      return `retry: ${retryMs()}\n\n`;
    case "idle":
      return ":\n\n";
    case "ready":
      return frame("ready", event.revision, `{"last_modified":${event.revision}}`);
    default:
      return frame(event.kind, event.revision, event.json);
  }
}

/** The last event of a stream that ends because of the caller: what a new request would be refused with. */
export function endFrame(error: ServiceError): string {
  const { status, errno, title }: ErrorKind = error.kind;
  const data = JSON.stringify({ code: status, errno, error: title, message: error.message });
  return `event: end\ndata: ${data}\n\n`;
}

function frame(name: string, id: number, data: string): string {
  // Line breaks in JSON text are white space between its parts: inside of strings they are escaped.
  const line = breaks.test(data) ? data.replaceAll(allBreaks, " ") : data;
  return `event: ${name}\nid: ${id}\ndata: ${line}\n\n`;
}

const breaks = /[\r\n]/;
const allBreaks = /[\r\n]/g;
