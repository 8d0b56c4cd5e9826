import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRedisUrl } from "./url.ts";

test("a URL says where the server is, as whom, and how it is used", () => {
  assert.deepEqual(parseRedisUrl("redis://localhost", "kittens"), {
    ...{ server: { host: "localhost", port: 6379 }, tls: undefined, user: undefined, password: undefined },
    ...{ database: 0, prefix: "kittens:", connectTimeoutMs: 2_000, commandTimeoutMs: 1_000, maxValueBytes: 1_048_576 },
  });
  assert.deepEqual(
    parseRedisUrl(
      "rediss://me:s%40cret@[::1]:7000/3?prefix=p:&ca=ca.pem&connect_timeout=5&command_timeout=0.2&max_value_bytes=9",
    ),
    {
      ...{ server: { host: "::1", port: 7000 }, tls: { ca: "ca.pem" }, user: "me", password: "s@cret" },
      ...{ database: 3, prefix: "p:", connectTimeoutMs: 5_000, commandTimeoutMs: 200, maxValueBytes: 9 },
    },
  );
  const socket = parseRedisUrl("redis://:pw@/1?socket=/run/redis.sock&prefix=");
  assert.deepEqual(socket.server, { path: "/run/redis.sock" });
  assert.deepEqual([socket.user, socket.password, socket.database, socket.prefix], [undefined, "pw", 1, ""]);
});

test("what is wrong is named, and the password is not", () => {
  for (const [url, message] of [
    ["redis:localhost", /not a URL of Redis/],
    ["redis://me:secret@host:port", /not a URL of Redis/],
    ["redis://me:secret@host/name", /not a URL of Redis/],
    ["redis://:secret@/0", /a host is missing/],
    ["redis://:secret@host:70000", /port/],
    ["redis://:secret@host?socket=/x", /in the place of host and port/],
    ["rediss://:secret@/?socket=/x", /in the place of host and port/],
    ["redis://:secret@host?ca=x", /is for rediss/],
    ["redis://:secret%@host", /percent-encoded/],
    ["redis://:secret@host?command_timeout=0", /\?command_timeout= is a number from 0.05 to 600/],
    ["redis://:secret@host?connect_timeout=1e3", /\?connect_timeout=/],
    ["redis://:secret@host?max_value_bytes=-1", /\?max_value_bytes=/],
    ["redis://:secret@host?maxbytes=1", /\?maxbytes= is not known; there are socket, ca, prefix/],
  ] as const) {
    assert.throws(
      () => parseRedisUrl(url),
      (error: Error) => {
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /secret/);
        return true;
      },
    );
  }
});
