/** Filters and orders over stored objects, as data: built by faces and access rules, executed by storages. */
import type { Json } from "../json.ts";

/** Name of a field: `id`, `last_modified`, or a dotted path into the object (a literal key with dots wins over nesting). */
export type FieldPath = string;

export type Filter =
  | { readonly kind: "and"; readonly filters: readonly Filter[] }
  | { readonly kind: "or"; readonly filters: readonly Filter[] }
  | { readonly kind: "not"; readonly filter: Filter }
  /**
   * `eq` and `ne` compare JSON values of any type (`ne` also matches objects that lack the field); the four order
   * comparisons follow the cross-type order null < string < number < boolean < array < object, and never match a missing field.
   */
  | {
      readonly kind: "compare";
      readonly field: FieldPath;
      readonly operator: "eq" | "ne" | "lt" | "le" | "gt" | "ge";
      readonly value: Json;
    }
  /** Field equals one of the values. Negated with `not` (which then also matches objects that lack the field). */
  | { readonly kind: "in"; readonly field: FieldPath; readonly values: readonly Json[] }
  /** Case-insensitive pattern; `*` matches any run of characters; without `*`: substring. Numbers match by their JSON text. */
  | { readonly kind: "like"; readonly field: FieldPath; readonly pattern: string }
  /** Presence; null counts as present. */
  | { readonly kind: "has"; readonly field: FieldPath; readonly present: boolean }
  /** Array field contains all (or any) of the values, compared as JSON values. */
  | {
      readonly kind: "contains";
      readonly field: FieldPath;
      readonly mode: "all" | "any";
      readonly values: readonly Json[];
    }
  /** Objects created by this principal id. */
  | { readonly kind: "owner"; readonly owner: string }
  /** Objects whose own permission entries grant one of the permissions to one of the principals; tombstones never match. */
  | { readonly kind: "shared"; readonly permissions: readonly string[]; readonly principals: readonly string[] };

export interface Sort {
  readonly field: FieldPath;
  readonly direction: "ascending" | "descending";
}

/**
 * Value of a sort field where a page ended: `undefined` means that the object lacks the field, which sorts after
 * everything else (first when descending).
 */
export type SortValue = Json | undefined;
