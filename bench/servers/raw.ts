/** The limit to compare with: bare node:http that answers a fixed JSON object, or echoes the body posted. Prints its port. */
import { createServer } from "node:http";

const object = process.argv[2] ?? "{}";
const body = `{"data":${object}}`;

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
    response.writeHead(201, { "content-type": "application/json", "content-length": echo.length });
    response.end(echo);
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  process.stdout.write(`${JSON.stringify({ port: typeof address === "object" ? address?.port : 0 })}\n`);
});
