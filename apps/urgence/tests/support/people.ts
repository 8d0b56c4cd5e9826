/** People who use the started application over its sockets. */
import { TOTP } from "otpauth";
import type { Application } from "./application.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked into freely by tests
  readonly body: any;
}

export interface Ask {
  /** An object is sent as JSON, a string as it is. */
  readonly body?: unknown;
  readonly token?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface Person {
  readonly id: string;
  readonly email: string;
  readonly phone: string;
  readonly password: string;
  readonly token: string;
  readonly refresh: string;
}

export interface Responder extends Person {
  readonly secret: string;
  readonly recovery: readonly string[];
}

export async function send(
  { origin, isSpread = false }: Pick<Application, "origin"> & Partial<Pick<Application, "isSpread">>,
  method: string,
  path: string,
  { body, token, headers, signal }: Ask = {},
): Promise<Answer> {
  const response = await fetch(origin + path, {
    method,
    redirect: "manual",
    headers: {
      accept: "application/json",
      // The next one is on another connection, and so another worker's.
      ...(isSpread ? { connection: "close" } : {}),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  });
  const text = await response.text();
  const json = (response.headers.get("content-type") ?? "").includes("json") && text !== "";
  return { status: response.status, headers: response.headers, text, body: json ? JSON.parse(text) : text };
}

/** @throws Error when the answer has another status */
export async function expected(status: number, answer: Promise<Answer>): Promise<Answer> {
  const known = await answer;
  if (known.status !== status) throw new Error(`expected ${status}, the answer is ${known.status}: ${known.text}`);
  return known;
}

let people = 0;

/** Somebody nobody knows yet. The numbers are those that the French regulator keeps for fiction. */
export function stranger(name: string): Pick<Person, "email" | "phone" | "password"> {
  const number = String(++people).padStart(4, "0");
  return {
    email: `${name}.${number}@example.org`,
    phone: `+3363998${number}`,
    password: `blue lantern on pier ${number}`,
  };
}

/** Registered, confirmed and signed in. */
export async function member(application: Application, someone = stranger("member")): Promise<Person> {
  const { email } = someone;
  await expected(201, send(application, "POST", "/v1/accounts", { body: someone }));
  const code = await application.mailedCode(email);
  await expected(200, send(application, "POST", "/v1/accounts/verify", { body: { email, code } }));
  return { ...someone, ...(await signIn(application, someone)) };
}

export async function signIn(
  application: Application,
  { email, password }: Pick<Person, "email" | "password">,
  totp?: string,
): Promise<Pick<Person, "id" | "token" | "refresh">> {
  const body = { email, password, ...(totp === undefined ? {} : { totp }) };
  const answer = await expected(200, send(application, "POST", "/v1/sessions", { body }));
  const token: string = answer.body.access_token;
  return { token, refresh: answer.body.refresh_token, id: claimsOf(token).sub };
}

/** A responder with a second factor, enrolled and used. */
export async function responder(application: Application, someone = stranger("responder")): Promise<Responder> {
  const person = await member(application, someone);
  await application.command("grant", person.email, "responder", "--site", "samu-75:SAMU de Paris");
  const enrolled = await enrol(application, person);
  // A code serves once: the sign-in takes the one of the next half minute, which the server's window allows.
  const signedIn = await signIn(application, person, totp(enrolled.secret, 30_000));
  return { ...person, ...signedIn, ...enrolled };
}

export async function enrol(
  application: Application,
  { token }: Pick<Person, "token">,
): Promise<Pick<Responder, "secret" | "recovery">> {
  const started = await expected(200, send(application, "POST", "/v1/me/mfa", { token, body: {} }));
  const secret: string = started.body.data.secret;
  const confirmed = await expected(
    200,
    send(application, "PUT", "/v1/me/mfa", { token, body: { code: totp(secret) } }),
  );
  return { secret, recovery: confirmed.body.data.recovery_codes };
}

export function totp(secret: string, ahead = 0): string {
  return new TOTP({ secret }).generate({ timestamp: Date.now() + ahead });
}

// biome-ignore lint/suspicious/noExplicitAny: what a token says is for the test to judge
export function claimsOf(token: string): any {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
}

export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + 30_000;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
