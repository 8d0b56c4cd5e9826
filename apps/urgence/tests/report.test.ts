/** The report that Urgence began with: each of its routes answers as it should have, each of its faults is a test. Over real sockets. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { compose, everyone, route, service } from "rouage";
import { type Application, startApplication } from "./support/application.ts";
import { claimsOf, expected, member, responder, send, signIn, stranger, until } from "./support/people.ts";

let application: Application;
before(async () => {
  application = await startApplication();
});
after(() => application?.stop());

const html = { accept: "text/html" };

test("GET /ping/ answers, and the probes beside it", async () => {
  for (const path of ["/ping/", "/livez", "/readyz", "/v1/__heartbeat__", "/v1/__lbheartbeat__"])
    assert.equal((await send(application, "GET", path)).status, 200, path);
});

test("GET /signup/ and GET /signin/ are different pages, in two languages", async () => {
  const titles = new Set<string>();
  for (const path of ["/signup/", "/signin/"])
    for (const language of ["fr", "en"]) {
      const page = await send(application, "GET", path, { headers: { ...html, "accept-language": language } });
      assert.equal(page.status, 200);
      assert.match(page.headers.get("content-type") ?? "", /^text\/html/);
      assert.match(page.text, new RegExp(`<html lang="${language}"`));
      titles.add(/<h1[^>]*>([^<]+)/.exec(page.text)?.[1] ?? "");
    }
  assert.equal(titles.size, 4, [...titles].join());
});

test("POST /signup/ with the report's JSON is 201, the same whether or not there is an account; unusable until confirmed", async () => {
  const { email, phone: phoneNumber, password } = stranger("report");
  const body = { email, phoneNumber, password };
  const fresh = await send(application, "POST", "/signup/", { body });
  assert.equal(fresh.status, 201, fresh.text);
  const code = await application.mailedCode(email);
  const early = await send(application, "POST", "/signin/", { body: { email, password } });
  assert.equal(early.status, 401);
  await expected(200, send(application, "POST", "/v1/accounts/verify", { body: { email, code } }));
  const again = await send(application, "POST", "/signup/", { body });
  assert.deepEqual([again.status, again.body], [fresh.status, fresh.body]);
  await until(async () => (await application.mails(email)).length === 2, "the mail that tells the owner");
});

test('POST /signin/ with JSON is 200 {"Token"}, as the API; no cookie comes with it', async () => {
  const { email, password } = await member(application);
  const answer = await expected(200, send(application, "POST", "/signin/", { body: { email, password } }));
  assert.equal(answer.body.Token, answer.body.access_token);
  assert.equal((await send(application, "GET", "/v1/me", { token: answer.body.Token })).status, 200);
  assert.deepEqual(answer.headers.getSetCookie(), []);
});

test("a browser's session is a __Host- cookie with HttpOnly, Secure and SameSite; without the form's own token nothing changes", async () => {
  const { email, password } = await member(application);
  const form = { ...html, "content-type": "application/x-www-form-urlencoded", origin: application.origin };
  const page = await send(application, "GET", "/signin/", { headers: html });
  const csrf = /name="_csrf" value="([^"]+)"/.exec(page.text)?.[1] ?? "";
  const cookie = page.headers
    .getSetCookie()
    .map((one) => one.split(";")[0])
    .join("; ");
  const fields = (token: string) => new URLSearchParams({ email, password, _csrf: token }).toString();
  const forged = await send(application, "POST", "/signin/", { headers: { ...form, cookie }, body: fields("forged") });
  assert.ok(forged.status === 403 || forged.status === 400, String(forged.status));
  const elsewhere = { ...form, cookie, origin: "https://evil.example" };
  assert.equal((await send(application, "POST", "/signin/", { headers: elsewhere, body: fields(csrf) })).status, 403);

  const signedIn = await send(application, "POST", "/signin/", { headers: { ...form, cookie }, body: fields(csrf) });
  assert.equal(signedIn.status, 303);
  const session = signedIn.headers.getSetCookie().find((one) => one.includes("session")) ?? "";
  for (const part of [/^__Host-/, /; *HttpOnly/i, /; *Secure/i, /; *SameSite=(Lax|Strict)/i, /; *Path=\//i])
    assert.match(session, part);
  const own = session.split(";")[0] ?? "";
  assert.equal((await send(application, "GET", "/me", { headers: { ...html, cookie: own } })).status, 200);
  const bare = { "content-type": form["content-type"], ...html, cookie: own, origin: application.origin };
  const out = await send(application, "POST", "/signout/", { headers: bare, body: "" });
  assert.notEqual(out.status, 303);
  assert.equal((await send(application, "GET", "/me", { headers: { ...html, cookie: own } })).status, 200, "still in");
});

test("POST /user/add/ stores the profile of the signed-in person, and of nobody else", async () => {
  const { token } = await member(application);
  const body = { what_matters: "my cat" };
  const stored = await send(application, "POST", "/user/add/", { token, body });
  assert.ok(stored.status === 200 || stored.status === 201, stored.text);
  const profile = await expected(200, send(application, "GET", "/v1/me/profile", { token }));
  assert.equal(profile.body.data.what_matters, "my cat");
  assert.equal((await send(application, "POST", "/user/add/", { body })).status, 401);
  const { token: other } = await member(application);
  assert.notEqual(
    (await send(application, "GET", "/v1/me/profile", { token: other })).body.data?.what_matters,
    "my cat",
  );
});

test("deleting was promised without a route: DELETE works on the profile, and on the whole account", async () => {
  const { token, password, email } = await member(application);
  await expected(
    201,
    send(application, "PUT", "/v1/me/profile", { token, body: { data: { what_matters: "gone soon" } } }),
  );
  await expected(200, send(application, "DELETE", "/v1/me/profile", { token }));
  assert.deepEqual(await application.filesWith("gone soon"), []);
  const receipt = await expected(200, send(application, "DELETE", "/v1/me", { token, body: { password } }));
  assert.equal(receipt.body.data.state, "done");
  assert.equal((await send(application, "POST", "/signin/", { body: { email, password } })).status, 401);
});

test("each error of the report has its errno, and header and body agree: Parse, InvalidEmailFormat, InvalidPasswordFormat, JWTSignature", async () => {
  const good = stranger("errors");
  const { token } = await member(application);
  const forged = `${token.slice(0, -8)}${token.endsWith("AAAAAAAA") ? "B" : "A".repeat(8)}`;
  const cases = [
    [400, 107, "invalid-json", await send(application, "POST", "/v1/accounts", { body: "{" })],
    [400, 107, "invalid-email", await send(application, "POST", "/v1/accounts", { body: { ...good, email: "x" } })],
    [400, 107, "min-length", await send(application, "POST", "/v1/accounts", { body: { ...good, password: "short" } })],
    [401, 105, undefined, await send(application, "GET", "/v1/me", { token: forged })],
    [401, 104, undefined, await send(application, "GET", "/v1/me")],
  ] as const;
  for (const [status, errno, code, answer] of cases) {
    assert.deepEqual([answer.status, answer.body.code, answer.body.errno], [status, status, errno], answer.text);
    for (const name of ["error", "message"]) assert.equal(typeof answer.body[name], "string");
    if (code !== undefined) assert.equal(answer.body.details[0].code, code);
  }
});

test("fault: signed ES256 with a string, so that nobody can sign in — tokens verify with the published keys, algorithm and kid named", async () => {
  const { token } = await member(application);
  const keys = createRemoteJWKSet(new URL("/.well-known/jwks.json", application.origin));
  const { protectedHeader, payload } = await jwtVerify(token, keys, { issuer: "urgence", audience: "urgence" });
  assert.equal(protectedHeader.alg, "EdDSA");
  assert.ok(protectedHeader.kid);
  assert.ok((payload.exp ?? 0) - (payload.iat ?? 0) <= 600);
  const published = await send(application, "GET", "/.well-known/jwks.json");
  assert.equal(published.text.includes('"d"'), false, "no private part");
});

test("fault: unknown user 500, wrong password 401 with a body that says 500 — one 401, same body, same headers", async () => {
  const { email } = await member(application);
  const shape = async (body: object) => {
    const { status, headers, text } = await send(application, "POST", "/v1/sessions", { body });
    const names = [...headers.keys()].filter((name) => !["date", "x-request-id"].includes(name)).sort();
    return { status, text, names, challenge: headers.get("www-authenticate") };
  };
  const wrong = await shape({ email, password: "not this one at all" });
  const unknown = await shape({ email: "nobody.at.all@example.org", password: "not this one at all" });
  const unconfirmed = stranger("unconfirmed");
  await expected(201, send(application, "POST", "/v1/accounts", { body: unconfirmed }));
  const early = await shape({ email: unconfirmed.email, password: unconfirmed.password });
  assert.equal(wrong.status, 401);
  assert.deepEqual(unknown, wrong);
  assert.deepEqual(early, wrong);
});

test("fault: the password's format was checked at sign-in — it is judged only when it is set", async () => {
  const { email } = await member(application);
  for (const password of ["x", "", "é".repeat(300)])
    assert.equal((await send(application, "POST", "/v1/sessions", { body: { email, password } })).status, 401);
});

test("fault: e-mail in the token — the subject is opaque and nothing in it is personal", async () => {
  const { token, email, phone } = await member(application);
  const claims = claimsOf(token);
  assert.match(claims.sub, /^[0-9a-f-]{36}$/);
  const text = JSON.stringify(claims);
  for (const personal of [email, phone, "example.org"]) assert.equal(text.includes(personal), false);
});

test("fault: no sign-out, refresh or revocation — all three work at once", async () => {
  const person = await member(application);
  const renewed = await expected(
    200,
    send(application, "POST", "/v1/sessions/refresh", { body: { refresh_token: person.refresh } }),
  );
  const other = await signIn(application, person);
  await expected(204, send(application, "DELETE", "/v1/sessions", { token: renewed.body.access_token }));
  for (const token of [person.token, renewed.body.access_token])
    assert.equal((await send(application, "GET", "/v1/me", { token })).status, 401, "the whole session");
  const dead = { refresh_token: renewed.body.refresh_token };
  assert.equal((await send(application, "POST", "/v1/sessions/refresh", { body: dead })).status, 401);
  assert.equal((await send(application, "GET", "/v1/me", { token: other.token })).status, 200, "not the other");
  const { body } = await expected(200, send(application, "GET", "/v1/me/sessions", { token: other.token }));
  await expected(204, send(application, "DELETE", `/v1/me/sessions/${body.data[0].id}`, { token: other.token }));
  assert.equal((await send(application, "GET", "/v1/me", { token: other.token })).status, 401);
});

test("fault: unlimited bodies — too large is 413 on every route that takes one, and nothing waits for the rest", async () => {
  const { token } = await member(application);
  const huge = JSON.stringify({ data: { what_matters: "x".repeat(6 * 1024 * 1024) } });
  for (const [method, path] of [
    ["POST", "/v1/accounts"],
    ["POST", "/v1/sessions"],
    ["PUT", "/v1/me/profile"],
    ["POST", "/v1/me/import"],
    ["POST", "/v1/me/positions"],
    ["POST", "/signin/"],
    ["POST", "/user/add/"],
  ] as const) {
    const answer = await send(application, method, path, { token, body: huge });
    assert.equal(answer.status, 413, `${method} ${path}: ${answer.status}`);
  }
});

test("fault: duplicate routes — a door with one refuses to start, and so does a service", async () => {
  const twice = route("GET", "/same", { access: [everyone], handler: () => ({}) });
  const starting = service({ name: "one", version: "1.0.0", routes: () => [twice, twice] }).start();
  await assert.rejects(starting, /GET \/v1\/same/);
  await using first = await service({ name: "first", version: "1.0.0", routes: [twice] }).start();
  await using second = await service({ name: "second", version: "1.0.0", routes: [twice] }).start();
  assert.throws(() => compose({ name: "door", version: "1.0.0", services: [first, second] }), /\/v1\/same/);
});

test("fault: 402 Bad Request — nothing answers 402", async () => {
  const { body } = await expected(200, send(application, "GET", "/v1/openapi.json"));
  assert.equal(JSON.stringify(body.paths).includes('"402"'), false);
});

test("fault: no rate limit — guessing ends in 429 with Retry-After, known account or not", async () => {
  const { email } = await member(application);
  for (const address of [email, "nobody.to.guess@example.org"]) {
    let last = await send(application, "POST", "/v1/sessions", { body: { email: address, password: "guess" } });
    for (let n = 0; n < 10 && last.status === 401; n++)
      last = await send(application, "POST", "/v1/sessions", { body: { email: address, password: "guess" } });
    assert.equal(last.status, 429);
    assert.ok(Number(last.headers.get("retry-after")) > 0);
  }
});

test("fault: no audit and no roles — a lookup takes a responder's second factor, and the person sees who looked", async () => {
  await using own = await startApplication();
  const person = await member(own);
  await expected(
    201,
    send(own, "PUT", "/v1/me/profile", { token: person.token, body: { data: { what_matters: "x" } } }),
  );
  const body = { phone: person.phone, reason: "seizure", incident: "report-1" };
  assert.equal((await send(own, "POST", "/v1/lookup", { body })).status, 401);
  assert.equal((await send(own, "POST", "/v1/lookup", { body, token: person.token })).status, 403);
  const candidate = await member(own);
  await own.command("grant", candidate.email, "responder", "--site", "samu-75:SAMU de Paris");
  const pending = await signIn(own, candidate);
  assert.equal((await send(own, "POST", "/v1/lookup", { body, token: pending.token })).status, 403, "no second factor");
  const rescuer = await responder(own);
  const found = await expected(200, send(own, "POST", "/v1/lookup", { body, token: rescuer.token }));
  const log = await expected(200, send(own, "GET", "/v1/me/access-log", { token: person.token }));
  assert.deepEqual(
    log.body.data.map(({ id, reason, incident }: Record<string, string>) => ({ id, reason, incident })),
    [{ id: found.body.data.audit, reason: "seizure", incident: "report-1" }],
  );
});

test("fault: float32 coordinates — float64 comes back as it was sent, in our form and in the report's, also after a restart", async () => {
  await using own = await startApplication();
  const { token } = await member(own);
  const point = [-179.99999999999997, 89.99999999999999];
  const ours = { data: { coordinates: point, accuracy: 0.1, source: "gnss" } };
  const report = {
    type: "Point",
    coordinate: [2.3522219000000177, 48.856614000000064],
    locationAccuracy: 12.300000000000001,
    locationSource: "gps",
    crs: "WGS84",
    altitude: 35.00000000000001,
    speed: 1.1,
    deviceOrientation: 12.5,
    gpsOrientation: 359.99999999999994,
  };
  const first = await expected(201, send(own, "POST", "/v1/me/positions", { token, body: ours }));
  const second = await expected(201, send(own, "POST", "/v1/me/positions", { token, body: { data: report } }));
  await own.end("SIGTERM");
  await own.start();
  const read = async (id: string) =>
    (await expected(200, send(own, "GET", `/v1/me/positions/${id}`, { token }))).body.data;
  assert.deepEqual((await read(first.body.data.id)).coordinates, point);
  const translated = await read(second.body.data.id);
  assert.deepEqual(translated.coordinates, [...report.coordinate, report.altitude]);
  assert.deepEqual(
    [translated.accuracy, translated.heading, translated.orientation, translated.speed],
    [report.locationAccuracy, report.gpsOrientation, report.deviceOrientation, report.speed],
  );
  const lambert = { data: { ...report, crs: "EPSG:2154" } };
  assert.equal((await send(own, "POST", "/v1/me/positions", { token, body: lambert })).status, 400);
});

test("fault: a database without a volume — accounts, profiles, cards and sessions are there after a restart", async () => {
  await using own = await startApplication();
  const person = await member(own);
  const { token } = person;
  await expected(201, send(own, "PUT", "/v1/me/profile", { token, body: { data: { what_matters: "kept" } } }));
  const card = await expected(200, send(own, "PUT", "/v1/me/card", { token, body: { data: { parts: [] } } }));
  await own.end("SIGKILL");
  await own.start();
  const profile = await expected(200, send(own, "GET", "/v1/me/profile", { token }));
  assert.equal(profile.body.data.what_matters, "kept");
  assert.equal((await send(own, "GET", new URL(card.body.data.url).pathname)).status, 200);
  await expected(200, send(own, "POST", "/v1/sessions/refresh", { body: { refresh_token: person.refresh } }));
  await signIn(own, person);
});

test("fault: internals reach clients — with a broken store answers are plain, without paths, SQL or stacks", async () => {
  await using own = await startApplication();
  const { token } = await member(own);
  await own.breakStore("profiles");
  for (const [method, path, body] of [
    ["GET", "/v1/me/profile", undefined],
    ["PUT", "/v1/me/profile", { data: {} }],
    ["GET", "/e/abcdefghijklmnopqrstuvwx", undefined],
  ] as const) {
    const answer = await send(own, method, path, { token, body });
    assert.ok(answer.status >= 500, `${path} ${answer.status}`);
    assert.doesNotMatch(answer.text, /sql|table|schema|postgres|mongo|\.ts|\.db|\/store|node:|stack/i);
  }
  assert.equal((await send(own, "GET", "/livez")).status, 200, "one broken part does not end the process");
});
