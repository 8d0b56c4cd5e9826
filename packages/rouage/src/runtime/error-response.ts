/** Errors that arise before or beside a service, in the protocol's JSON form. */
import { ServiceError } from "../errors.ts";
import type { HttpResponse } from "../http.ts";

/** The answer to an error; anything but a ServiceError shows as the generic 500. */
export function errorResponse(error: unknown): HttpResponse {
  const known = ServiceError.is(error) ? error : new ServiceError("internal");
  const { status, errno, title } = known.kind;
  const body = {
    code: status,
    errno,
    error: title,
    ...(known.hasMessage ? { message: known.message } : {}),
    ...(known.details === undefined ? {} : { details: known.details }),
  };
  return {
    status,
    headers: { "content-type": "application/json", "x-content-type-options": "nosniff", ...known.headers },
    body: JSON.stringify(body),
  };
}

/** The same as the bytes of an HTTP/1.1 answer after which the connection ends. */
export function rawError(error: ServiceError): string {
  const { status, headers, body } = errorResponse(error);
  const text = String(body);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${error.kind.title}\r\n${lines.join("")}content-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`;
}
