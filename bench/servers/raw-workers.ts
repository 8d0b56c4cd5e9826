/** Bare `node:http` in one process or several, worker N on core N: `node bench/servers/raw-workers.ts FOLDER PORT WORKERS`. What sharing a port costs without us. */
import { spawnSync } from "node:child_process";
import cluster from "node:cluster";
import { createServer } from "node:http";
import { kitten } from "../kitten.ts";

const [, port = "0", workers = "1"] = process.argv.slice(2);

if (cluster.isPrimary && workers !== "1") {
  for (let number = 1; number <= Number(workers); number++) cluster.fork({ WORKER: number });
  process.once("SIGTERM", () => {
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill("SIGKILL");
    process.exit();
  });
} else {
  const core = Number(process.env.WORKER ?? 1) - 1;
  spawnSync("taskset", ["-a", "-c", "-p", String(core), String(process.pid)]);
  const body = JSON.stringify({ data: { id: "tom", last_modified: 1_780_000_000_000, ...kitten(1, 500) } });
  const server = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
    response.end(body);
  });
  server.listen(Number(port), "127.0.0.1", () => console.log('{"msg":"listening"}'));
}
