/**
 * Status line and headers of an answer as one string. `node:http` checks every name and value with a regular expression and joins them one by one, for
 * each answer anew. Most headers are the same from answer to answer: they are checked and rendered once.
 */
import { type ServerResponse, STATUS_CODES, validateHeaderName, validateHeaderValue } from "node:http";
import type { HttpResponse } from "../http.ts";

export interface ResponseHeads {
  /**
   * Puts the head on a response whose body is `length` bytes, so that `response.end(body)` sends both; false where that is better left to
   * `writeHead`: a connection that ends, headers that say how the message is framed.
   * @throws TypeError for a name or value that HTTP cannot carry
   */
  put(response: ServerResponse, answer: Pick<HttpResponse, "status" | "headers">, length: number): boolean;
}

/** What `node:http` calls these; where it stops to, `put` finds nothing to put a head on. */
interface Framed {
  _header?: string | null;
  readonly _expect_continue?: boolean;
  readonly maxRequestsOnConnectionReached?: boolean;
}

/** The last value of a header, and its line. */
interface Known {
  readonly role: "framing" | "length" | "secret" | undefined;
  value: string | undefined;
  line: string;
}

/** Headers by which `node:http` decides about the connection or the message. */
const framing: ReadonlySet<string> = new Set([
  "connection",
  "transfer-encoding",
  "trailer",
  "upgrade",
  "expect",
  "date",
]);

function roleOf(name: string): Known["role"] {
  if (framing.has(name)) return "framing";
  if (name === "content-length") return "length";
  // Sessions are not kept in memory for longer than their answer.
  return name === "set-cookie" ? "secret" : undefined;
}

/** Names come from code, but also from the answers of others that are passed on. */
const mostNames = 256;
const longestKept = 1024;

export function responseHeads(keepAliveTimeoutMs: number): ResponseHeads {
  const seconds = Math.floor(keepAliveTimeoutMs / 1000);
  const ending = `\r\nConnection: keep-alive\r\n${keepAliveTimeoutMs > 0 ? `Keep-Alive: timeout=${seconds}\r\n` : ""}\r\n`;
  const lines = new Map<string, Known>();
  let dateUntil = 0;
  let date = "";

  function dated(): string {
    const now = Date.now();
    // Also when the clock was set back.
    if (now >= dateUntil || now < dateUntil - 1000) {
      dateUntil = now - (now % 1000) + 1000;
      date = `Date: ${new Date(now).toUTCString()}`;
    }
    return date;
  }

  function known(name: string): Known {
    let found = lines.get(name);
    if (found === undefined) {
      validateHeaderName(name);
      found = { role: roleOf(name.toLowerCase()), value: undefined, line: "" };
      if (lines.size < mostNames) lines.set(name, found);
    }
    return found;
  }

  function rendered(name: string, value: string, last: Known): string {
    if (last.value === value) return last.line;
    validateHeaderValue(name, value);
    const line = `${name}: ${value}\r\n`;
    if (last.role !== "secret" && value.length <= longestKept) {
      last.value = value;
      last.line = line;
    }
    return line;
  }

  return {
    put(response, { status, headers }, length) {
      const framed = response as Framed;
      if (framed._header !== null || !response.shouldKeepAlive) return false;
      if (framed._expect_continue === true || framed.maxRequestsOnConnectionReached === true) return false;
      let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "unknown"}\r\n`;
      let hasLength = false;
      for (const name in headers) {
        const last = known(name);
        if (last.role === "framing") return false;
        if (last.role === "length") hasLength = true;
        const value = headers[name];
        if (typeof value === "string") head += rendered(name, value, last);
        else if (value !== undefined) for (const item of value) head += rendered(name, item, last);
      }
      if (!hasLength) head += `content-length: ${length}\r\n`;
      response.statusCode = status;
      framed._header = head + dated() + ending;
      return true;
    },
  };
}
