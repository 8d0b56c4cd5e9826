import { after, before, describe } from "node:test";
import { systemClock } from "../../clock.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { severalInstancesTests } from "../conformance/several.ts";
import { mongoStorage } from "./mongodb.ts";
import { startTestStores, type TestStores, withoutMongo } from "./test-stores.ts";

describe("several instances on one store in MongoDB", { skip: withoutMongo() }, () => {
  let stores: TestStores;
  before(async () => {
    stores = await startTestStores();
  });
  after(() => stores?.[Symbol.asyncDispose]());

  severalInstancesTests((count) => {
    const { url } = stores.fresh("&statement_timeout=60");
    return Promise.all(
      // FerretDB's updates are no atomic steps: nobody may take a slow process for a dead one.
      Array.from({ length: count }, () =>
        mongoStorage({ url, clock: systemClock, log: silentLogger, helpAfterMs: 10_000 }),
      ),
    );
  });
});
