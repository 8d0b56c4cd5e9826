import assert from "node:assert/strict";
import { test } from "node:test";
import { manualClock } from "rouage";
import { anyStorage } from "../../../../scripts/test-stores.ts";
import { kintoTest, withKinto } from "../../tests/support/running.ts";

const settings = {
  includes: "kinto.plugins.accounts",
  "multiauth.policies": "account",
  account_create_principals: "system.Everyone",
  account_write_principals: "account:admin",
};
const bob = "bob:correct horse battery";
const password = "correct horse battery";

kintoTest(
  "anybody signs up with a name of their own, by PUT or POST, and owns the account",
  settings,
  async ({ ask }) => {
    const put = await ask("PUT", "/accounts/bob", { body: { data: { password, colour: "blue" } } });
    assert.equal(put.status, 201);
    assert.deepEqual(put.body.permissions, { write: ["account:bob"] });
    assert.deepEqual(Object.keys(put.body.data).sort(), ["colour", "id", "last_modified"]);
    const post = await ask("POST", "/accounts", { body: { data: { id: "eve", password } } });
    assert.equal(post.status, 201);
    assert.deepEqual(post.body.permissions, { write: ["account:eve"] });
    assert.equal((await ask("GET", "/", { as: bob })).body.user.id, "account:bob");
    assert.equal((await ask("POST", "/accounts", { body: { data: { password } } })).status, 400);
    for (const id of ["a+b", "a.b", "a@b.test", "a-b_c"])
      assert.equal(
        (await ask("PUT", `/accounts/${encodeURIComponent(id)}`, { body: { data: { password } } })).status,
        201,
        id,
      );
    assert.equal((await ask("PUT", "/accounts/a%20b", { body: { data: { password } } })).status, 400);
  },
);

kintoTest("an account that exists is nobody else's to take: 401 without credentials", settings, async ({ ask }) => {
  await ask("PUT", "/accounts/bob", { body: { data: { password } } });
  for (const answer of [
    await ask("PUT", "/accounts/bob", { body: { data: { password: "another password" } } }),
    await ask("POST", "/accounts", { body: { data: { id: "bob", password: "another password" } } }),
    await ask("PATCH", "/accounts/bob", { body: { data: { password: "another password" } } }),
    await ask("DELETE", "/accounts/bob"),
  ])
    assert.equal(answer.status, 401);
  assert.equal((await ask("GET", "/", { as: bob })).body.user.id, "account:bob");
});

kintoTest("who is signed in creates no other account than their own: 400", settings, async ({ ask }) => {
  await ask("PUT", "/accounts/bob", { body: { data: { password } } });
  const { status, body } = await ask("PUT", "/accounts/eve", { as: bob, body: { data: { password } } });
  assert.equal(status, 400);
  assert.equal(body.details[0].description, "Username and account ID do not match.");
});

kintoTest(
  "hashes never leave the server: not in answers, lists, filters, patches or permissions",
  settings,
  async ({ ask, kinto }) => {
    await ask("PUT", "/accounts/bob", { body: { data: { password } } });
    const stored = await kinto.storage.get({ resource: "account", parent: "", id: "bob" });
    assert.match(stored?.kind === "object" ? stored.body : "", /\$argon2id\$/);
    for (const answer of [
      await ask("GET", "/accounts/bob", { as: bob }),
      await ask("GET", "/accounts", { as: bob }),
      await ask("PUT", "/accounts/bob", { as: bob, body: { data: { password } } }),
      await ask("PATCH", "/accounts/bob", { as: bob, body: { data: { colour: "red" } } }),
      await ask("PATCH", "/accounts/bob", {
        as: bob,
        body: { data: { password } },
        headers: { "response-behavior": "light" },
      }),
      await ask("PUT", "/accounts/bob", { as: bob, body: { data: { password } }, headers: { "if-match": '"1"' } }),
    ])
      assert.doesNotMatch(JSON.stringify(answer.body), /argon2|password/);
    assert.equal((await ask("GET", "/accounts?like_password=argon", { as: bob })).status, 400);
    for await (const entry of kinto.storage.log()) assert.doesNotMatch(entry.body ?? "", /argon2/);
  },
);

kintoTest("people see their own account only; administrators see and change all", settings, async ({ ask }) => {
  for (const id of ["bob", "eve", "admin"]) await ask("PUT", `/accounts/${id}`, { body: { data: { password } } });
  const ids = async (as: string) =>
    (await ask("GET", "/accounts", { as })).body.data.map(({ id }: { id: string }) => id).sort();
  assert.deepEqual(await ids(bob), ["bob"]);
  assert.deepEqual(await ids(`admin:${password}`), ["admin", "bob", "eve"]);
  assert.equal((await ask("GET", "/accounts/eve", { as: bob })).status, 403);
  assert.equal(
    (await ask("GET", "/accounts")).status === 401 || (await ask("GET", "/accounts")).body.data.length === 0,
    true,
  );
  const made = await ask("PUT", "/accounts/new", { as: `admin:${password}`, body: { data: { password } } });
  assert.equal(made.status, 201);
  assert.deepEqual(made.body.permissions, { write: ["account:new"] });
  const changed = await ask("PATCH", "/accounts/bob", {
    as: `admin:${password}`,
    body: { data: { password: "by the admin" } },
  });
  assert.equal(changed.status, 200);
  assert.equal((await ask("GET", "/", { as: "bob:by the admin" })).body.user.id, "account:bob");
  assert.equal((await ask("DELETE", "/accounts/eve", { as: `admin:${password}` })).status, 200);
});

kintoTest(
  "a new password holds at once, and the old one no longer; other changes leave it",
  settings,
  async ({ ask }) => {
    await ask("PUT", "/accounts/bob", { body: { data: { password } } });
    assert.equal((await ask("GET", "/accounts/bob", { as: bob })).status, 200);
    assert.equal((await ask("PATCH", "/accounts/bob", { as: bob, body: { data: { colour: "red" } } })).status, 200);
    assert.equal((await ask("GET", "/accounts/bob", { as: bob })).status, 200);
    assert.equal(
      (await ask("PATCH", "/accounts/bob", { as: bob, body: { data: { password: "battery staple" } } })).status,
      200,
    );
    assert.equal((await ask("GET", "/accounts/bob", { as: bob })).status, 401);
    assert.equal((await ask("GET", "/accounts/bob", { as: "bob:battery staple" })).status, 200);
    assert.equal((await ask("DELETE", "/accounts/bob", { as: "bob:battery staple" })).status, 200);
    assert.equal((await ask("GET", "/accounts/bob", { as: "bob:battery staple" })).status, 401);
  },
);

kintoTest(
  "trap: with basicauth behind, a wrong password is an identity of its own",
  { ...settings, "multiauth.policies": "account basicauth" },
  async ({ ask }) => {
    await ask("PUT", "/accounts/bob", { body: { data: { password } } });
    assert.equal((await ask("GET", "/", { as: bob })).body.user.id, "account:bob");
    assert.match((await ask("GET", "/", { as: "bob:wrong" })).body.user.id, /^basicauth:/);
    assert.equal(
      (await ask("PATCH", "/accounts/bob", { as: "bob:wrong", body: { data: { password: "mine" } } })).status,
      403,
    );
  },
);

test("guessing passwords is slowed down, known account or not", async () => {
  const clock = manualClock();
  await withKinto(
    anyStorage,
    settings,
    async ({ ask }) => {
      await ask("PUT", "/accounts/bob", { body: { data: { password } } });
      for (const name of ["bob", "nobody"]) {
        const statuses: number[] = [];
        for (let n = 0; n < 8; n++)
          statuses.push((await ask("GET", "/accounts/x", { as: `${name}:guess ${n}` })).status);
        assert.deepEqual(new Set(statuses), new Set([401, 429]), name);
        assert.equal(statuses.at(-1), 429);
      }
    },
    { clock },
  );
});

kintoTest("whoever may write an account may share it, and lists of accounts follow", settings, async ({ ask }) => {
  for (const id of ["bob", "eve"]) await ask("PUT", `/accounts/${id}`, { body: { data: { password } } });
  const shared = await ask("PATCH", "/accounts/bob", { as: bob, body: { permissions: { read: ["account:eve"] } } });
  assert.deepEqual(shared.body.permissions, { read: ["account:eve"], write: ["account:bob"] });
  const list = await ask("GET", "/accounts", { as: `eve:${password}` });
  assert.deepEqual(list.body.data.map(({ id }: { id: string }) => id).sort(), ["bob", "eve"]);
});

kintoTest(
  "short passwords are refused where the settings say so",
  { ...settings, account_password_min_length: 8 },
  async ({ ask }) => {
    const { status, body } = await ask("PUT", "/accounts/bob", { body: { data: { password: "short" } } });
    assert.equal(status, 400);
    assert.equal(body.details[0].name, "data.password");
    assert.doesNotMatch(JSON.stringify(body), /short"/);
  },
);

kintoTest(
  "who signs up under the name of a deleted account gets nothing of what that one was given",
  settings,
  async ({ ask }) => {
    await ask("PUT", "/accounts/bob", { body: { data: { password } } });
    await ask("PUT", "/accounts/ann", { body: { data: { password } } });
    const ann = `ann:${password}`;
    await ask("PUT", "/buckets/a", { as: ann, body: { permissions: { read: ["account:bob"] } } });
    await ask("PUT", "/buckets/b", { as: ann });
    await ask("PUT", "/buckets/b/groups/g", { as: ann, body: { data: { members: ["account:bob", "account:eve"] } } });
    await ask("PATCH", "/buckets/b", { as: ann, body: { permissions: { read: ["/buckets/b/groups/g"] } } });
    assert.equal((await ask("GET", "/buckets/a", { as: bob })).status, 200);
    assert.equal((await ask("GET", "/buckets/b", { as: bob })).status, 200);
    assert.equal((await ask("DELETE", "/accounts/bob", { as: bob })).status, 200);
    await ask("PUT", "/accounts/bob", { body: { data: { password } } });
    assert.equal((await ask("GET", "/buckets/a", { as: bob })).status, 403);
    assert.equal((await ask("GET", "/buckets/b", { as: bob })).status, 403);
    const { body } = await ask("GET", "/buckets/b/groups/g", { as: ann });
    assert.deepEqual(body.data.members, ["account:eve"]);
  },
);

kintoTest(
  "hashes of an imported Kinto verify, and are replaced by our own at the first sign-in",
  settings,
  async ({ ask, kinto }) => {
    const key = { resource: "account", parent: "", id: "bob" };
    const bcrypt = "$2b$04$XtiAV0O7h4kHEcsqQcaOKOK.p43wNsty.sJpdsGpXsnT5TCGQoM0e";
    const body = JSON.stringify({ password: bcrypt, colour: "blue" });
    const permissions = { write: ["account:bob"] };
    await kinto.storage.commit([{ kind: "put", key, body, expect: { kind: "absent" }, permissions, logBody: false }]);
    const stored = async () => {
      const found = await kinto.storage.get(key);
      return JSON.parse(found?.kind === "object" ? found.body : "{}");
    };

    assert.equal((await ask("GET", "/", { as: "bob:wrong" })).body.user, undefined);
    assert.equal((await ask("GET", "/buckets", { as: "bob:wrong" })).status, 401);
    assert.equal((await stored()).password, bcrypt);
    assert.equal((await ask("GET", "/", { as: bob })).body.user.id, "account:bob");
    const { password: renewed, colour } = await stored();
    assert.match(renewed, /^\$argon2id\$/);
    assert.equal(colour, "blue");
    await kinto.context.cache.flush();
    assert.equal((await ask("GET", "/", { as: bob })).body.user.id, "account:bob");
    assert.equal((await stored()).password, renewed);
    assert.deepEqual((await ask("GET", "/accounts/bob", { as: bob })).body.permissions, permissions);
    for await (const entry of kinto.storage.log()) assert.doesNotMatch(entry.body ?? "", /argon2|\$2b/);
  },
);
