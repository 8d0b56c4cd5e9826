/** The disk is full: writes are refused, what was acknowledged stays, and space brings it back. */
import { test } from "node:test";
import { backends } from "./backends.ts";
import { assertWhole } from "./check.ts";
import { startService } from "./processes.ts";
import { smallDisk } from "./small-disk.ts";
import { eventually, startLoad } from "./writers.ts";

for (const { name, skip, megabytes, start } of backends)
  test(`${name}: a disk that is full under load, and has space again`, { skip }, async (context) => {
    await using disk = await smallDisk(megabytes);
    if (disk === undefined) return context.skip("this user cannot mount a small file system");
    await using backend = await start(disk.folder);
    const url = backend.fresh({ connect_timeout: "2" });
    await using service = await startService({ storage: url });
    const load = startLoad(service);
    await eventually("the load is under way", () => load.counts.acknowledged > 50);
    for (let round = 0; round < 2; round++) {
      const { refused } = load.counts;
      await disk.fill(200_000);
      await eventually("writes are refused", () => load.counts.refused > refused + 20);
      await disk.empty();
      const then = load.counts.acknowledged;
      await eventually("it goes on by itself", async () => {
        // A database that has given up is started again by whoever looks after it.
        if (backend.server?.isRunning() === false) await backend.server.start();
        return load.counts.acknowledged > then + 50;
      });
    }
    load.stop();
    await load.done;
    await assertWhole(url, load.written);
  });
