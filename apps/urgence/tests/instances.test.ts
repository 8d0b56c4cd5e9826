/** Two instances of Urgence on one database server and one Redis, each request to the one that did not get the last: nobody can tell. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import PostalMime from "postal-mime";
import { type ManualClock, manualClock } from "rouage";
import { openSigningKeys, totpCode } from "rouage/auth";
import {
  startTestServer,
  type TestServer,
  withoutRedis,
} from "../../../packages/rouage/src/cache/redis/test-server.ts";
import { serverStorage, type TestStore, testStore, withoutServer } from "../../../scripts/test-stores.ts";
import { auditKeys, startUrgence, type Urgence } from "../src/app.ts";
import { verifyAudit } from "../src/services/access/verify-audit.ts";
import { readUrgenceSettings } from "../src/settings.ts";
import type { Answer, Ask } from "./support/people.ts";

describe("two instances of Urgence", { skip: withoutServer || withoutRedis() }, () => {
  let folder: string;
  let store: TestStore;
  let redis: TestServer;
  let clock: ManualClock;
  const instances: Urgence[] = [];
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "urgence-instances-"));
    [store, redis] = await Promise.all([testStore(serverStorage, folder), startTestServer()]);
    clock = manualClock(Date.now());
    const settings = readUrgenceSettings(
      {},
      {
        storage: store.url,
        cache: redis.url,
        data_folder: folder,
        mail: `file:${join(folder, "mail")}`,
        log_level: "silent",
        demo: false,
        lookups_per_hour: 6,
      },
    );
    for (let n = 0; n < 2; n++) instances.push(await startUrgence(settings, { clock }));
  });
  after(async () => {
    for (const each of instances) await each.stop();
    await redis?.[Symbol.asyncDispose]();
    await store?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  let turn = 0;
  /** To the other instance than the last one. */
  async function send(method: string, path: string, { body, token, headers }: Ask = {}): Promise<Answer> {
    const { door } = instances[turn++ % instances.length] ?? assert.fail();
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const response = await door.fetch(
      new Request(`http://localhost:8080${path}`, {
        method,
        redirect: "manual",
        headers: {
          accept: "application/json",
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...(body !== undefined && { "content-type": "application/json" }),
          ...headers,
        },
        ...(body !== undefined && { body: text }),
      }),
    );
    const answer = await response.text();
    const isJson = (response.headers.get("content-type") ?? "").includes("json") && answer !== "";
    return {
      status: response.status,
      headers: response.headers,
      text: answer,
      body: isJson ? JSON.parse(answer) : answer,
    };
  }

  async function expected(status: number, method: string, path: string, ask?: Ask): Promise<Answer> {
    const answer = await send(method, path, ask);
    assert.equal(answer.status, status, answer.text);
    return answer;
  }

  async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
    for (let tries = 0; tries < 500; tries++) {
      const found = await look();
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return assert.fail("it never came to pass");
  }

  async function mailsTo(address: string): Promise<readonly string[]> {
    const texts: string[] = [];
    const names = await readdir(join(folder, "mail")).catch(() => []);
    for (const name of names.filter((file) => file.endsWith(".eml")).sort()) {
      const mail = await PostalMime.parse(await readFile(join(folder, "mail", name)));
      if (mail.to?.[0]?.address === address) texts.push(mail.text ?? "");
    }
    return texts;
  }

  const codeTo = (address: string): Promise<string> =>
    eventually(async () => /\b\d{6}\b/.exec((await mailsTo(address)).at(-1) ?? "")?.[0]);

  const password = "blue lantern on the pier";
  async function member(name: string, phone: string): Promise<{ readonly email: string; readonly phone: string }> {
    const email = `${name}@example.org`;
    await expected(201, "POST", "/v1/accounts", { body: { email, password, phone } });
    await expected(200, "POST", "/v1/accounts/verify", { body: { email, code: await codeTo(email) } });
    return { email, phone };
  }

  async function signIn(email: string, totp?: string): Promise<{ readonly token: string; readonly refresh: string }> {
    const body = { email, password, ...(totp !== undefined && { totp }) };
    const { body: answer } = await expected(200, "POST", "/v1/sessions", { body });
    return { token: answer.access_token, refresh: answer.refresh_token };
  }

  const refused = (token: string) =>
    eventually(async () => {
      // Both, one after the other.
      const statuses = [await send("GET", "/v1/me", { token }), await send("GET", "/v1/me", { token })];
      return statuses.every(({ status }) => status === 401) ? true : undefined;
    });

  test("who registers at one confirms at the other, gets one mail, and is known to both", async () => {
    const { email } = await member("camille", "+33639980001");
    assert.equal((await mailsTo(email)).length, 1);
    const { token } = await signIn(email);
    for (let n = 0; n < 2; n++) assert.equal((await expected(200, "GET", "/v1/me", { token })).body.data.email, email);
  });

  test("a refresh token is good for one use at one of them, and its reuse at the other ends the session at both", async () => {
    const { email } = await member("sam", "+33639980002");
    const first = await signIn(email);
    const renewed = await expected(200, "POST", "/v1/sessions/refresh", { body: { refresh_token: first.refresh } });
    const again = await expected(200, "POST", "/v1/sessions/refresh", {
      body: { refresh_token: renewed.body.refresh_token },
    });
    await expected(401, "POST", "/v1/sessions/refresh", { body: { refresh_token: first.refresh } });
    await expected(401, "POST", "/v1/sessions/refresh", { body: { refresh_token: again.body.refresh_token } });
    await refused(again.body.access_token);
    const other = await signIn(email);
    const outcomes = await Promise.all(
      Array.from({ length: 4 }, () => send("POST", "/v1/sessions/refresh", { body: { refresh_token: other.refresh } })),
    );
    assert.ok(outcomes.filter(({ status }) => status === 200).length <= 1, "at the same time as well");
  });

  test("who signs out at one is signed out at both, and no one else is", async () => {
    const { email } = await member("noor", "+33639980003");
    const [here, there] = [await signIn(email), await signIn(email)];
    await expected(204, "DELETE", "/v1/sessions", { token: here.token });
    await refused(here.token);
    for (let n = 0; n < 2; n++) await expected(200, "GET", "/v1/me", { token: there.token });
    await expected(204, "DELETE", "/v1/sessions?all=true", { token: there.token });
    await refused(there.token);
  });

  test("a session of a browser is known to both, and its end too", async () => {
    const { email } = await member("alix", "+33639980004");
    const html = { accept: "text/html", host: "localhost:8080" };
    const form = { ...html, "content-type": "application/x-www-form-urlencoded", origin: "http://localhost:8080" };
    const page = await send("GET", "/signin/", { headers: html });
    const csrf = /name="_csrf" value="([^"]+)"/.exec(page.text)?.[1] ?? "";
    const cookies = (answer: Answer) =>
      answer.headers
        .getSetCookie()
        .map((one) => one.split(";")[0])
        .join("; ");
    const fields = new URLSearchParams({ email, password, _csrf: csrf }).toString();
    const signedIn = await send("POST", "/signin/", { headers: { ...form, cookie: cookies(page) }, body: fields });
    assert.equal(signedIn.status, 303, signedIn.text);
    const cookie = cookies(signedIn);
    const own = async () => (await send("GET", "/me", { headers: { ...html, cookie } })).status;
    assert.deepEqual([await own(), await own()], [200, 200]);
    for (const language of ["en", "fr", "en"]) {
      await send("GET", `/me?lang=${language}`, { headers: { ...html, cookie } });
      for (let n = 0; n < 2; n++) {
        const text = (await send("GET", "/me", { headers: { ...html, cookie } })).text;
        assert.match(text, new RegExp(`<html lang="${language}"`), "neither remembers what the other changed");
      }
    }
    const shown = await send("GET", "/me", { headers: { ...html, cookie } });
    const token = /name="_csrf" value="([^"]+)"/.exec(shown.text)?.[1] ?? "";
    const out = await send("POST", "/signout", {
      headers: { ...form, cookie },
      body: new URLSearchParams({ _csrf: token }).toString(),
    });
    assert.equal(out.status, 303, out.headers.get("location") ?? out.text);
    await eventually(async () => ((await own()) !== 200 && (await own()) !== 200 ? true : undefined));
  });

  test("wrong passwords are counted together", async () => {
    const { email } = await member("eve", "+33639980005");
    const statuses: number[] = [];
    for (let n = 0; n < 9; n++)
      statuses.push((await send("POST", "/v1/sessions", { body: { email, password: `wrong ${n}` } })).status);
    assert.deepEqual(statuses, [401, 401, 401, 401, 401, 401, 429, 429, 429]);
    clock.advance(15_000);
    await signIn(email);
  });

  test("a code of the second factor is accepted once by both; lookups are within one budget and in one chain", async () => {
    const person = await member("jo", "+33639980006");
    await expected(201, "PUT", "/v1/me/profile", {
      token: (await signIn(person.email)).token,
      body: { data: { what_matters: "x" } },
    });
    const responder = await member("dana", "+33639980007");
    const { token } = await signIn(responder.email);
    const { secret } = (await expected(200, "POST", "/v1/me/mfa", { token, body: {} })).body.data;
    await expected(200, "PUT", "/v1/me/mfa", { token, body: { code: totpCode(secret, clock.now()) } });
    const id = (await expected(200, "GET", "/v1/me", { token })).body.data.id;
    await instances[0]?.admin.grantRole(id, "responder", { id: "samu-75", name: "SAMU" });
    clock.advance(30_000);
    const code = totpCode(secret, clock.now());
    const outcomes = await Promise.all(
      Array.from({ length: 4 }, () =>
        send("POST", "/v1/sessions", { body: { email: responder.email, password, totp: code } }),
      ),
    );
    const [good, ...more] = outcomes.filter(({ status }) => status === 200);
    assert.equal(more.length, 0, "one code, one session");
    const rescuer = good?.body.access_token;
    const body = { phone: person.phone, incident: "i-1", reason: "seizure" };
    const lookups = await Promise.all(
      Array.from({ length: 10 }, () => send("POST", "/v1/lookup", { token: rescuer, body })),
    );
    assert.deepEqual(lookups.map(({ status }) => status).sort(), [200, 200, 200, 200, 200, 200, 429, 429, 429, 429]);
    await redis.kill();
    try {
      assert.equal((await send("POST", "/v1/lookup", { token: rescuer, body })).status, 429, "counted from the audit");
    } finally {
      await redis.start();
    }
    const keys = await openSigningKeys({ folder: join(folder, "keys"), purpose: auditKeys, clock });
    const report = await verifyAudit(instances[1]?.service("access").storage ?? assert.fail(), keys.jwks());
    assert.deepEqual([report.ok, report.entries >= 6], [true, true]);
  });

  test("while the cache is away people sign in, and guesses are slowed down by each instance; then by both together again", async () => {
    const { email } = await member("lou", "+33639980009");
    const guess = async (n: number) =>
      (await send("POST", "/v1/sessions", { body: { email, password: `wrong ${n}` } })).status;
    await redis.kill();
    try {
      const { token } = await signIn(email);
      for (let n = 0; n < 2; n++) await expected(200, "GET", "/v1/me", { token });
      const statuses: number[] = [];
      for (let n = 0; n < 16; n++) statuses.push(await guess(n));
      assert.deepEqual(statuses, [...Array(12).fill(401), 429, 429, 429, 429], "six at each");
    } finally {
      await redis.start();
    }
    const checks = () => Promise.all(instances.map((each) => each.service("accounts").context.cache.check()));
    await eventually(() =>
      checks().then(
        () => true,
        () => undefined,
      ),
    );
    const together: number[] = [];
    for (let n = 0; n < 8; n++) together.push(await guess(n));
    assert.deepEqual(together, [401, 401, 401, 401, 401, 401, 429, 429]);
  });

  test("who is erased at one is gone at both", async () => {
    const { email } = await member("kim", "+33639980008");
    const { token } = await signIn(email);
    await expected(200, "GET", "/v1/me", { token });
    const answer = await send("DELETE", "/v1/me", { token, body: { password } });
    assert.ok(answer.status < 300, answer.text);
    await refused(token);
    for (let n = 0; n < 2; n++) await expected(401, "POST", "/v1/sessions", { body: { email, password } });
  });
});
