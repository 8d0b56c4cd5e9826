/**
 * The limit of a storage to compare with: bare `node:http` and the storage's driver, with the statements that a service needs for the same answers, on
 * a store that the toolkit has made and filled. No checks, no rules, no log line. Tells its port.
 * `node bench/servers/driver.ts URL one-by-one|grouped`
 */
import { randomUUIDv7 } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Driver, Put } from "./driver-statements.ts";

const [url = "", mode = ""] = process.argv.slice(2);
const { driver } = (await import(`./driver-${url.slice(0, url.indexOf(":"))}.ts`)) as {
  readonly driver: (url: string, grouped: boolean) => Driver | Promise<Driver>;
};
const { get, list, put } = await driver(url, mode === "grouped");

const server = createServer((request, response) => {
  serve(request, response).catch((error: unknown) => {
    report(error);
    response.writeHead(500).end();
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  process.send?.({ port: typeof address === "object" ? address?.port : 0 });
});
process.on("disconnect", () => process.exit());

/** Each message once: a server in trouble has the same for all. */
const reported = new Set<string>();
function report(error: unknown): void {
  const text = String(error);
  if (!reported.has(text)) console.error(text);
  reported.add(text);
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const target = request.url ?? "";
  const query = target.indexOf("?");
  const path = query < 0 ? target : target.slice(0, query);
  if (request.method === "GET") {
    if (query >= 0) {
      const group = Number(new URLSearchParams(target.slice(query)).get("group"));
      return answer(response, 200, `{"data":[${(await list(group)).join(",")}]}`);
    }
    const found = await get(path.slice(path.lastIndexOf("/") + 1));
    return answer(response, found === undefined ? 404 : 200, `{"data":${found}}`);
  }
  const sent = JSON.parse(await textOf(request));
  if (path.endsWith("/batch")) {
    const puts = sent.requests.map((each: { readonly body: { readonly data: object } }) => creation(each.body.data));
    const written = await put(puts);
    return answer(response, 200, JSON.stringify({ responses: written.map((each) => ({ status: 201, body: each })) }));
  }
  const id = path.slice(path.lastIndexOf("/") + 1);
  const change = request.method === "PUT" ? { id, body: JSON.stringify(sent.data), isNew: false } : creation(sent.data);
  const [written] = await put([change]);
  return answer(response, change.isNew ? 201 : 200, `{"data":${written}}`);
}

function creation(data: object): Put {
  return { id: randomUUIDv7(), body: JSON.stringify(data), isNew: true };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function answer(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
  response.end(body);
}
