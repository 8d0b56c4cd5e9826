/** Requests over real connections, for tests of main programs that end. */
import { type Agent, get } from "node:http";
import { connect, type Socket } from "node:net";

/** A request that got no answer. */
export class Unanswered extends Error {
  readonly #isRefused: boolean;
  readonly #newSince: number | undefined;
  /** @param newSince when its connection was begun, `performance.now()`; undefined for one that was used before */
  constructor(cause: NodeJS.ErrnoException, newSince: number | undefined) {
    super(cause.message, { cause });
    this.#isRefused = cause.code === "ECONNREFUSED";
    this.#newSince = cause.code === "ECONNRESET" ? newSince : undefined;
  }

  /**
   * Nobody has begun it, and nobody could: the port was closed, or was being closed in the very moment in which the kernel completed the connection. Whoever was
   * connected before the service was told to end has no such excuse.
   */
  isTooLate(toldToEnd: number): boolean {
    return this.#isRefused || (this.#newSince !== undefined && this.#newSince > toldToEnd);
  }
}

/** @throws Unanswered */
export function ask(url: string, agent?: Agent): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const request = get(url, { agent: agent ?? false }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (text) => {
        body += text;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
      response.on("error", reject);
    });
    request.on("error", (error) => reject(new Unanswered(error, request.reusedSocket ? undefined : began)));
  });
}

/** Connections on which nothing was asked yet. */
export interface Crowd {
  /** Asks the same on each. Answers the statuses; 0 for a connection that ended without one. */
  ask(path: string): Promise<readonly number[]>;
}

/** So many connections that the kernel has completed; whether somebody has accepted them is another matter. */
export async function crowd(origin: string, size: number): Promise<Crowd> {
  const { hostname, port } = new URL(origin);
  const sockets = Array.from({ length: size }, () => connect(Number(port), hostname));
  for (const socket of sockets) socket.on("error", () => {});
  // Each has called the kernel by then, which on one machine is all that it takes.
  await new Promise<void>((resolve) => process.nextTick(resolve));
  return {
    ask: (path) => Promise.all(sockets.map((socket) => askOn(socket, path))),
  };
}

async function askOn(socket: Socket, path: string): Promise<number> {
  let answer = "";
  socket.setEncoding("latin1").on("data", (text) => {
    answer += text;
  });
  socket.write(`GET ${path} HTTP/1.1\r\nhost: crowd\r\nconnection: close\r\n\r\n`);
  if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve));
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);
}
