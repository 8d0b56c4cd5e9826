/**
 * The ports that all workers share, in their supervisor: it accepts the connections and hands them to one worker after the other, each the next only when it
 * has the last one. What a worker did not take before it died is another's, and who connected before the last worker leaves is let in.
 */
import { createServer, type Server, type Socket } from "node:net";
import type { Address, AddressError } from "../address.ts";
import { backlog } from "../port.ts";
import { whenQuiet } from "../when-quiet.ts";

/** A worker as far as ports know it. */
export interface Recipient {
  /** Sends a connection that stays open here; false where nobody is there any more. */
  give(key: string, socket: Socket): boolean;
}

export type Bound = { readonly port: number } | AddressError;

export interface Ports {
  /** A worker wants connections from now on. The first one opens the port. */
  join(recipient: Recipient, key: string, address: Address): Promise<Bound>;
  /** A worker wants no more; when this resolves, it was given its last one. */
  leave(recipient: Recipient, key: string): Promise<void>;
  /** A worker has the connection that it was given last. */
  taken(recipient: Recipient, key: string): void;
  /** A worker has ended, in whatever way. */
  gone(recipient: Recipient): void;
  /** All workers are about to leave, and nobody will come: a port is closed before its last one does. */
  end(): void;
}

interface SharedPort {
  readonly server: Server;
  readonly bound: Promise<Bound>;
  /** Those that want connections, and those of them that can be given one, the longest waiting first. */
  readonly members: Set<Recipient>;
  readonly free: Set<Recipient>;
  /** On their way to a worker. */
  readonly given: Map<Recipient, Socket>;
  readonly waiting: Socket[];
  accepted: number;
  isClosed: boolean;
  /** Called when nothing waits any more. */
  emptied(): void;
}

/** Connections that wait for workers at most; what comes beyond is hung up on. */
const mostWaiting = 4096;

/** How long the last one that leaves waits for another to take its place, or for the news that none will. */
const successorMs = 1000;

export function createPorts(): Ports {
  const ports = new Map<string, SharedPort>();
  let isEnding = false;
  /** Resolved when a worker has joined, and when the end begins. */
  let news = Promise.withResolvers<void>();

  function open(key: string, address: Address): SharedPort {
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
    const bound = bind(server, address);
    const collections = { members: new Set<never>(), free: new Set<never>(), given: new Map(), waiting: [] };
    const shared: SharedPort = { server, bound, ...collections, accepted: 0, isClosed: false, emptied() {} };
    server.on("connection", (socket) => {
      shared.accepted++;
      socket.on("error", ignore);
      if (shared.waiting.length >= mostWaiting) return void socket.destroy();
      shared.waiting.push(socket);
      handOut(key, shared);
    });
    ports.set(key, shared);
    return shared;
  }

  function handOut(key: string, shared: SharedPort): void {
    const { free, given, waiting } = shared;
    for (const recipient of free) {
      const socket = waiting.shift();
      if (socket === undefined) break;
      free.delete(recipient);
      if (recipient.give(key, socket)) given.set(recipient, socket);
      else waiting.unshift(socket);
    }
    if (waiting.length === 0) shared.emptied();
  }

  function remove(recipient: Recipient, shared: SharedPort): void {
    shared.members.delete(recipient);
    shared.free.delete(recipient);
  }

  /** For good; who still waits has nobody to wait for. */
  function close(key: string, shared: SharedPort): void {
    ports.delete(key);
    shared.isClosed = true;
    shared.server.close();
    for (const socket of shared.waiting.splice(0)) socket.destroy();
    shared.emptied();
  }

  return {
    async join(recipient, key, address) {
      const shared = ports.get(key) ?? open(key, address);
      const bound = await shared.bound;
      if (!("port" in bound)) {
        ports.delete(key);
        return bound;
      }
      if (shared.isClosed) return { message: "all workers are about to end" };
      shared.members.add(recipient);
      shared.free.add(recipient);
      handOut(key, shared);
      news.resolve();
      news = Promise.withResolvers();
      return bound;
    },
    async leave(recipient, key) {
      const shared = ports.get(key);
      if (shared === undefined) return;
      const isLast = (): boolean => shared.members.size === 1 && shared.members.has(recipient);
      if (isLast() && !isEnding) await within(successorMs, news.promise);
      if (isLast() && isEnding) await whenQuiet(() => shared.accepted);
      if (isLast() && isEnding) {
        shared.isClosed = true;
        shared.server.close();
        const { promise, resolve } = Promise.withResolvers<void>();
        shared.emptied = resolve;
        if (shared.waiting.length > 0) await promise;
        close(key, shared);
      }
      remove(recipient, shared);
    },
    taken(recipient, key) {
      const shared = ports.get(key);
      shared?.given.get(recipient)?.destroy();
      shared?.given.delete(recipient);
      if (shared === undefined || !shared.members.has(recipient)) return;
      shared.free.add(recipient);
      handOut(key, shared);
    },
    gone(recipient) {
      for (const [key, shared] of ports) {
        remove(recipient, shared);
        const socket = shared.given.get(recipient);
        shared.given.delete(recipient);
        if (socket !== undefined) shared.waiting.unshift(socket);
        if (isEnding && shared.members.size === 0) close(key, shared);
        else handOut(key, shared);
      }
    },
    end() {
      isEnding = true;
      news.resolve();
      for (const [key, shared] of ports) if (shared.members.size === 0) close(key, shared);
    },
  };
}

function bind(server: Server, { host, port }: Address): Promise<Bound> {
  return new Promise((resolve) => {
    server.once("error", ({ code, message }: NodeJS.ErrnoException) => resolve({ code, message }));
    server.listen({ host, port, backlog }, () => {
      server.removeAllListeners("error");
      server.on("error", ignore);
      const address = server.address();
      resolve({ port: typeof address === "object" && address !== null ? address.port : port });
    });
  });
}

function ignore(): void {}

async function within(longestMs: number, promise: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, longestMs);
  await Promise.race([promise, late.promise]);
  clearTimeout(timer);
}
