/**
 * Pages as routes: resolves the browser session and the language, guards every form with its token, and turns whatever goes wrong
 * into a page that people understand. Pages see no storage, only the API.
 */
import {
  type Clock,
  type Correlated,
  everyone,
  type HttpRequest,
  type Logger,
  type Reply,
  type Route,
  reply,
  route,
  ServiceError,
  type TraceContext,
} from "rouage";
import type { Cache } from "rouage/cache";
import type { ServiceCall } from "../shared/client.ts";
import { type Api, ApiFailure, api } from "./api.ts";
import { type CookieJar, cookieJar, parseCookies } from "./cookies.ts";
import { errorView } from "./errors.ts";
import { type Form, formTypes, readForm } from "./forms.ts";
import type { Dictionary } from "./i18n/dictionary.ts";
import { asLanguage, chooseLanguage, dictionaries, type Language } from "./language.ts";
import { layout, type View } from "./layout.ts";
import { fromThisSite, newToken, pageHeaders, personalHeaders, sameSecret } from "./security.ts";
import { type BrowserSession, type Sessions, sessions } from "./session.ts";

/** What the pages are given. */
export interface WebDeps {
  readonly call: ServiceCall;
  readonly clock: Clock;
  /** Tells instances that share it what each of them has to forget of sessions. */
  readonly cache: Cache;
  /** False only where no browser is involved: `__Host-` cookies need TLS or localhost. Default: true. */
  readonly secureCookies?: boolean;
  /** Origin of the site as browsers see it; default: what each request says. */
  readonly publicOrigin?: string | undefined;
  /** Country of phone numbers typed without international prefix. Default: FR. */
  readonly phoneCountry?: string;
}

/** Who may open a page: everybody, anybody signed in, or a responder whose second factor was used. */
export type PageAccess = "everyone" | "signed-in" | "responder";

export interface Page {
  readonly request: HttpRequest;
  readonly requestId: string;
  readonly signal: AbortSignal;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly language: Language;
  readonly t: Dictionary;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Origin of the site, for links that leave it (QR codes). */
  readonly origin: string;
  readonly session: BrowserSession | undefined;
  /** The API on behalf of the person who is signed in. */
  readonly api: Api;
  /** The API as the pages' own service: sessions, and what happens before anybody is signed in. */
  readonly service: Api;
  /** The submitted form; empty for a GET. */
  readonly form: Form;
  /** Token for the forms of this page. Reading it starts the visitor's token where there is none. */
  readonly csrf: string;
  readonly phoneCountry: string;
  view(view: View): Reply;
  /** To another page of this site, with a short message there. */
  redirect(to: string, done?: keyof Dictionary["done"], cookies?: readonly string[]): Reply;
  /** A last page for somebody who was just signed out for good: without navigation, and without the session's cookie. */
  farewell(view: View): Reply;
  readonly cookies: CookieJar;
  /** The raw session cookie. */
  readonly sessionCookie: string;
  forgetSession(): Promise<void>;
}

export interface SignedIn extends Page {
  readonly session: BrowserSession;
}

type Handler<P> = (page: P) => Reply | Promise<Reply>;
type HandlerFor<A extends PageAccess> = Handler<A extends "everyone" ? Page : SignedIn>;

export interface Pages {
  get<A extends PageAccess>(path: string, access: A, handler: HandlerFor<A>): Route;
  post<A extends PageAccess>(path: string, access: A, handler: HandlerFor<A>, options?: PostOptions): Route;
}

export interface PostOptions {
  readonly bodyLimit?: number;
  /** Answers JSON bodies in the API's way, before and instead of the page. */
  readonly json?: (request: HttpRequest, call: ServiceCall, correlated: Correlated) => Promise<Reply>;
}

interface Incoming {
  readonly request: HttpRequest;
  readonly params: unknown;
  readonly requestId: string;
  readonly trace?: TraceContext | undefined;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

const defaultBodyLimit = 256 * 1024;

export function pages(deps: WebDeps): Pages {
  const known = sessions(deps.call, deps.clock, deps.cache);
  const jar = cookieJar(deps.secureCookies ?? true);
  const make = (
    method: "GET" | "POST",
    path: string,
    access: PageAccess,
    handler: Handler<SignedIn>,
    options: PostOptions,
  ) =>
    route(method, path, {
      access: [everyone],
      unversioned: true,
      documented: false,
      // Somebody may be waiting for help: answered also when the rest is shed.
      important: path.startsWith("/responder") || path.startsWith("/me/position"),
      // A card's token opens it: kept out of logs.
      secretPath: path.startsWith("/e/"),
      ...(method === "GET"
        ? {}
        : { accepts: [...formTypes, ...(options.json === undefined ? [] : ["application/json"])] }),
      bodyLimit: options.bodyLimit ?? defaultBodyLimit,
      handler: async (incoming) => {
        if (options.json !== undefined && isJson(incoming.request)) {
          return options.json(incoming.request, deps.call, incoming);
        }
        return serve({ deps, known, jar, access, handler, bodyLimit: options.bodyLimit ?? defaultBodyLimit }, incoming);
      },
    });
  return {
    get: (path, access, handler) => make("GET", path, access, handler as Handler<SignedIn>, {}),
    post: (path, access, handler, options = {}) => make("POST", path, access, handler as Handler<SignedIn>, options),
  };
}

interface Serving {
  readonly deps: WebDeps;
  readonly known: Sessions;
  readonly jar: CookieJar;
  readonly access: PageAccess;
  readonly handler: Handler<SignedIn>;
  readonly bodyLimit: number;
}

async function serve({ deps, known, jar, access, handler, bodyLimit }: Serving, incoming: Incoming): Promise<Reply> {
  const { request, requestId, trace, signal } = incoming;
  const cookies = parseCookies(request.header("cookie"));
  const sessionCookie = cookies.get(jar.name("session")) ?? "";
  const query = new URLSearchParams(request.url.split("?", 2)[1] ?? "");
  const setCookies: string[] = [];
  let session: BrowserSession | undefined;
  let language = pageLanguage();
  let visitorToken = /^[\w-]{43}$/.exec(cookies.get(jar.name("csrf")) ?? "")?.[0];
  let form: Form = emptyForm;

  try {
    session = sessionCookie === "" ? undefined : await known.resolve(sessionCookie, signal, incoming);
    language = pageLanguage();
    await rememberLanguage();
    if (access !== "everyone" && session === undefined) return toSignIn();
    if (request.method === "POST") {
      form = await readForm(request, bodyLimit);
      const expected = session?.csrf ?? visitorToken ?? "";
      if (!fromThisSite(request, deps.publicOrigin) || !sameSecret(form.text("_csrf"), expected)) return refuseForm();
    }
    if (access === "responder" && !session?.account.roles.includes("responder")) return refuseRole();
    return await handler(makePage() as SignedIn);
  } catch (error) {
    return failed(error);
  }

  function pageLanguage(): Language {
    return chooseLanguage({
      query: query.get("lang") ?? undefined,
      account: session?.account.language,
      cookie: cookies.get(jar.name("lang")),
      acceptLanguage: request.header("accept-language"),
    });
  }

  /** An explicit choice stays: in a cookie, and in the account of whoever is signed in. */
  async function rememberLanguage(): Promise<void> {
    const chosen = asLanguage(query.get("lang") ?? undefined);
    if (chosen === undefined) return;
    if (chosen !== cookies.get(jar.name("lang"))) setCookies.push(jar.set("lang", chosen, { maxAge: 31_536_000 }));
    if (session === undefined || session.account.language === chosen) return;
    await userApi().request("accounts", "PATCH", "/v1/me", { language: chosen });
    await known.forget(sessionCookie);
  }

  function userApi(): Api {
    return api({ call: deps.call, accessToken: session?.accessToken, signal, requestId, trace, address: request.peer });
  }

  function makePage(): Page {
    return {
      request,
      requestId,
      signal,
      params: incoming.params as Page["params"],
      query,
      language,
      t: dictionaries[language],
      now: deps.clock.now(),
      origin: deps.publicOrigin ?? request.origin,
      session,
      api: userApi(),
      service: api({ call: deps.call, signal, requestId, trace, address: request.peer }),
      form,
      get csrf() {
        return csrf();
      },
      phoneCountry: deps.phoneCountry ?? "FR",
      view: render,
      redirect,
      farewell: (view) => {
        session = undefined;
        setCookies.push(jar.clear("session"));
        return render(view);
      },
      cookies: jar,
      sessionCookie,
      forgetSession: () => known.forget(sessionCookie),
    };
  }

  function csrf(): string {
    if (session !== undefined) return session.csrf;
    if (visitorToken === undefined) {
      visitorToken = newToken();
      setCookies.push(jar.set("csrf", visitorToken));
    }
    return visitorToken;
  }

  function render(view: View): Reply {
    const t = dictionaries[language];
    const frame = {
      language,
      t,
      url: request.method === "POST" ? (request.url.split("?", 1)[0] ?? "/") : request.url,
      notice: noticeOf(t, query.get("done")),
      person:
        session === undefined
          ? undefined
          : {
              email: session.account.email,
              responder: session.account.roles.includes("responder"),
              csrf: session.csrf,
            },
    };
    const body = layout(frame, view).toString();
    return reply(view.status ?? 200, body, {
      ...(view.indexed === true ? pageHeaders : personalHeaders),
      ...cookieHeaders(),
    });
  }

  function redirect(to: string, done?: string, cookies: readonly string[] = []): Reply {
    setCookies.push(...cookies);
    const target = done === undefined ? to : `${to}${to.includes("?") ? "&" : "?"}done=${done}`;
    return reply(303, undefined, { ...personalHeaders, location: target, ...cookieHeaders() });
  }

  function cookieHeaders(): { readonly "set-cookie"?: readonly string[] } {
    return setCookies.length === 0 ? {} : { "set-cookie": setCookies };
  }

  function toSignIn(): Reply {
    const expired = sessionCookie === "" ? [] : [jar.clear("session")];
    const next = request.method === "GET" ? `?next=${encodeURIComponent(request.url)}` : "";
    return redirect(`/signin/${next}`, undefined, expired);
  }

  function refuseForm(): Reply {
    const { errors } = dictionaries[language];
    return render(
      errorView(dictionaries[language], { status: 403, requestId, title: errors.csrfTitle, text: errors.csrfText }),
    );
  }

  function refuseRole(): Reply {
    const t = dictionaries[language];
    if (session?.account.roles.includes("mfa-pending") !== true)
      return render(errorView(t, { status: 403, requestId }));
    const link = { href: "/me/account", label: t.account.title };
    const { needsMfaTitle: title, needsMfa: text } = t.responder;
    return render(errorView(t, { status: 403, requestId, title, text, link }));
  }

  async function failed(error: unknown): Promise<Reply> {
    if (error instanceof ApiFailure && error.status === 401 && session !== undefined) {
      await known.forget(sessionCookie);
      session = undefined;
      return toSignIn();
    }
    const { status, wait } = failure(error);
    // Without the path, which may be a card's secret; the request's own line has its pattern. A client that went away is no fault.
    if (status >= 500 && !request.signal.aborted) incoming.log.error({ err: error }, "a page failed");
    const view = render(errorView(dictionaries[language], { status, requestId, wait }));
    return wait === undefined
      ? view
      : { ...view, headers: { ...view.headers, "retry-after": String(Math.ceil(wait)) } };
  }
}

function failure(error: unknown): { readonly status: number; readonly wait?: number | undefined } {
  if (error instanceof ApiFailure) return { status: error.status, wait: error.retryAfterSeconds };
  if (!ServiceError.is(error)) return { status: 500 };
  const wait = Number(error.headers["retry-after"]);
  return { status: error.kind.status, wait: Number.isFinite(wait) ? wait : undefined };
}

function noticeOf(t: Dictionary, done: string | null): string | undefined {
  return done !== null && Object.hasOwn(t.done, done) ? t.done[done as keyof Dictionary["done"]] : undefined;
}

function isJson(request: HttpRequest): boolean {
  const type = request.header("content-type")?.split(";")[0]?.trim().toLowerCase();
  return type === undefined || type === "application/json";
}

const emptyForm: Form = {
  text: () => "",
  secret: () => "",
  all: () => [],
  has: () => false,
  file: async () => undefined,
};

/** A path of this site to go on to, or the fallback: never another site, never another scheme. */
export function localPath(next: string | null | undefined, fallback: string): string {
  if (next === null || next === undefined || !/^\/(?![/\\])[\w/.~%?=&+-]*$/.test(next) || next.length > 500)
    return fallback;
  return next;
}
