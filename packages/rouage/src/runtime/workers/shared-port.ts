/** A port that a worker shares with others: its supervisor listens, and hands over connections. */
import type { Server as HttpServer } from "node:http";
import type { Socket } from "node:net";
import { type Address, addressFailure } from "../address.ts";
import type { Port } from "../port.ts";
import type { Member } from "./member.ts";

/**
 * Has a server serve the connections that the supervisor gives it.
 * @throws Error with a message for the operator when the address cannot be listened on
 */
export async function sharedPort(member: Member, server: HttpServer, address: Address): Promise<Port> {
  let open = 0;
  let ended = (): void => {};
  function received(socket: Socket): void {
    open++;
    socket.once("close", () => {
      open--;
      if (open === 0) ended();
    });
    // What `node:http` has its own connections do.
    socket.allowHalfOpen = true;
    socket.setNoDelay(true);
    server.emit("connection", socket);
  }
  const { bound, leave } = await member.listen(address, received);
  if (!("port" in bound)) throw addressFailure(bound, address);
  // What listens keeps a process alive; this server does not, and neither does the channel to the supervisor.
  const alive = setInterval(() => {}, 60_000);
  // From here on `node:http` watches the limits of time of its connections.
  server.emit("listening");
  return {
    number: bound.port,
    close: () => leave().finally(() => clearInterval(alive)),
    ended() {
      const { promise, resolve } = Promise.withResolvers<void>();
      ended = resolve;
      if (open === 0) resolve();
      return promise;
    },
  };
}
