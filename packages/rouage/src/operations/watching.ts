/** Where a watcher of a list stands, and how it comes to stand behind the next entry of the log. */
import type { ListKey } from "../storage/keys.ts";
import type { LogEntry } from "../storage/storage.ts";
import type { WatchedChange } from "./operations.ts";
import type { View } from "./watch-view.ts";

export interface Watching {
  readonly signal: AbortSignal;
  readonly list: ListKey;
  /** What the caller may see by now; renewed before each use. */
  view: View;
  /** Highest revision told. */
  revision: number;
  /** Position of the log up to which everything was told. */
  position: number;
}

/** The change that a log entry tells of, where the caller may see it. */
export async function tell(watching: Watching, entry: LogEntry): Promise<WatchedChange | undefined> {
  watching.position = entry.position;
  const json = await watching.view.ofEntry(entry);
  if (json === undefined || entry.action === "event") return undefined;
  // An object stored with a revision of the past comes behind what was told: the place to go on from stays.
  watching.revision = Math.max(watching.revision, entry.revision);
  return { kind: entry.action, id: entry.id, revision: watching.revision, json };
}
