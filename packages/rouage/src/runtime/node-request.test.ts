import assert from "node:assert/strict";
import { test } from "node:test";
import { listen } from "./node.ts";

const cases = [
  { proxies: 0, forwarded: "203.0.113.9", peer: "127.0.0.1" },
  { proxies: 1, forwarded: undefined, peer: "127.0.0.1" },
  { proxies: 1, forwarded: "198.51.100.1, 203.0.113.9", peer: "203.0.113.9" },
  { proxies: 2, forwarded: "198.51.100.1, 203.0.113.9, 10.0.0.1", peer: "203.0.113.9" },
  { proxies: 2, forwarded: "203.0.113.9", peer: "127.0.0.1" },
  { proxies: 1, forwarded: "[2001:db8::1]", peer: "2001:db8::1" },
  { proxies: 1, forwarded: "not an address", peer: "127.0.0.1" },
];

for (const { proxies, forwarded, peer } of cases)
  test(`with ${proxies} trusted proxies and X-Forwarded-For ${forwarded ?? "absent"} the client is ${peer}`, async () => {
    const handler = {
      handle: (request: { readonly peer: string | undefined }) => ({ status: 200, headers: {}, body: request.peer }),
    };
    await using server = await listen(handler, { trustedProxies: proxies });
    const response = await fetch(
      server.origin,
      forwarded === undefined ? {} : { headers: { "x-forwarded-for": forwarded } },
    );
    assert.equal(await response.text(), peer);
  });
