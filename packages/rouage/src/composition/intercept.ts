/** Interceptors around the face: composed once, and nothing at all where there are none. */
import type { RestFace } from "../faces/rest/rest.ts";
import type { HttpRequest, HttpResponse } from "../http.ts";
import type { Interceptor } from "../service-declaration.ts";

type Face = Pick<RestFace, "handle" | "fail" | "complete">;
type Handle = (request: HttpRequest) => Promise<HttpResponse>;

/** The door with its interceptors, the first outermost. Never rejects: what one throws is answered like any other error. */
export function intercepted(interceptors: readonly Interceptor[], face: Face): Handle {
  if (interceptors.length === 0) return face.handle;
  const chain = interceptors.reduceRight<Handle>(
    (next, interceptor) => async (request) => interceptor(request, next),
    face.handle,
  );
  return async (request) => {
    try {
      const response = await chain(request);
      // What came from the face has an id, except inside of a batch, which has it for all.
      const isComplete = response.headers["x-request-id"] !== undefined || request.partOf !== undefined;
      return isComplete ? response : face.complete(request, response);
    } catch (error) {
      return face.fail(request, error);
    }
  };
}
