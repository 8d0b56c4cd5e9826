import assert from "node:assert/strict";
import { test } from "node:test";
import { compose } from "rouage";
import { withErrorPages } from "./front.ts";
import { webService } from "./service.ts";
import { fakeApi } from "./testing.ts";

async function door() {
  const web = await webService({ call: fakeApi().call }).start({
    settings: { storage: "memory:", log_level: "silent" },
  });
  return withErrorPages(
    compose({ name: "urgence", version: "1.0.0", services: [web], settings: { log_level: "silent" } }),
  );
}

const ask = (path: string, headers: Record<string, string>) =>
  new Request(`http://urgence.test${path}`, { headers, redirect: "manual" });

test("an unknown address is a page for browsers, in their language, and JSON for API clients", async () => {
  await using front = await door();
  const page = await front.fetch(ask("/v1/nothing", { accept: "text/html,*/*;q=0.8", "accept-language": "fr" }));
  assert.equal(page.status, 404);
  assert.match(page.headers.get("content-type") ?? "", /^text\/html/);
  assert.match(page.headers.get("content-security-policy") ?? "", /script-src 'self'/);
  assert.match(
    await page.text(),
    /<html lang="fr"[\s\S]*Page introuvable[\s\S]*Référence pour toute question\u00a0: <code>/,
  );
  const client = await front.fetch(ask("/v1/nothing", { accept: "application/json" }));
  assert.equal(client.status, 404);
  assert.equal(((await client.json()) as { errno: number }).errno, 111);
});

test("a HEAD of an unknown address has the headers of the page and no body", async () => {
  await using front = await door();
  const answer = await front.fetch(
    new Request("http://urgence.test/v1/nothing", { method: "HEAD", headers: { accept: "text/html" } }),
  );
  assert.equal(answer.status, 404);
  assert.match(answer.headers.get("content-type") ?? "", /^text\/html/);
  assert.equal(await answer.text(), "");
});
