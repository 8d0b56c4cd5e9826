/**
 * A small API for the tests of the pages: it keeps one person's data in memory and answers as the services do, with their own pure
 * parts where these exist. Records every call.
 */
import { randomUUID } from "node:crypto";
import { type Clock, manualClock } from "rouage";
import { completeProfile } from "../services/profiles/complete.ts";
import { emergencyView } from "../services/profiles/emergency-view.ts";
import { freshProfile, type Profile, type ProfileInput } from "../services/profiles/schema.ts";
import type { ServiceAnswer, ServiceCall } from "../shared/client.ts";
import { isRecord } from "./api.ts";
import { webService } from "./service.ts";

export interface FakeApi {
  readonly call: ServiceCall;
  readonly calls: {
    readonly service: string;
    readonly method: string;
    readonly path: string;
    readonly body: unknown;
    readonly authorization: string | undefined;
    readonly headers: Readonly<Record<string, string>>;
  }[];
  /** Grows with every write of the profile. */
  revision: number;
  profile: Profile | undefined;
  position: object | undefined;
  card: { token: string; parts: readonly string[] } | undefined;
  roles: string[];
  mfa: boolean;
  language: string;
  accessLog: object[];
  sessions: object[];
  lookups: object[];
  /** Answers instead of what would be answered, by `METHOD path`. */
  readonly answers: Map<string, Partial<ServiceAnswer>>;
}

export const sessionCookie = "__Host-session=session-of-ada";
export const csrfOfSession = "csrf-of-ada";
export const person = "0198c5a0-0000-7000-8000-000000000001";

export function fakeApi(clock: Clock = manualClock()): FakeApi {
  const state: Omit<FakeApi, "call"> = {
    calls: [],
    revision: 1,
    profile: undefined,
    position: undefined,
    card: undefined,
    roles: ["person"],
    mfa: false,
    language: "en",
    accessLog: [],
    sessions: [{ id: "s1", created: "2026-01-01T00:00:00Z", used: "2026-01-01T00:00:00Z", current: true }],
    lookups: [],
    answers: new Map(),
  };
  const api = state as FakeApi;
  const routes: Readonly<Record<string, (body: Body, headers: Sent) => Partial<ServiceAnswer>>> = {
    "POST /internal/browser-sessions/resolve": (body) =>
      body.cookie === "session-of-ada"
        ? data({
            access_token: "token-of-ada",
            expires_in: 600,
            csrf: csrfOfSession,
            account: { id: person, email: "ada@example.org", language: api.language, roles: api.roles, mfa: api.mfa },
          })
        : { status: 401 },
    "POST /internal/browser-sessions": (body) => {
      if (body.password !== "right password") return { status: 401, body: {} };
      if (api.mfa && body.totp === undefined)
        return { status: 401, body: { details: { totp: "required", step: "note-of-ada" } } };
      return data({ cookie: "session-of-ada", csrf: csrfOfSession, access_token: "token-of-ada", expires_in: 600 });
    },
    "POST /internal/browser-sessions/second-step": (body) => {
      if (body.step !== "note-of-ada") return { status: 401, body: { details: { step: "expired" } } };
      if (body.totp !== "123456" && body.totp !== "aaaa-bbbb")
        return { status: 401, body: { details: { totp: "wrong" } } };
      return data({ cookie: "session-of-ada" });
    },
    "DELETE /internal/browser-sessions": () => ({ status: 200, body: {} }),
    "POST /v1/accounts": () => ({ ...data({ status: "verification-required" }), status: 201 }),
    "POST /v1/accounts/verify": (body) => (body.code === "123456" ? data({}) : { status: 400, body: {} }),
    "POST /v1/accounts/verify/resend": () => ({ status: 202 }),
    "POST /v1/passwords/reset": () => ({ status: 202 }),
    "POST /v1/passwords/reset/confirm": () => data({}),
    "GET /v1/me": () => data({ email: "ada@example.org", phone: "+33639981234", created: "2026-01-01T00:00:00Z" }),
    "PATCH /v1/me": (body) => {
      const sent = isRecord(body.data) ? body.data : body;
      if (typeof sent.language === "string") api.language = sent.language;
      return data({});
    },
    "GET /v1/me/sessions": () => data(api.sessions),
    "POST /v1/me/email": (body) =>
      body.password === "right password"
        ? { ...data({ status: "verification-required" }), status: 202 }
        : { status: 401, body: {} },
    "POST /v1/me/email/confirm": (body) => (body.code === "123456" ? data({}) : { status: 400, body: {} }),
    "DELETE /v1/me/sessions/s2": () => ({ status: 204 }),
    "GET /v1/me/positions": () => data(api.position === undefined ? [] : [api.position]),
    "POST /v1/me/mfa": () =>
      data({ secret: "JBSWY3DPEHPK3PXP", uri: "otpauth://totp/Urgence:ada?secret=JBSWY3DPEHPK3PXP" }),
    "PUT /v1/me/mfa": () => data({ recovery_codes: ["aaaa-bbbb", "cccc-dddd"] }),
    "GET /v1/me/profile": () =>
      api.profile === undefined
        ? { status: 404, body: {} }
        : { ...data(api.profile), headers: { etag: `"${api.revision}"` } },
    "PUT /v1/me/profile": (body, headers) => {
      if (headers["if-none-match"] === "*" && api.profile !== undefined) return { status: 412, body: {} };
      return write({ ...freshProfile(), ...(isRecord(body.data) ? body.data : body) } as ProfileInput);
    },
    "PATCH /v1/me/profile": (body, headers) => {
      if (api.profile === undefined) return { status: 404, body: {} };
      if (headers["if-match"] !== `"${api.revision}"`) return { status: 412, body: {} };
      const sent = isRecord(body.data) ? body.data : body;
      const deep = headers["content-type"] === "application/merge-patch+json";
      return write((deep ? merge(api.profile, sent) : { ...api.profile, ...sent }) as ProfileInput);
    },
    "GET /v1/me/card": () => (api.card === undefined ? { status: 404, body: {} } : data(api.card)),
    "PUT /v1/me/card": (body) => {
      const sent = isRecord(body.data) ? body.data : body;
      api.card = { token: api.card?.token ?? randomUUID(), parts: sent.parts as readonly string[] };
      return data(api.card);
    },
    "GET /v1/me/positions/latest": () => (api.position === undefined ? { status: 404, body: {} } : data(api.position)),
    "POST /v1/me/positions": (body) => {
      api.position = {
        ...(body.data as object),
        fix_time: new Date(clock.now()).toISOString(),
        origin: "person",
        authenticated: true,
      };
      return { ...data(api.position), status: 201 };
    },
    "GET /v1/me/access-log": () => data(api.accessLog),
    "GET /v1/me/history": () => data([]),
    "GET /v1/lookups": () => data(api.lookups),
    "POST /v1/lookup": () => data({ audit: "0198c5a0-audit", level: 2, view: view(), position: api.position ?? null }),
    "DELETE /v1/me": () =>
      data({ receipt: "r-1", erased_at: "2026-01-01T00:00:00Z", services: { profiles: { profile: 1 } } }),
    "GET /v1/me/export": () => data({ profile: api.profile }),
    [`GET /internal/people/${person}/emergency-view`]: () => data(view()),
    [`GET /internal/people/${person}/position`]: () =>
      api.position === undefined ? { status: 404, body: {} } : data(api.position),
  };
  const call: ServiceCall = async (service, method, path, options = {}) => {
    const { body, authorization, headers = {} } = options;
    api.calls.push({ service, method, path, body, authorization, headers });
    const key = `${method} ${path.split("?", 1)[0]}`;
    const answer = api.answers.get(key) ??
      routes[key]?.(isRecord(body) ? body : {}, headers) ?? { status: 404, body: {} };
    return { status: 200, body: undefined, headers: {}, ...answer };
  };
  return Object.assign(state, { call });

  function write(input: ProfileInput): Partial<ServiceAnswer> {
    api.revision += 1;
    api.profile = completeProfile(input, { previous: api.profile, now: clock.now(), newId: randomUUID });
    return data(api.profile);
  }

  function view() {
    const { profile } = api;
    return emergencyView(profile ?? freshProfile(), {
      now: clock.now(),
      ...(profile === undefined ? {} : { updated: clock.now() }),
    });
  }
}

type Body = Readonly<Record<string, unknown>>;
type Sent = Readonly<Record<string, string>>;

const data = (value: unknown): Partial<ServiceAnswer> => ({ status: 200, body: { data: value } });

/** RFC 7396. */
function merge(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  const merged: Record<string, unknown> = isRecord(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else merged[name] = merge(merged[name], value);
  }
  return merged;
}

export interface TestSite extends AsyncDisposable {
  readonly api: FakeApi;
  readonly handle: (request: Request) => Promise<Response>;
  get(path: string, headers?: Record<string, string>): Promise<TestAnswer>;
  post(
    path: string,
    fields: Record<string, string> | URLSearchParams | FormData,
    headers?: Record<string, string>,
  ): Promise<TestAnswer>;
  /** Opens the editor of a part of the profile and sends its form with these fields. */
  save(part: string, fields: Record<string, string> | FormData): Promise<TestAnswer>;
}

export interface TestAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** The pages over the small API. Requests carry Ada's session and form token unless `headers` say otherwise. */
export async function testSite(clock: Clock = manualClock()): Promise<TestSite> {
  const api = fakeApi(clock);
  const running = await webService({ call: api.call, clock }).start({
    clock,
    settings: { storage: "memory:", log_level: "silent" },
  });
  const send = async (
    method: string,
    path: string,
    headers: Record<string, string>,
    body?: FormData | URLSearchParams,
  ): Promise<TestAnswer> => {
    const request = new Request(`http://urgence.test${path}`, {
      method,
      headers: { accept: "text/html", "accept-language": "en", cookie: sessionCookie, ...headers },
      ...(body === undefined ? {} : { body }),
      redirect: "manual",
    });
    const response = await running.fetch(request);
    return { status: response.status, headers: response.headers, text: await response.text() };
  };
  const post: TestSite["post"] = (path, fields, headers = {}) => {
    const form = fields instanceof URLSearchParams || fields instanceof FormData ? fields : new URLSearchParams(fields);
    if (!form.has("_csrf")) form.set("_csrf", csrfOfSession);
    return send("POST", path, headers, form);
  };
  return {
    api,
    handle: (request) => running.fetch(request),
    get: (path, headers = {}) => send("GET", path, headers),
    post,
    async save(part, fields) {
      const path = `/me/profile/${part}`;
      const form = fields instanceof FormData ? fields : new URLSearchParams(fields);
      const { text } = await send("GET", path, {});
      for (const [name, value] of Object.entries(versionOf(text))) form.set(name, value);
      return post(path, form);
    },
    [Symbol.asyncDispose]: () => running.stop(),
  };
}

/** The hidden fields by which an editor tells what it was filled from. */
export function versionOf(text: string): { readonly version: string; readonly seen: string } {
  const field = (name: string) => new RegExp(`name="${name}" value="([^"]*)"`).exec(text)?.[1] ?? "";
  return { version: field("version").replaceAll("&quot;", '"'), seen: field("seen") };
}
