import assert from "node:assert/strict";
import { test } from "node:test";
import { cacheUrl } from "./cache-url.ts";

test("each service has keys of its own in a shared cache", () => {
  assert.equal(cacheUrl("memory:", "access"), "memory:");
  assert.equal(cacheUrl("redis://:p%3Fw@cache/1", "access"), "redis://:p%3Fw@cache/1?prefix=urgence%3Aaccess%3A");
  assert.equal(
    cacheUrl("rediss://cache?command_timeout=2&prefix=staging:", "web"),
    "rediss://cache?command_timeout=2&prefix=staging%3Aweb%3A",
  );
});
