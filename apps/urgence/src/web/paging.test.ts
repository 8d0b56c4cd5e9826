import assert from "node:assert/strict";
import { test } from "node:test";
import { testSite } from "./testing.ts";

for (const [path, api, roles] of [
  ["/me/access-log", "GET /v1/me/access-log", ["person"]],
  ["/me/history", "GET /v1/me/history", ["person"]],
  ["/me/positions", "GET /v1/me/positions", ["person"]],
  ["/responder", "GET /v1/lookups", ["person", "responder"]],
] as const) {
  test(`a long list goes on by a link, and back to its beginning: ${path}`, async () => {
    await using site = await testSite();
    site.api.roles = [...roles];
    site.api.answers.set(api, {
      body: { data: [{ id: "1", at: "2026-01-01T00:00:00Z" }] },
      headers: { "next-page": "http://access.internal/v1/list?_limit=20&_token=000000000042" },
    });
    const first = await site.get(path);
    assert.match(first.text, new RegExp(`<a rel="next" href="${path}\\?older=000000000042">Older entries</a>`));
    assert.doesNotMatch(first.text, /Back to the newest/);
    site.api.answers.set(api, { body: { data: [] }, headers: {} });
    const last = await site.get(`${path}?older=000000000042`);
    assert.match(site.api.calls.at(-1)?.path ?? "", /[?&]_token=000000000042/);
    assert.match(last.text, new RegExp(`<a href="${path}">Back to the newest</a>`));
    assert.doesNotMatch(last.text, /Older entries/);
  });
}

test("a token that is none asks for the first page", async () => {
  await using site = await testSite();
  for (const older of ["", "%26_limit%3D1", "%0d%0a", "x".repeat(3000)]) await site.get(`/me/history?older=${older}`);
  const asked = site.api.calls.filter(({ path }) => path.startsWith("/v1/me/history"));
  assert.deepEqual(new Set(asked.map(({ path }) => path)), new Set(["/v1/me/history?_limit=20"]));
});
