/** Sends metrics to a StatsD server over UDP, many lines a packet. Whether they arrive nobody learns: that is StatsD's bargain. */
import { createSocket, type Socket } from "node:dgram";
import { lookup } from "node:dns/promises";
import type { ExportTarget } from "./export-loop.ts";
import { packets, statsdLines } from "./statsd-lines.ts";

export interface StatsdOptions {
  /** `udp://host:port`. */
  readonly url: string;
  /** In front of every name: `environment.host.service`. */
  readonly prefix: string;
}

/** What an Ethernet frame (1500 bytes) takes behind the headers of IPv6 and UDP, with room for a tunnel. */
const longestPacket = 1432;

export function statsdTarget({ url, prefix }: StatsdOptions): ExportTarget {
  const { hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  const lines = statsdLines(prefix);
  let open: { readonly socket: Socket; readonly family: number } | undefined;
  let failure: Error | undefined;

  function socketFor(family: number): Socket {
    if (open?.family === family) return open.socket;
    open?.socket.close();
    const socket = createSocket(family === 6 ? "udp6" : "udp4");
    socket.unref();
    socket.on("error", (error) => {
      failure = error;
    });
    open = { socket, family };
    return socket;
  }

  return {
    name: "statsd",
    async send(families, signal) {
      // First, so that nothing counts as sent while the name leads nowhere.
      const { address, family } = await lookup(host);
      signal.throwIfAborted();
      const socket = socketFor(family);
      failure = undefined;
      for (const packet of packets(lines(families), longestPacket)) {
        if (signal.aborted) break;
        await new Promise<void>((resolve) => {
          socket.send(packet, Number(port), address, (error) => {
            failure ??= error ?? undefined;
            resolve();
          });
        });
      }
      if (failure !== undefined) throw failure;
      return undefined;
    },
    close() {
      open?.socket.close();
      open = undefined;
    },
  };
}
