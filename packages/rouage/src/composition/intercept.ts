/** Interceptors around the face: composed once, and nothing at all where there are none. */
import type { HttpRequest, HttpResponse } from "../http.ts";
import type { Interceptor } from "../service-declaration.ts";

type Handle = (request: HttpRequest) => Promise<HttpResponse>;

/** The door with its interceptors, the first outermost. Never rejects: what one throws is answered by `fail`. */
export function intercepted(
  interceptors: readonly Interceptor[],
  handle: Handle,
  fail: (request: HttpRequest, error: unknown) => HttpResponse,
): Handle {
  if (interceptors.length === 0) return handle;
  const chain = interceptors.reduceRight<Handle>(
    (next, interceptor) => async (request) => interceptor(request, next),
    handle,
  );
  return async (request) => {
    try {
      return await chain(request);
    } catch (error) {
      return fail(request, error);
    }
  };
}
