/** The limit to compare with: bare `node:http` that answers a fixed JSON object, or echoes the body sent. Tells its port. */
import { createServer } from "node:http";

const body = process.argv[2] ?? "{}";

const server = createServer((request, response) => {
  if (request.method === "GET") {
    response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
    response.end(body);
    return;
  }
  const chunks: Buffer[] = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const echo = Buffer.concat(chunks);
    response.writeHead(200, { "content-type": "application/json", "content-length": echo.length });
    response.end(echo);
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  process.send?.({ port: typeof address === "object" ? address?.port : 0 });
});
process.on("disconnect", () => process.exit());
