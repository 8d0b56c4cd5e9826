/** Whatever comes through the door: an answer in time, never a 5xx, and never a word about people in the output. */
import assert from "node:assert/strict";
import { Agent, request } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { systemClock } from "rouage";
import { openCache } from "rouage/cache";
import { webRoutes } from "../src/web/routes.ts";
import { type Application, startApplication } from "./support/application.ts";
import { expected, member, responder, send } from "./support/people.ts";

const longestMs = 5_000;
const someone = {
  email: "sabine.fuzzmarker@example.org",
  phone: "+33639981234",
  password: "marker of a long password",
};
/** What people type, in any place but the headers by which programs present themselves; none of it may show in the output. */
const markers = [
  someone.email,
  someone.phone,
  "0639981234",
  someone.password,
  "Fuzzmarkerine",
  "Quatremarker",
  "marker allergy to rue",
];

interface Shot {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

test("no method, path, header, query or body gives a 5xx or a hang, with and without credentials; the output says nothing about people", async () => {
  await using application = await startApplication();
  const person = await member(application, someone);
  const identity = { given_names: "Fuzzmarkerine", family_name: "Quatremarker" };
  const allergies = { statement: "listed", items: [{ text: "marker allergy to rue" }] };
  const { token } = person;
  await expected(201, send(application, "PUT", "/v1/me/profile", { token, body: { data: { identity, allergies } } }));
  const parts = { data: { parts: ["identity", "allergies"] } };
  const card = await expected(200, send(application, "PUT", "/v1/me/card", { token, body: parts }));
  const rescuer = await responder(application);
  const { cookie, csrf } = await signedInPage(application);
  const cardToken: string = card.body.data.token;
  const secrets = [cardToken, token, rescuer.token, cookie.split("=")[1] ?? "", csrf];

  const targets = await everyRoute(application);
  assert.ok(targets.length > 70, `${targets.length} routes`);
  const credentials: readonly Readonly<Record<string, string>>[] = [
    {},
    { authorization: `Bearer ${token}` },
    { authorization: `Bearer ${rescuer.token}` },
    { cookie },
    { cookie, origin: application.origin, "sec-fetch-site": "same-origin" },
  ];
  const odd = fc.oneof(
    fc.constantFrom("", "null", "-1", "1e309", "🚑", "%", "%2e%2e", "..", "\u0000"),
    fc.string({ maxLength: 40 }),
    fc.string({ unit: "binary", maxLength: 20 }).map((text) => text.toWellFormed()),
  );
  const values = fc.oneof(odd, fc.constantFrom(...markers, csrf, cardToken));
  const shots = fc
    .record({
      target: fc.constantFrom(...targets),
      method: fc.oneof(
        { weight: 6, arbitrary: fc.constant(undefined) },
        {
          weight: 1,
          arbitrary: fc.constantFrom("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND"),
        },
      ),
      filling: fc.array(odd, { minLength: 3, maxLength: 3 }),
      token: fc.constantFrom(cardToken, "x", `${cardToken.slice(0, -1)}!`, `${cardToken}/`, `${cardToken}%2F`),
      query: fc.oneof(
        fc.constant(""),
        fc
          .dictionary(
            fc.oneof(
              fc.constantFrom("_limit", "_sort", "_token", "_since", "_fields", "all", "save", "lang", "next", "email"),
              fc.string({ maxLength: 8 }),
            ),
            values,
            { maxKeys: 3 },
          )
          .map(queryOf),
        fc.string({ maxLength: 20 }).map((text) => `?${encodeURI(text.toWellFormed())}`),
      ),
      credential: fc.constantFrom(...credentials),
      headers: fc.dictionary(
        fc.constantFrom(
          "accept",
          "content-type",
          "if-match",
          "if-none-match",
          "origin",
          "x-client-address",
          "x-forwarded-for",
          "response-behavior",
          "range",
          "authorization",
          "cookie",
          "x-aml-sender",
          "x-aml-signature",
          "traceparent",
          "content-encoding",
        ),
        fc.oneof(
          fc.constantFrom(
            "application/json",
            "application/merge-patch+json",
            "application/json-patch+json",
            "application/x-www-form-urlencoded",
            "application/fhir+json",
            "application/geo+json",
            "*/*",
            '"1"',
            "*",
            "Bearer x",
            ...markers,
          ),
          fc.string({ maxLength: 20 }),
        ),
        { maxKeys: 3 },
      ),
      body: fc.oneof(
        fc.constant(undefined),
        fc.json(),
        fc.string({ maxLength: 60 }),
        fields(values).map((bag) => JSON.stringify(bag)),
        fields(values).map((bag) => JSON.stringify({ data: bag })),
        fields(fc.oneof(values, fc.jsonValue({ maxDepth: 3 }))).map((bag) => JSON.stringify({ data: bag })),
        fields(values).map((bag) => new URLSearchParams({ ...bag, _csrf: csrf }).toString()),
        fc.constant(`{"data":${"[".repeat(5000)}`),
      ),
    })
    .map(
      ({ target, method, filling, token: segment, query, credential, headers, body }): Shot => ({
        method: method ?? target.method,
        path:
          target.path
            .replace("{token}", segment)
            .replaceAll(/\{[^}]*\}/g, () => encodeURIComponent(filling.shift() ?? "x").replaceAll("%00", "0")) + query,
        headers: {
          ...(body?.startsWith("{")
            ? { "content-type": "application/json" }
            : body?.includes("_csrf=")
              ? { "content-type": "application/x-www-form-urlencoded" }
              : {}),
          ...credential,
          ...headers,
        },
        body,
      }),
    )
    // Leaving would end the story.
    .filter(({ method, path }) => !(method === "DELETE" && /^\/v1\/(me|sessions)\/?(\?|$)/.test(path)));

  const seen = new Map<number, number>();
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  await fc.assert(
    fc.asyncProperty(fc.array(shots, { minLength: 8, maxLength: 8 }), async (volley) => {
      const answers = await Promise.all(volley.map((shot) => fire(application, agent, shot)));
      for (const [index, status] of answers.entries()) {
        seen.set(status, (seen.get(status) ?? 0) + 1);
        assert.ok(status < 500, `${status}: ${JSON.stringify(volley[index])}`);
      }
    }),
    { numRuns: 700, interruptAfterTimeLimit: 45_000, markInterruptAsFailure: false, endOnFailure: true },
  );
  agent.destroy();
  const answered = [...seen.values()].reduce((sum, count) => sum + count, 0) - (seen.get(0) ?? 0);
  assert.ok(answered > 4 * (seen.get(0) ?? 0), `too many without an answer: ${[...seen]}`);
  for (const status of [200, 400, 401, 404]) assert.ok((seen.get(status) ?? 0) > 5, `few ${status}: ${[...seen]}`);

  const mailed = await application.mails(someone.email);
  const codes = mailed.flatMap((text) => /\b\d{6}\b/.exec(text) ?? []);
  assert.equal((await send(application, "GET", "/v1/me", { token })).status < 500, true);
  const ended = await application.end("SIGTERM");
  assert.equal(ended.code, 0);
  const output = application.output();
  for (const secret of [...markers, ...secrets, ...markers.map(encodeURIComponent)])
    assert.equal(output.includes(secret), false, `${secret} in: ${lineWith(output, secret)}`);
  for (const code of codes)
    assert.equal(
      new RegExp(`(?<![\\d.])${code}(?![\\d])`).test(output.replaceAll(/"(time|t|pid)":[\d.]+/g, "")),
      false,
      "a code",
    );
  assert.equal(lineWith(output, '"level":"error"') + lineWith(output, '"level":"fatal"'), "");
});

test("bytes that are no HTTP at all are answered or hung up on, and the next request works", async () => {
  await using application = await startApplication();
  const { port } = new URL(application.origin);
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.uint8Array({ minLength: 1, maxLength: 200 }),
        fc.string({ maxLength: 80 }).map((text) => Buffer.from(`GET /${text} HTTP/1.1\r\nhost: x\r\n\r\n`)),
        fc
          .nat(2 ** 31)
          .map((length) => Buffer.from(`POST /v1/sessions HTTP/1.1\r\nhost: x\r\ncontent-length: ${length}\r\n\r\n{`)),
        fc
          .string({ maxLength: 20 })
          .map((text) => Buffer.from(`POST /aml HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n${text}\r\n`)),
      ),
      async (bytes) => {
        const answer = await exchange(Number(port), bytes);
        assert.doesNotMatch(answer, /^HTTP\/1\.1 5/);
      },
    ),
    { numRuns: 100 },
  );
  assert.equal((await send(application, "GET", "/ping/")).status, 200);
});

/** Routes of the API description, and the pages. */
async function everyRoute(
  application: Application,
): Promise<readonly { readonly method: string; readonly path: string }[]> {
  const { body } = await expected(200, send(application, "GET", "/v1/openapi.json"));
  const described = Object.entries<object>(body.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({
      method: method.toUpperCase(),
      path,
    })),
  );
  const call = async () => {
    throw new Error("only the routes are wanted");
  };

  await using cache = await openCache("memory:", { clock: systemClock });
  const pages = webRoutes({ call, clock: systemClock, cache }).map(({ method, path }) => ({ method, path }));
  const strange = [
    "/internal/people/find",
    "/internal/accounts/x",
    "/internal/audit",
    "/v1/internal/accounts",
    "/v2/me",
    "/v1/",
    "/",
    "/{x}/{y}",
    "/e/{token}",
    "/e/{token}/",
    "/v1/cards/{token}/",
  ];
  return [
    ...described,
    ...pages,
    ...strange.flatMap((path) => [
      { method: "GET", path },
      { method: "POST", path },
    ]),
  ];
}

function fields(values: fc.Arbitrary<unknown>): fc.Arbitrary<Record<string, string>> {
  const names = [
    "email",
    "phone",
    "password",
    "code",
    "totp",
    "refresh_token",
    "reason",
    "incident",
    "birth_year",
    "card",
    "coordinates",
    "coordinate",
    "identity",
    "allergies",
    "what_matters",
    "parts",
    "rotate",
    "language",
    "token",
    "step",
    "current",
    "given_names",
    "text",
    "fix_time",
    "accuracy",
    "type",
    "geometry",
  ];
  return fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string({ maxLength: 8 })), values, {
    maxKeys: 5,
  }) as fc.Arbitrary<Record<string, string>>;
}

function queryOf(values: Readonly<Record<string, string>>): string {
  return `?${new URLSearchParams(values)}`;
}

/** The status; an error of our own client's (a header that cannot be sent) counts as 0. @throws Error when no answer comes in time */
function fire({ origin }: Application, agent: Agent, { method, path, headers, body }: Shot): Promise<number> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(longestMs);
    try {
      const sent = request(origin + path, { method, headers, agent, signal }, (response) => {
        response.resume();
        response.on("end", () => resolve(response.statusCode ?? 0));
        response.on("error", reject);
      });
      sent.on("error", () => {
        if (signal.aborted) reject(new Error(`no answer in ${longestMs} ms: ${method} ${path} ${body}`));
        // A body that is not wanted may be met by an answer and an end.
        else resolve(0);
      });
      sent.end(method === "TRACE" ? undefined : body);
    } catch {
      resolve(0);
    }
  });
}

function exchange(port: number, bytes: Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    // What waits for more is left alone: the server's own timeouts are tested elsewhere.
    socket.setTimeout(100, () => socket.destroy());
    socket.on("data", (data) => {
      answer += String(data);
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(answer));
  });
}

/** A session of the pages, as a browser gets it. */
async function signedInPage(application: Application): Promise<{ readonly cookie: string; readonly csrf: string }> {
  const page = await fetch(`${application.origin}/signin/`, { headers: { accept: "text/html" } });
  const preliminary = cookiesOf(page);
  const csrf = csrfOf(await page.text());
  const answer = await fetch(`${application.origin}/signin/`, {
    method: "POST",
    redirect: "manual",
    headers: {
      accept: "text/html",
      cookie: preliminary,
      origin: application.origin,
      "content-type": "application/x-www-form-urlencoded",
    },
    body: new URLSearchParams({ email: someone.email, password: someone.password, _csrf: csrf }),
  });
  assert.equal(answer.status, 303, await answer.text());
  const cookie =
    cookiesOf(answer)
      .split("; ")
      .find((one) => one.includes("session")) ?? "";
  const home = await fetch(`${application.origin}/me`, { headers: { accept: "text/html", cookie } });
  assert.equal(home.status, 200);
  return { cookie, csrf: csrfOf(await home.text()) };
}

function cookiesOf(response: Response): string {
  return response.headers
    .getSetCookie()
    .map((one) => one.split(";")[0])
    .join("; ");
}

function csrfOf(page: string): string {
  return /name="_csrf" value="([^"]+)"/.exec(page)?.[1] ?? "";
}

function lineWith(output: string, text: string): string {
  return output.split("\n").find((line) => line.includes(text)) ?? "";
}
