/** A service of one worker or several, worker N on core N: `node bench/servers/workers.ts FOLDER PORT WORKERS`. The first one fills the store. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { Type } from "typebox";
import { everyone } from "../../packages/rouage/src/operations/access.ts";
import { resource } from "../../packages/rouage/src/resource.ts";
import { run } from "../../packages/rouage/src/runtime/run.ts";
import { supervise } from "../../packages/rouage/src/runtime/workers/supervise.ts";
import { workerNumber } from "../../packages/rouage/src/runtime/workers/worker-number.ts";
import { service } from "../../packages/rouage/src/service.ts";
import { kitten } from "../kitten.ts";

const [folder = "", port = "0", workers = "1"] = process.argv.slice(2);

const kittens = resource("kittens", {
  schema: Type.Object({ name: Type.String(), group: Type.Integer(), weight: Type.Number(), notes: Type.String() }),
  access: { create: [everyone], read: [everyone], write: [everyone] },
});

if (!supervise({ workers: Number(workers) })) {
  const number = workerNumber() ?? 1;
  spawnSync("taskset", ["-a", "-c", "-p", String(number - 1), String(process.pid)]);
  const running = await service({ name: "kittens", version: "1.0.0", resources: [kittens] }).start({
    settings: { storage: `sqlite:${join(folder, "kittens.db")}`, port: Number(port) },
  });
  if (number === 1)
    await running.storage.commit([
      {
        kind: "put",
        key: { resource: "kittens", parent: "", id: "tom" },
        body: JSON.stringify(kitten(1, 500)),
        expect: { kind: "any" },
      },
    ]);
  await run(running);
}
