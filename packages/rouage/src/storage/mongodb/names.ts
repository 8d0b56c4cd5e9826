/** Which collections a store has. All of them begin with its prefix, so that stores share a database. */
import { createHash } from "node:crypto";
import type { Collection, Db } from "mongodb";
import type { ObjectDocument } from "./documents.ts";
import type { JournalDocument } from "./journal.ts";

export interface ListDocument {
  /** JSON of resource and parent. */
  readonly _id: string;
  /** See `ObjectDocument`. */
  readonly s: number;
  readonly resource: string;
  readonly parent: string;
  /** 0: as if it had never been touched. */
  readonly revision: number;
  readonly purged: number;
}

export interface GroupDocument {
  /** The group's principal. */
  readonly _id: string;
  readonly s: number;
  readonly members: readonly string[];
}

export interface ResourceDocument {
  /** The resource's name. */
  readonly _id: string;
  readonly collection: string;
  /** Constraints that all of its objects are known to keep. */
  readonly unique: readonly string[];
}

export interface MetaDocument {
  readonly _id: string;
  readonly version?: number;
  readonly created?: number;
  readonly checked?: number;
}

export interface LeaseDocument {
  /** The lease's name. */
  readonly _id: string;
  /** Whose it is; of one that was taken. */
  readonly holder: string;
  /** Grows as long as it is held. */
  readonly beat: number;
}

export interface Collections {
  readonly meta: Collection<MetaDocument>;
  readonly resources: Collection<ResourceDocument>;
  readonly journal: Collection<JournalDocument>;
  /** Further parts of journal entries that are too large for one document. */
  readonly parts: Collection<JournalDocument>;
  readonly lists: Collection<ListDocument>;
  readonly groups: Collection<GroupDocument>;
  readonly leases: Collection<LeaseDocument>;
  objects(resource: string): Collection<ObjectDocument>;
}

export function collectionsOf(database: Db, prefix: string): Collections {
  return {
    meta: database.collection(`${prefix}.meta`),
    resources: database.collection(`${prefix}.resources`),
    journal: database.collection(`${prefix}.journal`),
    parts: database.collection(`${prefix}.parts`),
    lists: database.collection(`${prefix}.lists`),
    groups: database.collection(`${prefix}.groups`),
    leases: database.collection(`${prefix}.leases`),
    objects: (resource) => database.collection(`${prefix}.${collectionName(resource)}`),
  };
}

/** A resource may have any name, a collection not. */
export function collectionName(resource: string): string {
  if (/^[A-Za-z0-9_-]{1,60}$/.test(resource)) return `objects.${resource}`;
  return `odd.${createHash("sha256").update(resource).digest("hex").slice(0, 40)}`;
}
