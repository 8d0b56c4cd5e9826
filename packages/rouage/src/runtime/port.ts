/** A port of this process: how it is opened, and how it is closed without losing who stands in front of it. */
import type { Server as HttpServer } from "node:http";
import { Server as NetServer } from "node:net";
import { type Address, addressFailure } from "./address.ts";
import { whenQuiet } from "./when-quiet.ts";

/** Where a server's connections come from. */
export interface Port {
  readonly number: number;
  /** Resolves when no connection comes any more; who was connected before the call has been let in. */
  close(): Promise<void>;
  /** Resolves when all connections have ended; to be called when `close` has resolved. */
  ended(): Promise<void>;
}

/**
 * Listens.
 * @throws Error with a message for the operator when the address cannot be listened on
 */
export async function ownPort(server: HttpServer, { host, port }: Address): Promise<Port> {
  // A worker asks its supervisor for the port, through a channel that keeps no process alive.
  const alive = setInterval(() => {}, 60_000);
  const ended = Promise.withResolvers<void>();
  let accepted = 0;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(addressFailure(error, { host, port })));
    server.listen({ host, port, backlog }, () => {
      server.removeAllListeners("error");
      server.on("error", () => {});
      resolve();
    });
  }).finally(() => clearInterval(alive));
  server.on("connection", () => {
    accepted++;
  });
  const address = server.address();
  return {
    number: typeof address === "object" && address !== null ? address.port : port,
    async close() {
      await whenQuiet(() => accepted);
      // The close of `node:http` would also cut connections that look idle while their next request is on its way.
      NetServer.prototype.close.call(server, () => ended.resolve());
    },
    ended: () => ended.promise,
  };
}

/** A long one: a burst of new connections waits in the kernel instead of being refused. */
export const backlog = 1024;
