/** What a store is found to be, as every adapter tells it without opening it. */

export interface StoreLook {
  /** Of the store's own tables; 0: there is no store yet. */
  readonly version: number;
  /** That this version of Rouage writes. */
  readonly wanted: number;
  /** What brings the one to the other. */
  readonly steps: readonly PlannedStep[];
  readonly resources: ReadonlyMap<string, ResourceLook>;
}

export interface PlannedStep {
  readonly words: string;
  /** That have to be gone through. */
  readonly rows: number;
}

export interface ResourceLook {
  readonly table: string;
  readonly rows: number;
  /** Names of those that declarations asked for. */
  readonly indexes: readonly string[];
}
