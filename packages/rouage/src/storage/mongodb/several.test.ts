import { systemClock } from "../../clock.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { severalInstancesTests } from "../conformance/several.ts";
import { mongoStorage } from "./mongodb.ts";
import { describeOnServers } from "./test-stores.ts";

describeOnServers("several instances on one store in MongoDB", (fresh) => {
  severalInstancesTests((count) => {
    const { url } = fresh("&statement_timeout=60");
    return Promise.all(
      // FerretDB's updates are no atomic steps: nobody may take a slow process for a dead one.
      Array.from({ length: count }, () =>
        mongoStorage({ url, clock: systemClock, log: silentLogger, helpAfterMs: 10_000 }),
      ),
    );
  });
});
