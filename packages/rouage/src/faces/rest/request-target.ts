/** Path and query of a request, taken from its target and checked. */
import { invalid, ServiceError } from "../../errors.ts";
import type { Exchange } from "./exchange.ts";

/** Longest URL accepted, in characters. */
export const longestUrl = 8192;

/** Path and query of the request, checked. @throws ServiceError `uri-too-long`, `invalid-parameters` */
export function locate(exchange: Exchange): void {
  let { url } = exchange.request;
  if (url.length > longestUrl) throw new ServiceError("uri-too-long");
  // The absolute form of a request target (RFC 9112 §3.2.2).
  if (!url.startsWith("/")) url = url.replace(/^https?:\/\/[^/?#]*/i, "") || "/";
  const question = url.indexOf("?");
  exchange.path = question === -1 ? url : url.slice(0, question);
  exchange.search = question === -1 ? "" : url.slice(question + 1);
  if (!plainUrl.test(url))
    throw badEncoding("url", "Characters outside ASCII must be percent-encoded", "invalid-character");
  if (!url.includes("%")) return;
  if (!decodable(exchange.path)) throw badEncoding("path", "The path is not valid UTF-8", "invalid-utf8");
  if (exchange.path.includes("%00")) throw badEncoding("path", "Invalid character 0x00", "null-byte");
  if (!decodable(exchange.search)) throw badEncoding("querystring", "The query is not valid UTF-8", "invalid-utf8");
}

/** What is wrong with the URL of a request that an interceptor refused: that comes first. */
export function unreadable(exchange: Exchange): unknown {
  try {
    locate(exchange);
  } catch (error) {
    return error;
  }
  return undefined;
}

const plainUrl = /^[!-~]*$/;

function decodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

function badEncoding(location: "path" | "querystring" | "url", description: string, code: string): ServiceError {
  return invalid({ location, name: null, description, code });
}
