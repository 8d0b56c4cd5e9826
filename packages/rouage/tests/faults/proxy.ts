/** A TCP proxy in front of a server that can be told to cut connections at a given moment, to be slow, or to stand still. */
import { createServer, type Server, type Socket } from "node:net";

export interface Disturbance extends AsyncDisposable {
  readonly port: number;
  /** Cuts the next connection on which this text goes to the server: before it arrives, or when the server has answered it, in other words or in the same. */
  cutNext(text: string, when: "before" | "answered", answer?: string): void;
  /** How many were cut so far. */
  readonly cuts: number;
  /** What is sent in either direction arrives this much later, in milliseconds. */
  delay(ms: number): void;
  /** Nothing arrives any more, and nobody is told; false: everything goes on. */
  standStill(still: boolean): void;
  /** Cuts all connections there are. */
  cutAll(): void;
  /** Connections open now. */
  readonly open: number;
}

export async function startProxy(connect: () => Socket): Promise<Disturbance> {
  let cut: { readonly text: string; readonly answer: string; readonly when: "before" | "answered" } | undefined;
  let cuts = 0;
  let delayMs = 0;
  let still = false;
  const pairs = new Set<{ readonly sockets: readonly Socket[]; end(): void }>();

  const server: Server = createServer((client) => {
    const upstream = connect();
    const sockets = [client, upstream];
    const pair = {
      sockets,
      end() {
        for (const socket of sockets) socket.destroy();
        pairs.delete(pair);
      },
    };
    pairs.add(pair);
    if (still) for (const socket of sockets) socket.pause();
    for (const socket of sockets) socket.on("error", pair.end).on("close", pair.end);
    let isDeaf = false;
    const pass = (to: Socket, data: string | Buffer): void => {
      if (delayMs === 0) to.write(data);
      else setTimeout(() => !to.destroyed && to.write(data), delayMs);
    };
    client.on("data", (data) => {
      if (cut !== undefined && data.includes(cut.text)) {
        const { answer: awaited, when } = cut;
        cut = undefined;
        cuts++;
        if (when === "before") return pair.end();
        isDeaf = true;
        upstream.write(data);
        upstream.on("data", (answer) => answer.includes(awaited) && pair.end());
        return;
      }
      pass(upstream, data);
    });
    upstream.on("data", (data) => {
      if (!isDeaf) pass(client, data);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    cutNext(text, when, answer = text) {
      cut = { text, when, answer };
    },
    get cuts() {
      return cuts;
    },
    delay(ms) {
      delayMs = ms;
    },
    standStill(value) {
      still = value;
      for (const { sockets } of pairs)
        for (const socket of sockets) {
          if (value) socket.pause();
          else socket.resume();
        }
    },
    cutAll() {
      for (const pair of [...pairs]) pair.end();
    },
    get open() {
      return pairs.size;
    },
    async [Symbol.asyncDispose]() {
      for (const pair of [...pairs]) pair.end();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
