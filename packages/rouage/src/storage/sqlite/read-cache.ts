/**
 * What was read lately, in memory, for as long as nobody has committed anything since that could have changed it: own commits forget what
 * they touch, another connection's commit forgets everything. Knows nothing of transactions, whose reads do not come here.
 */
import { resolve } from "node:path";
import { performance } from "node:perf_hooks";
import type { Database } from "./database.ts";
import { type RememberedReads, type RememberedReadsOptions, rememberedReads } from "./remembered-reads.ts";
import { one } from "./rows.ts";

export interface ReadCache extends RememberedReads {
  /** Forgets everything because of a commit that the storage itself has made through another connection; whether it is on disk, `settling` knows. */
  replaced(): void;
  /** Looks for other connections' commits, where that was not done in this turn. */
  refresh(): void;
  /** The same in any case. */
  look(): void;
  /** To be called when a transaction was committed, before anybody is told of it. */
  committed(): void;
  close(): void;
}

export interface ReadCacheOptions extends Pick<RememberedReadsOptions, "settling"> {
  /** The store's file. */
  readonly path: string;
  /** Characters of bodies, and about as many bytes, that are kept at most. */
  readonly size?: number;
  /** Number of the turn of the event loop, where it is known: other connections are looked for once a turn. */
  readonly turn?: () => number | undefined;
  /** Called when another connection's commit was noticed. */
  readonly noticed?: () => void;
}

export function readCache(
  { prepare }: Pick<Database, "prepare">,
  { path, size = 8_000_000, turn = loopTurn, settling, noticed = () => {} }: ReadCacheOptions,
): ReadCache {
  const dataVersion = prepare("PRAGMA data_version");
  const file = sharedFile(path);
  let checked: number | undefined;
  let seen = -1;
  let version: unknown;
  const reads = rememberedReads({ size, refresh, ...(settling === undefined ? {} : { settling }) });
  const { clear } = reads;

  /**
   * Forgets everything when another connection has committed. Who asks because of another process's commit sent the request after it, and
   * it is read from its socket in a later turn of the event loop: looking once in each turn, before the first use, is soon enough.
   */
  function refresh(): void {
    const now = turn();
    if (now === undefined || now !== checked || file.commits !== seen) look(now);
  }

  function look(now = turn()): void {
    const current = one(dataVersion)?.[0];
    if (current !== version) {
      clear();
      if (version !== undefined) noticed();
    }
    version = current;
    checked = now;
    seen = file.commits;
  }

  return {
    ...reads,
    replaced() {
      clear();
      version = undefined;
      look();
    },
    refresh,
    look: () => look(),
    committed() {
      file.commits++;
    },
    close: () => file.leave(),
  };
}

interface SharedFile {
  /** Commits that this process has made. */
  commits: number;
  leave(): void;
}

/**
 * What all storages of this process that have opened the same file know of each other, because one may tell the other of a commit within
 * the same turn. Of the process and not of a storage, as SQLite's own locks on a file are.
 */
const files = new Map<string, { readonly shared: SharedFile; users: number }>();

function sharedFile(path: string): SharedFile {
  const name = resolve(path);
  const known = files.get(name);
  if (known !== undefined) {
    known.users++;
    return known.shared;
  }
  const shared: SharedFile = {
    commits: 0,
    leave() {
      if (--file.users === 0) files.delete(name);
    },
  };
  const file = { shared, users: 1 };
  files.set(name, file);
  return shared;
}

/** Undefined where the runtime does not count: then every use looks. */
function loopTurn(): number | undefined {
  const { uvMetricsInfo } = performance.nodeTiming as Partial<typeof performance.nodeTiming>;
  return uvMetricsInfo?.loopCount;
}
