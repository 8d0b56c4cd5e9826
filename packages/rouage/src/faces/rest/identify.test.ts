import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { AuthenticationPolicy } from "../../auth/policy.ts";
import { authRequest, uncounted } from "../../auth/testing.ts";
import { type ErrorCode, ServiceError } from "../../errors.ts";
import type { Principal } from "../../principal.ts";

import { identifier, lenient } from "./identify.ts";

type Answer = string | undefined | ErrorCode | Error;

const codes: readonly unknown[] = ["missing-credentials", "invalid-credentials", "too-many-requests", "unavailable"];

function policy(name: string, answer: Answer, options: { later?: boolean; principals?: readonly string[] } = {}) {
  const asked: string[] = [];
  const decide = (): Principal | undefined => {
    asked.push(name);
    if (answer instanceof Error) throw answer;
    if (codes.includes(answer)) throw new ServiceError(answer as ErrorCode);
    if (answer === undefined) return undefined;
    const { principals } = options;
    return {
      id: `${name}:${answer}`,
      roles: new Set([answer]),
      claims: {},
      policy: name,
      ...(principals === undefined ? {} : { principals }),
    };
  };
  return {
    asked,
    name,
    securityScheme: {},
    authenticate: options.later === true ? async () => decide() : decide,
  } satisfies AuthenticationPolicy & { asked: string[] };
}

const request = authRequest();
const identify = (...policies: readonly AuthenticationPolicy[]) => identifier(policies, uncounted)(request);

for (const later of [false, true])
  describe(later ? "policies that take time" : "policies that answer at once", () => {
    const of = (name: string, answer: Answer, principals?: readonly string[]) =>
      policy(name, answer, { later, ...(principals === undefined ? {} : { principals }) });

    test("the first that recognises the caller decides who it is; the others add principals, not roles", async () => {
      const principal = await identify(of("a", undefined), of("b", "bob", ["team"]), of("c", "carl", ["team", "x"]));
      assert.equal(principal.id, "b:bob");
      assert.equal(principal.policy, "b");
      assert.deepEqual([...principal.roles], ["bob"]);
      assert.deepEqual(principal.principals, ["team", "c:carl", "x"]);
    });

    test("what one refuses another may accept", async () => {
      const principal = await identify(of("a", "missing-credentials"), of("b", "bob"));
      assert.equal(principal.id, "b:bob");
      assert.equal(principal.principals, undefined);
    });

    test("a refusal holds where nobody accepts; the first one is told", async () => {
      await assert.rejects(
        async () => identify(of("a", "missing-credentials"), of("b", "invalid-credentials"), of("c", undefined)),
        { code: "missing-credentials" },
      );
    });

    test("too many tries and a backend that is away end the search: nobody silently becomes somebody else", async () => {
      for (const code of ["too-many-requests", "unavailable"] as const) {
        const behind = of("b", "bob");
        await assert.rejects(async () => identify(of("a", code), behind), { code });
        assert.deepEqual(behind.asked, []);
      }
    });

    test("what a policy behind refuses or fails at takes nothing from who is known; a defect is told", async () => {
      const principal = await identify(
        of("a", "ann"),
        of("b", "invalid-credentials"),
        of("c", "unavailable"),
        of("d", "x"),
      );
      assert.equal(principal.id, "a:ann");
      assert.deepEqual(principal.principals, ["d:x"]);
      await assert.rejects(async () => identify(of("a", "ann"), of("b", new TypeError("defect"))), TypeError);
    });

    test("nobody recognises the caller: anonymous", async () => {
      assert.equal((await identify(of("a", undefined), of("b", undefined))).id, undefined);
      assert.equal((await identify(of("a", undefined))).id, undefined);
    });

    test("lenient: every refusal counts as no credentials, a failure does not", async () => {
      const leniently = async (...policies: AuthenticationPolicy[]) =>
        lenient(identifier(policies, uncounted))(request);
      assert.equal((await leniently(of("a", "missing-credentials"))).id, undefined);
      assert.equal((await leniently(of("a", "invalid-credentials"), of("b", undefined))).id, undefined);
      await assert.rejects(leniently(of("a", "unavailable")), { code: "unavailable" });
    });
  });

test("policies that answer at once are not waited for", () => {
  assert.ok(!(identify(policy("a", "ann"), policy("b", "bob")) instanceof Promise));
  assert.ok(!(identify() instanceof Promise));
});

test("with one policy its principal is passed on as it is", () => {
  const principal: Principal = { id: "x", roles: new Set(), claims: {}, policy: "one" };
  assert.equal(identify({ name: "one", securityScheme: {}, authenticate: () => principal }), principal);
});
