/** `rouage/storage`: the storage interface, for services that keep lists of their own beside their resources. */
export { isHalfRestored } from "./backup/half-restored.ts";
export { checkChanges } from "./check-changes.ts";
export { type Erased, type ErasureLedger, isLedger, openLedger } from "./erasure-ledger.ts";
export { canonicalJson, compareValues, fieldValue, matches, typeRank, uniqueValue } from "./evaluate.ts";
export type { FieldPath, Filter, Sort, SortValue } from "./filter.ts";
export { normalPermissions } from "./normal-permissions.ts";
export { type OpenStorageOptions, openStorage } from "./open.ts";
export type { PermissionReader, Permissions, ReachableObject, ReachableQuery } from "./permissions.ts";
export { nextRevision, type RevisionQuestion } from "./revision.ts";
export {
  type Change,
  type ChangeResult,
  CommitConflict,
  type CommitContext,
  type EraseCount,
  type EraseScope,
  type Expectation,
  type Finding,
  type Lease,
  type ListDefinition,
  type ListKey,
  type ListQuery,
  type ListState,
  type LogEntry,
  type LogQuery,
  type ObjectKey,
  parseEntry,
  QueryTooCostly,
  type ResourceTotal,
  renderEntry,
  renderObject,
  type ScanQuery,
  type Storage,
  type StorageCapabilities,
  type StoredEntry,
  type StoredObject,
  type Tombstone,
  type Violation,
} from "./storage.ts";
