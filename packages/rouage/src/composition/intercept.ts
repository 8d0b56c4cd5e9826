/** Interceptors around the face: composed once, and nothing at all where there are none. */
import { ServiceError } from "../errors.ts";
import type { RestFace } from "../faces/rest/rest.ts";
import type { HttpRequest, HttpResponse } from "../http.ts";
import type { Interceptor } from "../service-declaration.ts";

type Face = Pick<RestFace, "handle" | "fail" | "complete">;
type Handle = (request: HttpRequest) => Promise<HttpResponse>;

/**
 * The door with its interceptors, the first outermost. Never rejects: what one throws is answered like any other error, and one that never
 * ends is given up after `deadlineMs`, which has to be longer than what the face itself allows.
 */
export function intercepted(interceptors: readonly Interceptor[], face: Face, deadlineMs: number): Handle {
  if (interceptors.length === 0) return face.handle;
  const chain = interceptors.reduceRight<Handle>(
    (next, interceptor) => async (request) => interceptor(request, next),
    face.handle,
  );

  async function answer(request: HttpRequest): Promise<HttpResponse> {
    try {
      const response = await chain(request);
      // What came from the face has an id, except inside of a batch, which has it for all.
      const isComplete = response.headers["x-request-id"] !== undefined || request.partOf !== undefined;
      return isComplete ? response : face.complete(request, response);
    } catch (error) {
      return face.fail(request, error);
    }
  }

  // What is part of a batch has the batch's deadline.
  return (request) => (request.partOf === undefined ? within(request, answer(request)) : answer(request));

  function within(request: HttpRequest, answering: Promise<HttpResponse>): Promise<HttpResponse> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        const late = new ServiceError("deadline-exceeded");
        request.abort?.(late);
        resolve(face.fail(request, late));
        void answering.then(({ body }) => {
          if (body instanceof ReadableStream) body.cancel().catch(() => {});
        });
      }, deadlineMs);
      void answering.then((response) => {
        clearTimeout(timer);
        resolve(response);
      });
    });
  }
}
