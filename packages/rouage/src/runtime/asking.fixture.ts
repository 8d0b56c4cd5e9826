/** Requests over real connections, for tests of main programs that end. */
import { type Agent, get } from "node:http";

/** A request that got no answer. */
export class Unanswered extends Error {
  /**
   * Nobody has begun it: the port was closed, or closed while the connection, a new one, waited in the kernel to be accepted, which then resets it. A load
   * balancer goes elsewhere.
   */
  readonly isRefused: boolean;
  constructor(cause: NodeJS.ErrnoException, isNew: boolean) {
    super(cause.message, { cause });
    this.isRefused = cause.code === "ECONNREFUSED" || (isNew && cause.code === "ECONNRESET");
  }
}

/** @throws Unanswered */
export function ask(url: string, agent?: Agent): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: agent ?? false }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (text) => {
        body += text;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
      response.on("error", reject);
    });
    request.on("error", (error) => reject(new Unanswered(error, !request.reusedSocket)));
  });
}
