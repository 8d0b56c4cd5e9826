/**
 * One connection to Redis that keeps itself up: what is sent while there is none fails at once, what is not answered in time ends it, and a
 * new one is tried for until there is one. Knows no cache.
 */
import { readFileSync } from "node:fs";
import { rootCertificates } from "node:tls";
import type { Logger } from "../../telemetry/log.ts";
import type { Client, Driver } from "./driver.ts";
import { explained, replyCode, startRefused, unavailable } from "./failures.ts";
import type { RedisUrl } from "./url.ts";

export type Reply = string | number | null | readonly Reply[];

export interface Script {
  readonly text: string;
  /** SHA-1, as the server knows it. */
  readonly hash: string;
}

export interface Connection {
  /** Sends one command; those of one turn of the event loop travel together. @throws ServiceError `unavailable`, or what the server refused */
  send(command: readonly string[]): Promise<Reply>;
  /** Runs a script on one key. Known by its hash from its first use on: only then its text travels. */
  run(script: Script, key: string, ...args: readonly string[]): Promise<Reply>;
  /** Waits for what is under way, as long as a command may take. */
  close(): Promise<void>;
}

/** First pause between two tries, doubled up to the longest. */
const firstPauseMs = 50;
const longestPauseMs = 2_000;

/**
 * A server that is away is waited for in the background.
 * @throws Error when the server is there and refuses: wrong credentials, no such database
 */
export async function connect(
  driver: Driver,
  parts: { readonly url: RedisUrl; readonly name: string; readonly log: Logger },
): Promise<Connection> {
  const { url, name, log } = parts;
  const certificates = url.tls?.ca === undefined ? undefined : [...rootCertificates, readFileSync(url.tls.ca, "utf8")];
  let live: Client | undefined;
  let reason: unknown;
  let retry: NodeJS.Timeout | undefined;
  let tries = 0;
  let isClosed = false;
  const underWay = new Set<Promise<unknown>>();

  function newClient(): Client {
    const client: Client = driver.createClient({
      RESP: 2,
      name,
      database: url.database,
      ...(url.user !== undefined && { username: url.user }),
      ...(url.password !== undefined && { password: url.password }),
      socket: {
        ...url.server,
        ...(url.tls !== undefined && { tls: true as const, ...(certificates !== undefined && { ca: certificates }) }),
        connectTimeout: url.connectTimeoutMs,
        reconnectStrategy: false,
      },
      disableOfflineQueue: true,
      disableClientInfo: true,
      maintNotifications: "disabled",
      // The driver's own ends with the writing of a command; ours is below.
      commandOptions: { timeout: 0 },
    });
    client.on("error", (error) => drop(client, error));
    return client;
  }

  async function open(): Promise<void> {
    const client = newClient();
    // Of a server that stands still the system accepts connections all the same.
    const timer = setTimeout(() => client.destroy(), url.connectTimeoutMs);
    try {
      await client.connect();
      await client.sendCommand(["PING"]);
    } catch (error) {
      client.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
    }
    if (isClosed) return client.destroy();
    live = client;
  }

  function drop(client: Client, error: unknown): void {
    if (live !== client) return;
    live = undefined;
    reason = error;
    client.destroy();
    if (isClosed) return;
    log.warn({ err: explained(error) }, "the connection to the cache is lost");
    tries = 0;
    again();
  }

  function again(): void {
    const pause = Math.min(longestPauseMs, firstPauseMs * 2 ** tries++);
    // Not all instances at the same moment.
    retry = setTimeout(
      () => {
        open().then(
          () => !isClosed && log.info({}, "the cache is reached again"),
          (error: unknown) => {
            reason = error;
            if (!isClosed) again();
          },
        );
      },
      pause * (0.5 + Math.random() / 2),
    ).unref();
  }

  async function send(command: readonly string[]): Promise<Reply> {
    const client = live;
    if (client === undefined) throw unavailable(reason);
    const timer = setTimeout(
      () => drop(client, new Error(`Redis did not answer ${command[0]} within ${url.commandTimeoutMs} ms`)),
      url.commandTimeoutMs,
    );
    try {
      return await client.sendCommand<Reply>(command);
    } catch (error) {
      // After a failover the name may lead elsewhere by now.
      if (replyCode(error) === "READONLY") drop(client, error);
      // What the driver says of commands that went down with the connection is not why it did.
      else if (live !== client) throw unavailable(reason);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  try {
    await open();
  } catch (error) {
    const refused = startRefused(error);
    if (refused !== undefined) throw refused;
    reason = error;
    log.warn({ err: error }, "the cache cannot be reached: the service starts without, and goes on trying");
    again();
  }

  async function run({ hash, text }: Script, key: string, args: readonly string[]): Promise<Reply> {
    try {
      return await send(["EVALSHA", hash, "1", key, ...args]);
    } catch (error) {
      if (replyCode(error) !== "NOSCRIPT") throw error;
      return send(["EVAL", text, "1", key, ...args]);
    }
  }

  function tracked(work: Promise<Reply>): Promise<Reply> {
    underWay.add(work);
    const done = () => underWay.delete(work);
    work.then(done, done);
    return work;
  }

  return {
    send: (command) => tracked(send(command)),
    run: (script, key, ...args) => tracked(run(script, key, args)),
    async close() {
      isClosed = true;
      clearTimeout(retry);
      await Promise.allSettled(underWay);
      live?.destroy();
      live = undefined;
      reason = new Error("the cache is closed");
    },
  };
}
