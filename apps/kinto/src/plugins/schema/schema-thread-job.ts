/** What the thread is asked and answers. */

export interface SchemaJob {
  readonly number: number;
  /** JSON text. */
  readonly schema: string;
  /** JSON text of the object to validate; absent: the schema itself is checked. */
  readonly data?: string;
}

export interface SchemaVerdict {
  readonly number: number;
  readonly faults: readonly SchemaFault[];
}

export interface SchemaFault {
  /** Last element of the path to what is wrong; null: the whole. `schema` where the schema cannot be used. */
  readonly name: string | null;
  readonly description: string;
  /** Keyword of JSON Schema in the toolkit's words: `min-length`. */
  readonly code: string;
}
