import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe, test } from "node:test";
import fc from "fast-check";
import { memoryCache } from "../cache/memory.ts";
import { manualClock } from "../clock.ts";
import { ServiceError } from "../errors.ts";

import { type AccountsAuthOptions, accountsAuth } from "./accounts.ts";
import { basicAuth } from "./basic.ts";
import { parseBasic } from "./basic-credentials.ts";
import { authRequest } from "./testing.ts";
import { throttle } from "./throttle.ts";

const header = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
const request = (user: string, password: string) => authRequest({ headers: { authorization: header(user, password) } });

describe("Basic credentials", () => {
  test("whatever user without a colon and whatever password come back as they were sent (RFC 7617 §2)", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 40 });
    fc.assert(
      fc.property(text, text, (user, password) => {
        fc.pre(!user.includes(":") && user.isWellFormed() && password.isWellFormed());
        assert.deepEqual(parseBasic(header(user, password)), { user, password });
      }),
    );
  });

  test("what is no such header is none", () => {
    for (const each of [
      undefined,
      "",
      "Basic",
      "Basic ",
      "Bearer YTpi",
      "Basic Y W",
      "Basic !!",
      `Basic ${btoa("no colon")}`,
    ])
      assert.equal(parseBasic(each), undefined, String(each));
    assert.equal(parseBasic(`Basic ${"A".repeat(9000)}`), undefined);
  });

  test("bytes that are no UTF-8 are read as Latin-1", () => {
    assert.deepEqual(parseBasic(`basic ${Buffer.from("é:ü", "latin1").toString("base64")}`), {
      user: "é",
      password: "ü",
    });
  });
});

describe("basicAuth", () => {
  const policy = basicAuth({ secret: "s3cret" });

  test("the identity is the keyed hash of user and password", async () => {
    const hash = createHmac("sha256", "s3cret").update("bob:pw").digest("hex");
    const principal = await policy.authenticate(request("bob", "pw"));
    assert.equal(principal?.id, `basicauth:${hash}`);
    assert.equal(principal?.policy, "basicauth");
  });

  test("no user, no header, a broken header: anonymous", async () => {
    assert.equal(await policy.authenticate(request("", "pw")), undefined);
    assert.equal(await policy.authenticate(authRequest()), undefined);
    assert.equal(await policy.authenticate(authRequest({ headers: { authorization: "Basic %" } })), undefined);
  });

  test("an empty secret is refused, a name and a realm of one's own are taken", async () => {
    assert.throws(() => basicAuth({ secret: "" }), /secret is empty/);
    const own = basicAuth({ name: "anybody", secret: "x", realm: 'a"b' });
    assert.match((await own.authenticate(request("bob", "pw")))?.id ?? "", /^anybody:[0-9a-f]{64}$/);
    assert.equal(own.challenge, 'Basic realm="ab"');
  });
});

describe("accountsAuth", () => {
  function accounts(options: Partial<AccountsAuthOptions> = {}) {
    const clock = manualClock();
    const passwords = new Map([["bob", "right"]]);
    const state = { checks: 0, wait: undefined as Promise<unknown> | undefined };
    const cache = memoryCache({ clock });
    const policy = accountsAuth({
      secret: "s3cret",
      cache,
      throttle: throttle({ clock }),
      async verify(user, password) {
        state.checks++;
        const stored = passwords.get(user);
        await state.wait;
        return stored === undefined ? undefined : stored === password;
      },
      ...options,
    });
    const code = async (user: string, password: string) => {
      try {
        return (await policy.authenticate(request(user, password)))?.id;
      } catch (error) {
        if (ServiceError.is(error)) return error.code;
        throw error;
      }
    };
    return { clock, passwords, state, cache, policy, code };
  }

  test("the right password is the account, a wrong one is refused, an unknown account is somebody else's business", async () => {
    const { code } = accounts();
    assert.equal(await code("bob", "right"), "account:bob");
    assert.equal(await code("bob", "wrong"), "missing-credentials");
    assert.equal(await code("eve", "right"), undefined);
    assert.equal(await code("", "right"), undefined);
    assert.equal(await code("b".repeat(256), "right"), undefined);
  });

  test("a successful check holds for a while and is answered at once, a failed one is made again", async () => {
    const { clock, code, policy, state } = accounts();
    await code("bob", "right");
    assert.ok(!(policy.authenticate(request("bob", "right")) instanceof Promise));
    assert.equal(state.checks, 1);
    await code("bob", "wrong");
    await code("bob", "wrong");
    assert.equal(state.checks, 3);
    clock.advance(31_000);
    await code("bob", "right");
    assert.equal(state.checks, 4);
  });

  test("neither password nor name are in the cache", async () => {
    const seen: string[] = [];
    const clock = manualClock();
    const inner = memoryCache({ clock });
    const { code } = accounts({
      cache: {
        ...inner,
        add(key, value, ttl) {
          seen.push(key, value);
          return inner.add(key, value, ttl);
        },
      },
    });
    await code("bob", "right");
    assert.equal(seen.length, 2);
    assert.doesNotMatch(seen.join(), /bob|right/);
  });

  test("after forget the old password holds no longer, also where its check was under way", async () => {
    const { code, passwords, policy, state } = accounts();
    await code("bob", "right");
    passwords.set("bob", "new");
    await policy.forget("bob");
    assert.equal(await code("bob", "right"), "missing-credentials");
    assert.equal(await code("bob", "new"), "account:bob");

    const gate = Promise.withResolvers<void>();
    state.wait = gate.promise;
    const early = code("bob", "new");
    passwords.set("bob", "newer");
    await policy.forget("bob");
    const late = code("bob", "new");
    gate.resolve();
    assert.equal(await early, "account:bob");
    assert.equal(await late, "missing-credentials");
    assert.equal(await code("bob", "new"), "missing-credentials");
  });

  test("requests at the same time share one check", async () => {
    const { code, state } = accounts();
    assert.deepEqual(
      new Set(await Promise.all(Array.from({ length: 20 }, () => code("bob", "right")))),
      new Set(["account:bob"]),
    );
    assert.equal(state.checks, 1);
  });

  test("wrong passwords are throttled, the owner's checks that were kept go on", async () => {
    const { code } = accounts();
    await code("bob", "right");
    for (let n = 0; n < 6; n++) assert.equal(await code("bob", `wrong ${n}`), "missing-credentials");
    assert.equal(await code("bob", "wrong 7"), "too-many-requests");
    assert.equal(await code("bob", "right"), "account:bob");
    assert.equal(await code("eve", "x"), undefined, "others are not held up");
  });

  test("an account that does not exist is never locked: its credentials may be another policy's", async () => {
    const { code } = accounts();
    for (let n = 0; n < 50; n++) assert.equal(await code("eve", `pw ${n}`), undefined);
  });

  test("a check that fails is not counted; a cache that is away costs time only", async () => {
    const broken = accounts({ verify: () => Promise.reject(new ServiceError("unavailable")) });
    for (let n = 0; n < 10; n++) assert.equal(await broken.code("bob", "right"), "unavailable");

    const away = () => Promise.reject(new ServiceError("unavailable"));
    const clock = manualClock();
    const { code, state } = accounts({ cache: { ...memoryCache({ clock }), get: away, set: away, add: away } });
    assert.equal(await code("bob", "right"), "account:bob");
    assert.equal(await code("bob", "right"), "account:bob");
    assert.equal(state.checks, 2);
  });

  test("with cacheSeconds 0 every request is checked", async () => {
    const { code, policy, state } = accounts({ cacheSeconds: 0 });
    await code("bob", "right");
    await code("bob", "right");
    await policy.forget("bob");
    assert.equal(state.checks, 2);
  });
});
