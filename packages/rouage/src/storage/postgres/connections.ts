/** The connections of one process: some that are kept for one use and made anew when lost, and a pool for what takes longer. */
import type { Connection } from "./connection.ts";
import { ConnectionLost } from "./failures.ts";

/** One connection for one use. */
export interface Line {
  /** @throws ConnectionLost */
  get(): Promise<Connection>;
  end(): Promise<void>;
}

export function line(open: () => Promise<Connection>): Line {
  let opening: Promise<Connection> | undefined;
  let current: Connection | undefined;
  return {
    async get() {
      if (current !== undefined && !current.lost) return current;
      opening ??= open().then(
        (connection) => {
          current = connection;
          opening = undefined;
          return connection;
        },
        (error) => {
          opening = undefined;
          throw error;
        },
      );
      return opening;
    },
    async end() {
      const last = await opening?.catch(() => undefined);
      await (last ?? current)?.end();
    },
  };
}

export interface Pool {
  /** Runs `work` with a connection that nobody else has. @throws ConnectionLost also when none was free in time */
  use<T>(work: (connection: Connection) => Promise<T>): Promise<T>;
  end(): Promise<void>;
}

export interface PoolOptions {
  readonly open: () => Promise<Connection>;
  readonly most: number;
  readonly waitMs: number;
}

export function pool({ open, most, waitMs }: PoolOptions): Pool {
  const idle: Connection[] = [];
  const waiting: (() => void)[] = [];
  const idlers: (() => void)[] = [];
  let inUse = 0;

  async function turn(): Promise<void> {
    if (inUse < most) {
      inUse++;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.splice(waiting.indexOf(go), 1);
        reject(new ConnectionLost("all connections of the pool are in use", { isLate: true }));
      }, waitMs);
      // The turn is handed on: it stays counted.
      const go = () => {
        clearTimeout(timer);
        resolve();
      };
      waiting.push(go);
    });
  }

  async function take(): Promise<Connection> {
    for (;;) {
      const found = idle.pop();
      if (found === undefined) return open();
      if (!found.lost) return found;
    }
  }

  function leave(): void {
    const next = waiting.shift();
    if (next === undefined) inUse--;
    else next();
    if (inUse === 0) for (const each of idlers.splice(0)) each();
  }

  return {
    async use(work) {
      await turn();
      try {
        const connection = await take();
        try {
          return await work(connection);
        } finally {
          if (!connection.lost) idle.push(connection);
        }
      } finally {
        leave();
      }
    },
    async end() {
      if (inUse > 0) await new Promise<void>((resolve) => idlers.push(resolve));
      await Promise.all(idle.splice(0).map((connection) => connection.end()));
    },
  };
}
