import { silentLogger } from "../../telemetry/log.ts";
import { storageConformance } from "../conformance.ts";
import { mongoStorage } from "./mongodb.ts";
import { describeOnServers } from "./test-stores.ts";

describeOnServers("on a server", (fresh) => {
  storageConformance("mongodb", async ({ clock }) => {
    // FerretDB looks at every document for most questions; how long it takes is not what is asked here.
    const { url, drop } = fresh("&statement_timeout=60");
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
