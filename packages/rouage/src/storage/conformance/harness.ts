/** What the conformance tests share: opening a store, and short ways to write to it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ManualClock, manualClock } from "../../clock.ts";
import { ServiceError } from "../../errors.ts";
import type { JsonObject } from "../../json.ts";
import {
  type Change,
  type ChangeResult,
  CommitConflict,
  type Expectation,
  type ListDefinition,
  type ListKey,
  type ObjectKey,
  type Permissions,
  type Storage,
  type StoredObject,
  type Tombstone,
} from "../storage.ts";
import { verifyStorage } from "../verify/verify.ts";

export interface OpenedStorage {
  readonly storage: Storage;
  /** Closes the storage and opens the same store again; given by durable storages. */
  readonly reopen?: () => Promise<Storage>;
  /** Closes what is open and removes every trace. */
  readonly cleanup: () => Promise<void>;
}

/** Opens a fresh, empty store that takes its time from `clock`. */
export type ConformanceSubject = (options: { readonly clock: ManualClock }) => Promise<OpenedStorage>;

export interface Fixture {
  readonly storage: Storage;
  readonly clock: ManualClock;
  readonly reopen: (() => Promise<Storage>) | undefined;
}

/** Defined in every test's store. */
export const definitions: readonly ListDefinition[] = [
  { resource: "things", indexes: [["n"], ["a.b"], ["kind", "n"]], unique: [] },
  { resource: "people", indexes: [], unique: [["email"], ["first", "last"]] },
  { resource: "names", indexes: [], unique: [["name"]], uniqueAcrossParents: true },
];

export const things: ListKey = { resource: "things", parent: "" };
export const people: ListKey = { resource: "people", parent: "" };

/** A test with a store of its own. */
export function storageTest(open: ConformanceSubject, name: string, run: (fixture: Fixture) => Promise<void>): void {
  test(name, async () => {
    const clock = manualClock();
    const { storage, reopen, cleanup } = await open({ clock });
    try {
      await storage.define(definitions);
      await run({ storage, clock, reopen });
      await assertVerified(storage);
    } finally {
      await cleanup();
    }
  });
}

/** Whatever a test has done, the store keeps what a storage promises. */
async function assertVerified(storage: Storage): Promise<void> {
  try {
    const { violations } = await verifyStorage(storage, { definitions });
    assert.deepEqual(violations, []);
  } catch (error) {
    // The test has closed it.
    if (!ServiceError.is(error) || error.code !== "unavailable") throw error;
  }
}

export function put(
  list: ListKey,
  id: string,
  object: JsonObject = {},
  options: {
    expect?: Expectation;
    revision?: number;
    owner?: string;
    logBody?: boolean;
    permissions?: Permissions;
  } = {},
): Change {
  return { kind: "put", key: { ...list, id }, body: JSON.stringify(object), expect: { kind: "any" }, ...options };
}

export function remove(list: ListKey, id: string, options: { expect?: Expectation; revision?: number } = {}): Change {
  return { kind: "delete", key: { ...list, id }, expect: { kind: "any" }, ...options };
}

export function event(key: ObjectKey, type: string, data: JsonObject = {}): Change {
  return { kind: "event", key, type, data };
}

/** Commits one put and answers the object. */
export async function save(storage: Storage, ...change: Parameters<typeof put>): Promise<StoredObject> {
  const [result] = await storage.commit([put(...change)]);
  if (result === undefined || !("object" in result)) throw new Error("a put answers with its object");
  return result.object;
}

/** Commits one delete and answers the tombstone. */
export async function drop(storage: Storage, ...change: Parameters<typeof remove>): Promise<Tombstone> {
  const [result] = await storage.commit([remove(...change)]);
  if (result === undefined || !("tombstone" in result)) throw new Error("a delete answers with its tombstone");
  return result.tombstone;
}

/** The conflict that a commit ends in. */
export async function conflict(commit: Promise<readonly ChangeResult[]>): Promise<CommitConflict> {
  const error: unknown = await commit.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof CommitConflict) return error;
  throw new Error("expected the commit to end in a conflict", { cause: error });
}
