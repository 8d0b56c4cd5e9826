/** What Kinto's files say about history. */
import type { SettingsReader } from "../../settings/reader.ts";

export interface HistorySettings {
  /** Paths of objects that leave no trace: `/buckets/a`, `/buckets/a/collections/b` and what is below them. */
  readonly excludedResources: readonly string[];
  readonly excludedUsers: ReadonlySet<string>;
  /** More entries than this for one object, and the oldest go. Undefined: all stay. */
  readonly trimCount: number | undefined;
  /** Of these users alone entries are trimmed; empty: of everybody. */
  readonly trimUsers: ReadonlySet<string>;
  /** Entries of those users beyond this count are trimmed. */
  readonly trimThreshold: number | undefined;
}

export function readHistorySettings(reader: SettingsReader): HistorySettings {
  return {
    excludedResources: reader.list("history.exclude_resources") ?? [],
    excludedUsers: new Set(reader.list("history.exclude_user_ids") ?? []),
    trimCount: reader.integer("history.auto_trim_max_count", { minimum: 1 }),
    trimUsers: new Set(reader.list("history.auto_trim_user_ids") ?? []),
    trimThreshold: reader.integer("history.auto_trim_threshold", { minimum: 1 }),
  };
}
