/** Interceptors around the face: composed once, and nothing at all where there are none. */
import { ServiceError } from "../errors.ts";
import { deadlines, type Timed } from "../faces/rest/deadlines.ts";
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
  const { begin, end } = deadlines(deadlineMs);
  const chain = interceptors.reduceRight<Handle>(
    (next, interceptor) => (request) => {
      if (interceptor.concerns?.(request) === false) return next(request);
      try {
        const answer: unknown = interceptor(request, next);
        return (answer instanceof Promise ? answer : Promise.resolve(answer)) as Promise<HttpResponse>;
      } catch (error) {
        return Promise.reject(error);
      }
    },
    face.handle,
  );

  function completed(request: HttpRequest, response: HttpResponse): HttpResponse {
    try {
      // What came from the face has an id, except inside of a batch, which has it for all.
      const isComplete = response.headers["x-request-id"] !== undefined || request.partOf !== undefined;
      return isComplete ? response : face.complete(request, response);
    } catch (error) {
      return face.fail(request, error);
    }
  }

  function concernsAny(request: HttpRequest): boolean {
    for (const { concerns } of interceptors) if (concerns === undefined || concerns(request)) return true;
    return false;
  }

  return (request) => (concernsAny(request) ? through(request) : face.handle(request));

  function through(request: HttpRequest): Promise<HttpResponse> {
    return new Promise((resolve) => {
      let isLate = false;
      const timed: Timed = {
        late() {
          isLate = true;
          const late = new ServiceError("deadline-exceeded");
          request.abort?.(late);
          resolve(face.fail(request, late));
        },
      };
      const isPart = request.partOf !== undefined;
      // What is part of a batch has the batch's deadline.
      if (!isPart) begin(timed);
      chain(request).then(
        (response) => {
          if (!isPart) end(timed);
          if (!isLate) resolve(completed(request, response));
          else if (response.body instanceof ReadableStream) response.body.cancel().catch(() => {});
        },
        (error: unknown) => {
          if (!isPart) end(timed);
          if (!isLate) resolve(face.fail(request, error));
        },
      );
    });
  }
}
