import { after, before, describe } from "node:test";
import { systemClock } from "../../clock.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { severalInstancesTests } from "../conformance/several.ts";
import { postgresStorage } from "./postgres.ts";
import { startTestStores, type TestStores, withoutPostgres } from "./test-stores.ts";

describe("several instances on one store in PostgreSQL", { skip: withoutPostgres() }, () => {
  let stores: TestStores;
  before(async () => {
    stores = await startTestStores();
  });
  after(() => stores[Symbol.asyncDispose]());

  severalInstancesTests((count) => {
    const { url } = stores.fresh("&pool=6");
    return Promise.all(
      Array.from({ length: count }, () => postgresStorage({ url, clock: systemClock, log: silentLogger })),
    );
  });
});
