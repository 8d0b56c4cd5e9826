import assert from "node:assert/strict";
import { test } from "node:test";
import { deviceName } from "./device.ts";
import { en } from "./i18n/en.ts";

for (const [client, name] of [
  [
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/131.0.0.0 Mobile Safari/537.36",
    "Chrome on Android",
  ],
  [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Version/18.1 Mobile/15E148 Safari/604.1",
    "Safari on iPhone",
  ],
  ["Mozilla/5.0 (Windows NT 10.0) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0", "Edge on Windows"],
  ["Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", "Firefox on Linux"],
  ["<script>alert(1)</script>", "Unknown device"],
  ["", "Unknown device"],
] as const) {
  test(`a browser that calls itself "${client.slice(0, 40)}" is ${name}`, () => {
    assert.equal(deviceName(client, false, en.account), name);
  });
}

test("a program of the API is named by its own first word", () => {
  assert.equal(deviceName("curl/7.88.1", true, en.account), "Application (curl)");
  assert.equal(deviceName(undefined, true, en.account), "Application");
});
