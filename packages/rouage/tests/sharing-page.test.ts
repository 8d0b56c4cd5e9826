/** docs/sharing.md says what happens: its service is started, its commands are sent in their order, its answers compared. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { ServiceDefinition } from "rouage";
import { developmentAuthentication } from "../src/cli/development-authentication.ts";

const page = readFileSync(join(import.meta.dirname, "../../../docs/sharing.md"), "utf8");

test("the examples of the page on sharing do what it says", async (context) => {
  const folder = mkdtempSync(join(import.meta.dirname, ".sharing-page-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const [, source = ""] = /```ts\n(.*?)```/s.exec(page) ?? [];
  writeFileSync(join(folder, "notes.ts"), source);
  const { default: definition }: { default: ServiceDefinition } = await import(join(folder, "notes.ts"));
  await using service = await definition.start({
    settings: { storage: "memory:", log_level: "silent" },
    fallbackAuthentication: [developmentAuthentication],
  });

  let compared = 0;
  for (const [, block = ""] of page.matchAll(/```console\n(.*?)```/gs)) {
    for (const part of block.split(/^\$ /m).slice(1)) {
      const { request, expected } = parse(part);
      const response = await service.fetch(request);
      const body = await response.text();
      assert.ok(response.ok, `${request.method} ${request.url}: ${response.status} ${body}`);
      if (expected === "") continue;
      assert.deepEqual(withoutTimes(body), withoutTimes(expected));
      compared++;
    }
  }
  assert.equal(compared, 3);
});

/** A `curl` command, perhaps over several lines, and the answer that follows it. */
function parse(text: string): { readonly request: Request; readonly expected: string } {
  const end = text.search(/^\{/m);
  const command = (end < 0 ? text : text.slice(0, end)).replaceAll("\\\n", " ");
  const option = (name: string): string | undefined => {
    const [, quoted, plain] = new RegExp(`${name} (?:'([^']*)'|(\\S+))`).exec(command) ?? [];
    return quoted ?? plain;
  };
  const [url = ""] = /http:[^\s']+/.exec(command) ?? [];
  const headers = new Headers({ authorization: `Basic ${btoa(option("-u") ?? "")}` });
  const [name, value] = option("-H")?.split(": ") ?? [];
  if (name !== undefined && value !== undefined) headers.set(name, value);
  const body = option("-d");
  const init = { method: option("-X") ?? "GET", headers, ...(body === undefined ? {} : { body }) };
  return { request: new Request(url, init), expected: end < 0 ? "" : text.slice(end) };
}

function withoutTimes(json: string): unknown {
  return JSON.parse(json, (key, value) => (key === "last_modified" ? 0 : value));
}
