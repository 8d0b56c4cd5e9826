/**
 * What every storage has to do, as tests: an adapter's test file calls `storageConformance` with a way to open it. What a
 * storage says it cannot do (see `StorageCapabilities`) is not asked of it.
 */
import { describe } from "node:test";
import { copyTests } from "./conformance/copies.ts";
import { eraseTests } from "./conformance/erase.ts";
import { expectationTests } from "./conformance/expectations.ts";
import { filterTests } from "./conformance/filters.ts";
import type { ConformanceSubject } from "./conformance/harness.ts";
import { leaseTests } from "./conformance/leases.ts";
import { lifeTests } from "./conformance/life.ts";
import { logTests } from "./conformance/log.ts";
import { oracleTests } from "./conformance/oracle.ts";
import { pageTests } from "./conformance/pages.ts";
import { permissionTests } from "./conformance/permissions.ts";
import { revisionTests } from "./conformance/revisions.ts";
import { tombstoneTests } from "./conformance/tombstones.ts";
import { transactionTests } from "./conformance/transactions.ts";
import { uniqueTests } from "./conformance/unique.ts";
import { wholeTests } from "./conformance/whole.ts";

export type { ConformanceSubject, OpenedStorage } from "./conformance/harness.ts";

/** Registers the whole suite with node:test. Every test opens a fresh, empty store and cleans it up. */
export function storageConformance(name: string, open: ConformanceSubject): void {
  describe(`${name} is a storage`, () => {
    describe("objects and commits", () => lifeTests(open));
    describe("expectations and atomicity", () => expectationTests(open));
    describe("revisions", () => revisionTests(open));
    describe("tombstones", () => tombstoneTests(open));
    describe("unique constraints", () => uniqueTests(open));
    describe("filters", () => filterTests(open));
    describe("sorts and pages", () => pageTests(open));
    describe("log", () => logTests(open));
    describe("permissions and groups", () => permissionTests(open));
    describe("transactions", () => transactionTests(open));
    describe("leases", () => leaseTests(open));
    describe("erasure", () => eraseTests(open));
    describe("the whole store", () => wholeTests(open));
    describe("copies", () => copyTests(open));
    describe("against an oracle", () => oracleTests(open));
  });
}
