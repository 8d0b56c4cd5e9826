import assert from "node:assert/strict";
import { test } from "node:test";
import { manualClock } from "../clock.ts";
import { ServiceError } from "../errors.ts";
import { memoryStorage } from "../storage/memory.ts";
import { refreshTokens } from "./refresh.ts";

async function setup() {
  const clock = manualClock();
  const storage = memoryStorage({ clock });
  const tokens = refreshTokens({
    storage,
    clock,
    ended: ({ id, subject }, reason) => [
      {
        kind: "event",
        key: { resource: "refresh-family", parent: subject, id },
        type: "session.revoked",
        data: { reason },
      },
    ],
  });
  await storage.define([tokens.definition]);
  const reasons = async () => {
    const found: string[] = [];
    for await (const entry of storage.log())
      if (entry.action === "event") found.push(JSON.parse(entry.body ?? "{}").reason);
    return found;
  };
  return { clock, storage, tokens, reasons };
}

const isRefused = (error: unknown) => ServiceError.is(error) && error.code === "invalid-credentials";

test("each token is traded for the next, and the family stays", async () => {
  const { tokens } = await setup();
  const first = await tokens.issue("0198", { amr: ["pwd"] });
  const second = await tokens.rotate(first.token);
  const third = await tokens.rotate(second.token);
  assert.equal(new Set([first.token, second.token, third.token]).size, 3);
  assert.equal(third.family.id, first.family.id);
  assert.equal(third.family.subject, "0198");
  assert.deepEqual(third.family.data, { amr: ["pwd"] });
});

test("a token used again ends the family: neither the thief nor the owner goes on", async () => {
  const { tokens, reasons } = await setup();
  const first = await tokens.issue("0198");
  const second = await tokens.rotate(first.token);
  await assert.rejects(tokens.rotate(first.token), isRefused);
  await assert.rejects(tokens.rotate(second.token), isRefused);
  assert.deepEqual(await tokens.list("0198"), []);
  assert.deepEqual(await reasons(), ["reused"], "told once");
});

test("parallel refreshes with one token: at most one succeeds, and the family ends", async () => {
  const { tokens, reasons } = await setup();
  const { token } = await tokens.issue("0198");
  const results = await Promise.allSettled(Array.from({ length: 20 }, () => tokens.rotate(token)));
  const won = results.filter((result) => result.status === "fulfilled");
  assert.ok(won.length <= 1, String(won.length));
  for (const { value } of won) await assert.rejects(tokens.rotate(value.token), isRefused);
  for (const result of results) if (result.status === "rejected") assert.ok(isRefused(result.reason));
  assert.deepEqual(await reasons(), ["reused"]);
});

test("a made-up token of a known family ends nothing", async () => {
  const { tokens } = await setup();
  const { token } = await tokens.issue("0198");
  const [subject, id, family, secret] = token.split(".");
  for (const forged of [
    `${subject}.${id}.${"A".repeat(22)}.${secret}`,
    `${subject}.${id}.${"A".repeat(22)}.${"A".repeat(43)}`,
    `${subject}.${id}.${family}`,
    `${subject}.${id}.${family}.${secret}.x`,
    "",
    "....",
  ])
    await assert.rejects(tokens.rotate(forged), isRefused);
  await tokens.rotate(token);
});

test("the store holds hashes only, and its log no bodies", async () => {
  const { tokens, storage } = await setup();
  const { token } = await tokens.issue("0198");
  const [, , family = "", secret = ""] = token.split(".");
  const texts: string[] = [];
  for await (const entry of storage.scan("refresh-family")) texts.push(JSON.stringify(entry));
  for await (const entry of storage.log()) texts.push(entry.body ?? "");
  assert.equal(
    texts.some((text) => text.includes(family) || text.includes(secret)),
    false,
  );
  assert.equal(texts.at(-1), "");
});

test("a family ends when idle, and at its age however often it is used", async () => {
  const { tokens, clock } = await setup();
  const day = 86_400_000;
  const idle = await tokens.issue("0198");
  clock.advance(30 * day);
  await assert.rejects(tokens.rotate(idle.token), isRefused);
  let { token } = await tokens.issue("0198");
  for (let n = 0; n < 8; n += 1) {
    clock.advance(20 * day);
    ({ token } = await tokens.rotate(token));
  }
  clock.advance(20 * day);
  await assert.rejects(tokens.rotate(token), isRefused);
  assert.equal(await tokens.purge(), 2);
  assert.equal(await tokens.purge(), 0);
});

test("sign-out ends one family or all of a subject, and of nobody else", async () => {
  const { tokens, reasons } = await setup();
  const a = await tokens.issue("a");
  const [b1, b2, b3] = [await tokens.issue("b"), await tokens.issue("b"), await tokens.issue("b")];
  assert.equal(await tokens.end("b", b1.family.id, "signed-out"), true);
  assert.equal(await tokens.end("b", b1.family.id), false);
  assert.equal(await tokens.endAll("b", "revoked", b3.family.id), 1);
  await assert.rejects(tokens.rotate(b2.token), isRefused);
  await tokens.rotate(b3.token);
  await tokens.rotate(a.token);
  assert.deepEqual(await reasons(), ["signed-out", "revoked"]);
});

test("what is remembered about a family can change, and its token stays good", async () => {
  const { tokens } = await setup();
  const { token, family } = await tokens.issue("0198", { amr: ["pwd"] });
  assert.equal(await tokens.annotate("0198", family.id, { amr: ["pwd", "otp"] }), true);
  assert.deepEqual((await tokens.rotate(token)).family.data, { amr: ["pwd", "otp"] });
  assert.equal(await tokens.annotate("0198", "other", {}), false);
});
