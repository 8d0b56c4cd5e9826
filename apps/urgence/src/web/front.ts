/** What the door in front of all services needs from the pages: errors that people can read. */
import { type Door, type HttpRequest, type HttpResponse, toFetch } from "rouage";
import { friendlyError } from "./errors.ts";

/** The same door, with errors as pages for browsers that ask for pages. API clients get what they got before. */
export function withErrorPages(door: Door): Door {
  const handle = async (request: HttpRequest): Promise<HttpResponse> =>
    friendlyError(request, await door.handle(request));
  return Object.create(door, {
    handle: { value: handle, enumerable: true },
    fetch: { value: toFetch(handle), enumerable: true },
  }) as Door;
}
