/** Opens the storage that a URL names. Only the composition of a service calls this; everything else is handed a `Storage`. */
import { dirname } from "node:path";
import type { Clock } from "../clock.ts";
import { type Logger, silentLogger } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { isHalfRestored } from "./backup/half-restored.ts";
import type { Storage } from "./storage.ts";
import { withoutPassword } from "./without-password.ts";

export interface OpenStorageOptions {
  readonly clock: Clock;
  /** Told what happens off the request path (checkpoints that fail, say). Default: nobody. */
  readonly log?: Logger;
  /** Default: nothing is measured. */
  readonly metrics?: Metrics;
  /** Longest that one list or count may hold up other requests, in milliseconds; 0: as long as it likes. Default: the storage's own. */
  readonly queryBudgetMs?: number;
  /** Of the service: default of `?schema=` or `?prefix=` where several services share a database. */
  readonly name?: string;
  /**
   * Opens what is there, for who looks at a store without its service: nothing is made, migrated or indexed, all of its resources are defined, without
   * unique fields until `define` names some.
   */
  readonly asFound?: boolean;
}

type StorageParts = Omit<OpenStorageOptions, "log"> & { readonly log: Logger };

const postgres = async (location: string, options: StorageParts): Promise<Storage> =>
  (await import("./postgres/postgres.ts")).postgresStorage({ url: `postgres://${location}`, ...options });

const mongo =
  (scheme: string) =>
  async (location: string, options: StorageParts): Promise<Storage> =>
    (await import("./mongodb/mongodb.ts")).mongoStorage({ url: `${scheme}://${location}`, ...options });

const schemes: Readonly<Record<string, (location: string, options: StorageParts) => Storage | Promise<Storage>>> = {
  memory: async (_location, options) => (await import("./memory.ts")).memoryStorage(options),
  sqlite: async (location, options) => {
    const folder = dirname(location);
    // The store would be made anew, or is half of it; the restore, run again, would put itself in its place.
    if (options.name !== undefined && isHalfRestored(folder, options.name)) {
      throw new Error(
        `a restore of ${options.name} into ${folder} was interrupted: run it again before the store is used`,
      );
    }
    return (await import("./sqlite/sqlite.ts")).sqliteStorage({ path: location, ...options });
  },
  postgres,
  postgresql: postgres,
  mongodb: mongo("mongodb"),
  "mongodb+srv": mongo("mongodb+srv"),
};

/**
 * `memory:` keeps everything in this process; `sqlite:PATH` in a file, relative to the working directory, made when absent;
 * `postgres://…` in a schema of a database, `mongodb://…` and `mongodb+srv://…` in collections of one, made when absent, see docs/storage.md.
 * @throws Error naming the accepted forms when the URL is none of them; with `asFound` also when there is no store, or one of another version
 */
export async function openStorage(url: string, options: OpenStorageOptions): Promise<Storage> {
  const colon = url.indexOf(":");
  const scheme = url.slice(0, Math.max(colon, 0));
  const location = url.slice(colon + 1).replace(/^\/\//, "");
  const open = Object.hasOwn(schemes, scheme) ? schemes[scheme] : undefined;
  if (open === undefined || (scheme === "memory") !== (location === "")) {
    throw new Error(
      `not a storage URL: ${JSON.stringify(withoutPassword(url))}; expected "memory:", "sqlite:PATH", "postgres://…" or "mongodb://…"`,
    );
  }
  if (scheme === "memory" && options.asFound === true) throw new Error("memory: keeps nothing that could be looked at");
  return open(location, { ...options, log: options.log ?? silentLogger });
}
