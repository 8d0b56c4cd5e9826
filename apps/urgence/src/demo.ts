/**
 * The demonstration: on an empty store, one person with a filled profile and a card, and one responder with a second factor. Their sign-in
 * details are random, printed at start, and kept beside the data for `npm start` tomorrow and for `demo-code`.
 */
import { randomBytes } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { TOTP } from "otpauth";
import type { Clock } from "rouage";
import type { Urgence } from "./app.ts";
import { demoProfile } from "./demo-profile.ts";
import type { ServiceCallOptions } from "./shared/client.ts";

export interface DemoAccount {
  readonly id: string;
  readonly email: string;
  readonly password: string;
}

export interface Demo {
  readonly person: DemoAccount & { readonly phone: string; readonly card: string };
  readonly responder: DemoAccount & { readonly totp_secret: string };
}

/** Makes the demonstration. @throws Error when a service refuses a part of it */
export async function makeDemo(urgence: Urgence, clock: Clock): Promise<Demo> {
  const person = {
    email: "camille@example.org",
    // A number that the French regulator keeps for fiction.
    phone: "+33639980001",
    password: password(),
  };
  const responder = { email: "responder@example.org", password: password() };
  const personId = await urgence.admin.createAccount({ ...person, language: "fr", verified: true });
  const responderId = await urgence.admin.createAccount({
    ...responder,
    language: "fr",
    roles: ["responder"],
    site: { id: "demo", name: "Demo rescue station" },
    verified: true,
  });
  const card = await fillProfile(urgence, person, clock);
  const secret = await enrolSecondFactor(urgence, responder, clock);
  return {
    person: { id: personId, ...person, card },
    responder: { id: responderId, ...responder, totp_secret: secret },
  };
}

/** The current code of the responder's second factor. */
export function demoCode({ responder }: Demo, clock: Clock): string {
  return new TOTP({ secret: responder.totp_secret }).generate({ timestamp: clock.now() });
}

export async function saveDemo(file: string, demo: Demo): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(file, `${JSON.stringify(demo, null, 2)}\n`, { mode: 0o600 });
}

/** undefined when there is none. */
export async function loadDemo(file: string): Promise<Demo | undefined> {
  try {
    return JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** False when one of its people is gone, or going. */
export async function isComplete(urgence: Urgence, { person, responder }: Demo): Promise<boolean> {
  for (const { id } of [person, responder]) {
    const { status, body } = await urgence.call("accounts", "GET", `/internal/accounts/${encodeURIComponent(id)}`);
    if (status !== 200 && status !== 404) throw new Error(`the demonstration cannot be checked: ${status}`);
    const { data } = (body ?? {}) as { readonly data?: { readonly status?: string } };
    if (data?.status !== "active") return false;
  }
  return true;
}

/** Forgets the demonstration as soon as one of its people deletes the account: nothing of theirs may stay anywhere. */
export function forgetDemoWith(urgence: Urgence, file: string, demo: Demo): () => Promise<void> {
  const stop = new AbortController();
  const { storage } = urgence.service("accounts");
  const watching = (async () => {
    const after = await storage.position();
    for await (const entry of storage.log({ after, follow: true, signal: stop.signal, resources: ["account"] })) {
      const gone = entry.type === "account.erasing" || entry.type === "account.deleted";
      if (!gone || (entry.id !== demo.person.id && entry.id !== demo.responder.id)) continue;
      await rm(file, { force: true });
      return;
    }
  })().catch(() => {
    // A log that cannot be read: the next start looks whether these people are still there.
  });
  return async () => {
    stop.abort();
    await watching;
  };
}

/** What the terminal shows. */
export function describeDemo({ person, responder }: Demo, origin: string, code: string): string {
  return `
  Urgence is ready: ${origin}/

  A person      ${origin}/signin/
                e-mail    ${person.email}
                password  ${person.password}
                phone     ${person.phone}
                card      ${origin}/e/${person.card}

  A responder   ${origin}/signin/
                e-mail    ${responder.email}
                password  ${responder.password}
                code      ${code} (the next ones: npm run demo:code)

  Both are made up; look the person up by the phone number. Without this demonstration: URGENCE_DEMO=false.

`;
}

function password(): string {
  return randomBytes(9).toString("base64url");
}

async function fillProfile(
  urgence: Urgence,
  person: { readonly email: string; readonly password: string },
  clock: Clock,
): Promise<string> {
  const as = await signedIn(urgence, person);
  await asked(urgence, "profiles", "PUT", "/v1/me/profile", { ...as, body: { data: demoProfile } });
  const now = new Date(clock.now()).toISOString();
  const position = { coordinates: [2.3522, 48.8566], accuracy: 15, source: "gnss", fix_time: now };
  await asked(urgence, "positions", "POST", "/v1/me/positions", { ...as, body: { data: position } });
  const shown = { data: { parts: ["identity", "alerts", "allergies", "contacts"] } };
  const card = await asked(urgence, "profiles", "PUT", "/v1/me/card", { ...as, body: shown });
  return card.token ?? "";
}

async function enrolSecondFactor(
  urgence: Urgence,
  responder: { readonly email: string; readonly password: string },
  clock: Clock,
): Promise<string> {
  const as = await signedIn(urgence, responder);
  const { secret = "" } = await asked(urgence, "accounts", "POST", "/v1/me/mfa", { ...as, body: {} });
  // The code of the step before: the current one stays good for the first sign-in.
  const code = new TOTP({ secret }).generate({ timestamp: clock.now() - 30_000 });
  await asked(urgence, "accounts", "PUT", "/v1/me/mfa", { ...as, body: { code } });
  return secret;
}

async function signedIn(
  urgence: Urgence,
  { email, password: secret }: { readonly email: string; readonly password: string },
): Promise<{ readonly authorization: string }> {
  const answer = await urgence.call("accounts", "POST", "/v1/sessions", { body: { email, password: secret } });
  const { access_token: token } = (answer.body ?? {}) as { readonly access_token?: string };
  if (token === undefined) throw new Error(`the demonstration cannot sign in: ${answer.status}`);
  return { authorization: `Bearer ${token}` };
}

async function asked(
  urgence: Urgence,
  service: "accounts" | "profiles" | "positions",
  method: string,
  path: string,
  options: ServiceCallOptions,
): Promise<Readonly<Record<string, string | undefined>>> {
  const answer = await urgence.call(service, method, path, options);
  if (answer.status >= 300)
    throw new Error(`the demonstration: ${method} ${path} answered ${answer.status} ${JSON.stringify(answer.body)}`);
  return ((answer.body ?? {}) as { readonly data?: Readonly<Record<string, string>> }).data ?? {};
}
