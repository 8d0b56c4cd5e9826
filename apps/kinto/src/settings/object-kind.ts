/** What the tree of objects is made of. */
export type ObjectKind = "bucket" | "collection" | "group" | "record";
