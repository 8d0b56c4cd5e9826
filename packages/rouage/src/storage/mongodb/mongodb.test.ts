import { after, before, describe } from "node:test";
import { silentLogger } from "../../telemetry/log.ts";
import { storageConformance } from "../conformance.ts";
import { mongoStorage } from "./mongodb.ts";
import { startTestStores, type TestStores, withoutMongo } from "./test-stores.ts";

const skip = withoutMongo();

describe("on a server", { skip }, () => {
  let stores: TestStores;
  before(async () => {
    stores = await startTestStores();
  });
  after(() => stores?.[Symbol.asyncDispose]());

  storageConformance("mongodb", async ({ clock }) => {
    // FerretDB looks at every document for most questions; how long it takes is not what is asked here.
    const { url, drop } = stores.fresh("&statement_timeout=60");
    const options = { url, clock, log: silentLogger, queryBudgetMs: 0 };
    let storage = await mongoStorage(options);
    return {
      storage,
      async reopen() {
        await storage.close();
        storage = await mongoStorage(options);
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
