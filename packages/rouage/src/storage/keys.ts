/** How lists and objects are named in every storage. */

/** A list of siblings: all objects of one resource below one parent. `parent` is "" for top-level lists. */
export interface ListKey {
  readonly resource: string;
  readonly parent: string;
}

export interface ObjectKey extends ListKey {
  readonly id: string;
}
