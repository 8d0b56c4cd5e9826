/** What Kinto's files say about history. */
import type { SettingsReader } from "../../settings/reader.ts";

export interface HistorySettings {
  /** Paths of objects that leave no trace: buckets and collections with what is below them, groups, records. */
  readonly excludedResources: ReadonlySet<string>;
  readonly excludedUsers: ReadonlySet<string>;
  /** Most entries that a bucket keeps of one kind of object. Undefined: all stay. */
  readonly trimCount: number | undefined;
  /** Only entries of these users are counted and trimmed, each for itself; empty: all entries together. */
  readonly trimUsers: ReadonlySet<string>;
}

export function readHistorySettings(reader: SettingsReader): HistorySettings {
  const excluded = reader.list("history.exclude_resources") ?? [];
  for (const path of excluded)
    if (!path.startsWith("/buckets/"))
      reader.warn(`history.exclude_resources: ${path} is no path of an object (/buckets/…) and excludes nothing`);
  return {
    excludedResources: new Set(excluded),
    excludedUsers: new Set(reader.list("history.exclude_user_ids") ?? []),
    trimCount: reader.integer("history.auto_trim_max_count", { minimum: 1 }),
    trimUsers: new Set(reader.list("history.auto_trim_user_ids") ?? []),
  };
}
