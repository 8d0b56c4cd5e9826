/** `rouage/storage`: the storage interface, for services that keep lists of their own beside their resources. */
export type { Filter, Sort, SortValue } from "./filter.ts";
export { type OpenStorageOptions, openStorage } from "./open.ts";
export {
  type Change,
  type ChangeResult,
  CommitConflict,
  type CommitContext,
  type EraseCount,
  type EraseScope,
  type ListDefinition,
  type ListKey,
  type ListQuery,
  type LogEntry,
  type LogQuery,
  type ObjectKey,
  parseEntry,
  renderEntry,
  renderObject,
  type Storage,
  type StoredEntry,
  type StoredObject,
  type Tombstone,
} from "./storage.ts";
