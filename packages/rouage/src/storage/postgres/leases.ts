/** Rights that one process at a time has, as advisory locks of a session: gone with its connection, and so with the process. */
import type { Lease } from "../storage.ts";
import type { Line } from "./connections.ts";
import { lockClass } from "./migrations.ts";

/** Beside those of writers and of migrations. */
const leaseClass = lockClass + 2;

export interface PostgresLeases {
  /** Undefined while somebody else has it. */
  take(name: string): Promise<Lease | undefined>;
  close(): Promise<void>;
}

export interface PostgresLeasesOptions {
  /** A connection of their own: the locks are its session's. */
  readonly line: Line;
  /** Of the store, among those of the database. */
  readonly number: number;
}

/** How often the connection is tried: one that a broken network leaves open would be believed for hours. */
const probeMs = 5_000;

export function postgresLeases({ line, number }: PostgresLeasesOptions): PostgresLeases {
  /** What this session has or asks for: the server would give it a second time. */
  const held = new Map<string, object>();

  async function lock(mine: object, name: string): Promise<Lease | undefined> {
    const connection = await line.get();
    const values = [leaseClass, `${number} lease ${name}`];
    const { rows } = await connection.run({ text: "SELECT pg_try_advisory_lock($1, hashtext($2))", values });
    if (rows[0]?.[0] !== true) return undefined;
    const lost = new AbortController();
    const probe = setInterval(() => void connection.run("SELECT 1").catch(() => {}), probeMs).unref();
    /** False where it had an end before. */
    const end = (): boolean => {
      clearInterval(probe);
      return held.get(name) === mine && held.delete(name);
    };
    connection.listen(() => {
      if (!connection.lost) return;
      end();
      lost.abort();
    });
    return {
      lost: lost.signal,
      async release() {
        if (end())
          await connection.run({ text: "SELECT pg_advisory_unlock($1, hashtext($2))", values }).catch(() => {});
      },
    };
  }

  return {
    async take(name) {
      if (held.has(name)) return undefined;
      const mine = {};
      held.set(name, mine);
      let lease: Lease | undefined;
      try {
        lease = await lock(mine, name);
        return lease;
      } finally {
        if (lease === undefined) held.delete(name);
      }
    },
    close: () => line.end(),
  };
}
