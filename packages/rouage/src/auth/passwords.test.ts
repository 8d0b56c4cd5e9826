import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ServiceError } from "../errors.ts";
import { type Derive, type DeriveParameters, type PepperKeys, passwords } from "./passwords.ts";

const key = (byte: number) => new Uint8Array(32).fill(byte);
const pepper: PepperKeys = {
  active: () => ({ id: "p1", key: key(1) }),
  find: (id) => (id === "p1" ? key(1) : undefined),
};
const cheap = { memory: 64, passes: 1 };

/** Counts what is derived, without the cost. */
function counting(): { derive: Derive; calls: DeriveParameters[] } {
  const calls: DeriveParameters[] = [];
  return {
    calls,
    async derive(message, parameters) {
      calls.push(parameters);
      return message.slice(0, parameters.tagLength);
    },
  };
}

test("the hash is a PHC string that names its pepper, and only the right password verifies", async () => {
  const hasher = passwords({ pepper });
  const hash = await hasher.hash("correct horse battery");
  assert.match(hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1,keyid=cDE\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  assert.equal(await hasher.verify("correct horse battery", hash), true);
  assert.equal(await hasher.verify("correct horse batterz", hash), false);
  assert.equal(hasher.needsRehash(hash), false);
});

test("the same password has another hash each time", async () => {
  const hasher = passwords({ pepper, ...cheap });
  assert.notEqual(await hasher.hash("tournesol de mai"), await hasher.hash("tournesol de mai"));
});

test("a password typed in another Unicode form is the same password", async () => {
  const hasher = passwords({ pepper, ...cheap });
  assert.equal(await hasher.verify("cafe\u0301 cre\u0300me", await hasher.hash("café crème")), true);
});

test("an unknown user costs the same work as a wrong password", async () => {
  const { derive, calls } = counting();
  const hasher = passwords({ pepper, derive });
  const hash = await hasher.hash("correct horse battery");
  calls.length = 0;
  assert.equal(await hasher.verify("wrong password", hash), false);
  assert.equal(await hasher.verify("wrong password", undefined), false);
  assert.equal(await hasher.verify("wrong password", "not a hash"), false);
  const work = calls.map(({ memory, passes, parallelism, tagLength }) => ({ memory, passes, parallelism, tagLength }));
  assert.deepEqual(work, [work[0], work[0], work[0]]);
  assert.deepEqual(work[0], { memory: 19_456, passes: 2, parallelism: 1, tagLength: 32 });
});

test("hashes made with an older pepper or other costs still verify, and ask to be made anew", async () => {
  const old = passwords({ pepper, ...cheap });
  const hash = await old.hash("correct horse battery");
  const keys: PepperKeys = {
    active: () => ({ id: "p2", key: key(2) }),
    find: (id) => ({ p1: key(1), p2: key(2) })[id],
  };
  const rotated = passwords({ pepper: keys, ...cheap });
  assert.equal(await rotated.verify("correct horse battery", hash), true);
  assert.equal(rotated.needsRehash(hash), true);
  assert.equal(passwords({ pepper, memory: 128, passes: 1 }).needsRehash(hash), true);
  assert.equal(rotated.needsRehash(await rotated.hash("correct horse battery")), false);
});

test("without its pepper a hash verifies nothing", async () => {
  const hash = await passwords({ pepper, ...cheap }).hash("correct horse battery");
  const other: PepperKeys = { active: () => ({ id: "p1", key: key(9) }), find: () => key(9) };
  assert.equal(await passwords({ pepper: other, ...cheap }).verify("correct horse battery", hash), false);
});

test("more hashes than may run and wait are refused with 429, and the waiting ones run in order", async () => {
  const gates: (() => void)[] = [];
  const derive: Derive = (message) => {
    const { promise, resolve } = Promise.withResolvers<Uint8Array>();
    gates.push(() => resolve(message));
    return promise;
  };
  const hasher = passwords({ pepper, derive, concurrency: 1, queue: 2 });
  const done: number[] = [];
  const jobs = [0, 1, 2].map((n) => hasher.hash("correct horse").then(() => done.push(n)));
  await assert.rejects(hasher.hash("correct horse"), (error: unknown) => {
    assert.ok(ServiceError.is(error));
    assert.equal(error.kind.status, 429);
    assert.ok(Number(error.headers["retry-after"]) > 0);
    return true;
  });
  assert.equal(gates.length, 1, "one at a time");
  for (const job of jobs) {
    gates.shift()?.();
    await job;
  }
  assert.deepEqual(done, [0, 1, 2]);
});

test("a caller that gives up leaves the queue", async () => {
  const gates: (() => void)[] = [];
  const derive: Derive = (message) => {
    const { promise, resolve } = Promise.withResolvers<Uint8Array>();
    gates.push(() => resolve(message));
    return promise;
  };
  const hasher = passwords({ pepper, derive, concurrency: 1, queue: 1 });
  const first = hasher.hash("correct horse");
  const controller = new AbortController();
  const second = hasher.hash("correct horse", controller.signal);
  controller.abort(new Error("gone"));
  await assert.rejects(second, /gone/);
  const third = hasher.hash("correct horse");
  gates.shift()?.();
  await first;
  gates.shift()?.();
  await third;
});

test("new passwords are judged by length, blocklist and the account's name, never by composition", () => {
  const hasher = passwords({ pepper });
  const codeOf = (password: string, names: readonly string[] = []) => hasher.fault(password, names)?.code;
  assert.equal(codeOf("short"), "min-length");
  assert.equal(codeOf("x".repeat(1025)), "max-length");
  assert.equal(codeOf("é".repeat(513)), "max-length");
  assert.equal(codeOf("Password123"), "common-password");
  assert.equal(codeOf("mot-de-passe"), "common-password");
  assert.equal(codeOf("aaaaaaaaaa"), "common-password");
  for (const longer of ["password1234", "Password-2026!", "motdepasse12345", "12345qwertyuiop", "Azertyuiop!!!!"])
    assert.equal(codeOf(longer), "common-password", longer);
  for (const pattern of ["123456789012", "0987654321098", "abcabcabcabc", "12341234123412341234", "superman superman"])
    assert.equal(codeOf(pattern), "common-password", pattern);
  for (const fine of ["password of my aunt", "1234 otters swim", "19840531063998", "12345678901 2 3 5"])
    assert.equal(codeOf(fine), undefined, fine);
  assert.equal(codeOf("camille.durand2026", ["camille.durand@example.fr"]), "contains-account-name");
  assert.equal(codeOf("\ud800abcdefgh"), "not-text");
  assert.equal(codeOf("correct horse battery staple", ["camille@example.fr"]), undefined);
  assert.equal(codeOf("tout en minuscules"), undefined);
});

test("no stored text, however broken, makes verification throw", async () => {
  const { derive } = counting();
  const hasher = passwords({ pepper, derive });
  await fc.assert(
    fc.asyncProperty(fc.string(), fc.string(), async (password, hash) => {
      assert.equal(await hasher.verify(password, hash), false);
    }),
  );
});

test("a bcrypt hash of another system verifies, and asks to be made anew", async () => {
  const hasher = passwords({ pepper, ...cheap });
  // From the test suite of crypt_blowfish, the implementation that others are measured by.
  const hash = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
  assert.equal(await hasher.verify("U*U", hash), true);
  assert.equal(await hasher.verify("U*V", hash), false);
  assert.equal(hasher.needsRehash(hash), true);
  // Another name of the same algorithm, as Python's bcrypt writes it.
  assert.equal(await hasher.verify("U*U", hash.replace("$2a$", "$2b$")), true);
});

test("what only looks like bcrypt, or would take minutes, is no hash", async () => {
  const hasher = passwords({ pepper, ...cheap });
  for (const hash of ["$2a$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "$2a$05$short", "$2x$05$x"])
    assert.equal(await hasher.verify("U*U", hash), false);
});
