import assert from "node:assert/strict";
import { test } from "node:test";
import { ServiceError } from "../../errors.ts";
import { within } from "./patience.ts";

test("what is there in time is passed on, and what takes longer is a 503, however it ends", async () => {
  assert.equal(await within(10_000, Promise.resolve(1)), 1);
  await assert.rejects(within(10_000, Promise.reject(new Error("no"))), /no/);
  const { promise, reject } = Promise.withResolvers<never>();
  const isUnavailable = (error: unknown) => ServiceError.is(error) && error.code === "unavailable";
  await assert.rejects(within(1, promise), isUnavailable);
  reject(new Error("nobody asks any more"));
  await new Promise(setImmediate);
});
