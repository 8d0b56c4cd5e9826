/** What the door in front of all services needs from the pages: their addresses first, and errors that people can read. */
import { type Door, type HttpRequest, type HttpResponse, type Service, toFetch } from "rouage";
import { friendlyError } from "./errors.ts";

/** A service as the door sees it: what the pages serve at the same address (`/e/{token}`) is theirs, and they ask the service. */
export function behindPages(service: Service, pages: Pick<Service, "paths">): Service {
  const taken = new Set(pages.paths.map(({ path }) => path).filter((path) => path.startsWith("/e/")));
  const paths = service.paths.filter(({ path }) => !taken.has(path));
  return Object.create(service, { paths: { value: paths, enumerable: true } }) as Service;
}

/** The same door, with errors as pages for browsers that ask for pages. API clients get what they got before. */
export function withErrorPages(door: Door): Door {
  const handle = async (request: HttpRequest): Promise<HttpResponse> =>
    friendlyError(request, await door.handle(request));
  return Object.create(door, {
    handle: { value: handle, enumerable: true },
    fetch: { value: toFetch(handle), enumerable: true },
  }) as Door;
}
