import { after, before, describe } from "node:test";
import { silentLogger } from "../../telemetry/log.ts";
import { storageConformance } from "../conformance.ts";
import { postgresStorage } from "./postgres.ts";
import { startTestStores, type TestStores, withoutPostgres } from "./test-stores.ts";

const skip = withoutPostgres();

describe("on a server", { skip }, () => {
  let stores: TestStores;
  before(async () => {
    stores = await startTestStores();
  });
  after(() => stores[Symbol.asyncDispose]());

  storageConformance("postgres", async ({ clock }) => {
    const { url, drop } = stores.fresh();
    const options = { url, clock, log: silentLogger };
    let storage = await postgresStorage(options);
    return {
      storage,
      async reopen() {
        await storage.close();
        storage = await postgresStorage(options);
        await storage.define([
          { resource: "things", indexes: [["n"]], unique: [] },
          { resource: "people", indexes: [], unique: [] },
        ]);
        return storage;
      },
      async cleanup() {
        await storage.close();
        await drop();
      },
    };
  });
});
