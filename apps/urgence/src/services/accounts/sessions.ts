/** Sessions of accounts: API sessions live on refresh tokens, browser sessions on a cookie. A session's id is the `sid` of its access tokens. */
import type { JsonObject } from "rouage";
import type { EndReason, IssuedToken } from "rouage/auth";
import type { CommitContext } from "rouage/storage";
import { type Account, type Amr, rolesOf } from "./account.ts";
import type { Parts } from "./parts.ts";
import type { StoredAccount } from "./store.ts";

/** What a session remembers of its sign-in. */
export interface SessionData extends JsonObject {
  readonly amr: Amr;
  /** The program that signed in, as it calls itself; shown to the person in the list of sessions. */
  readonly client: string | null;
}

export interface SessionInfo {
  readonly id: string;
  readonly kind: "api" | "browser";
  /** RFC 3339. */
  readonly created: string;
  readonly used: string;
  readonly expires: string;
  readonly client: string | null;
  readonly second_factor: boolean;
}

export function sessionData(amr: Amr, client: string | undefined): SessionData {
  return { amr, client: client?.slice(0, 160).toWellFormed() ?? null };
}

export function amrOf(data: JsonObject): Amr {
  return Array.isArray(data.amr) ? (data.amr as Amr) : ["pwd"];
}

/** An access token of this account's session. It carries no personal data: ids, roles, and the site of a responder. */
export function accessToken(
  { identity }: Parts,
  id: string,
  account: Account,
  sid: string,
  amr: Amr,
): Promise<IssuedToken> {
  const claims = { sid, amr, roles: rolesOf(account, amr) };
  return identity.issuer.issue(id, account.site === null ? claims : { ...claims, site: account.site });
}

/** Body of an answer to a sign-in or refresh; `Token` is what clients of the first version read. */
export function tokenAnswer({ token, expiresIn }: IssuedToken, refreshToken: string) {
  return {
    Token: token,
    access_token: token,
    token_type: "Bearer",
    expires_in: expiresIn,
    refresh_token: refreshToken,
  };
}

export async function startApiSession(
  parts: Parts,
  { id, account }: StoredAccount,
  data: SessionData,
  context: CommitContext,
) {
  await makeRoomForSession(parts, id);
  const { token, family } = await parts.refresh.issue(id, data, [], context);
  return tokenAnswer(await accessToken(parts, id, account, family.id, data.amr), token);
}

/** Sessions one account may have; a further sign-in ends the one used longest ago. */
const mostSessions = 50;

export async function makeRoomForSession(parts: Parts, account: string): Promise<void> {
  const sessions = [...(await listSessions(parts, account))].sort((a, b) => (a.used < b.used ? -1 : 1));
  for (const { id } of sessions.slice(0, Math.max(0, sessions.length - mostSessions + 1)))
    await endSession(parts, account, id, "revoked");
}

export async function listSessions({ refresh, browser }: Parts, account: string): Promise<readonly SessionInfo[]> {
  const [api, cookies] = await Promise.all([refresh.list(account), browser.list(account)]);
  const time = (ms: number) => new Date(ms).toISOString();
  const info = (kind: SessionInfo["kind"]) => (session: (typeof api)[number] | (typeof cookies)[number]) => ({
    id: session.id,
    kind,
    created: time(session.created),
    used: time(session.used),
    expires: time(session.expires),
    client: typeof session.data.client === "string" ? session.data.client : null,
    second_factor: amrOf(session.data).includes("otp"),
  });
  return [...api.map(info("api")), ...cookies.map(info("browser"))];
}

/** Ends one session; its access tokens are refused from now on. */
export async function endSession(
  { refresh, browser, identity }: Parts,
  account: string,
  sid: string,
  reason: EndReason,
  context?: CommitContext,
): Promise<void> {
  const ended =
    (await refresh.end(account, sid, reason, context)) || (await browser.end(account, sid, reason, context));
  // The log tells everybody within milliseconds; this process need not wait for that.
  if (ended) identity.revocations.revoke({ kind: "sid", id: sid });
}

/** Ends every session of an account, except one; answers how many. */
export async function endSessions(
  parts: Parts,
  account: string,
  reason: EndReason,
  options: { readonly except?: string; readonly context?: CommitContext } = {},
): Promise<number> {
  const sessions = (await listSessions(parts, account)).filter(({ id }) => id !== options.except);
  for (const { id } of sessions) await endSession(parts, account, id, reason, options.context);
  return sessions.length;
}

/** Notes on a session how its owner proved who they are. */
export async function noteAmr({ refresh, browser }: Parts, account: string, sid: string, amr: Amr): Promise<void> {
  const all = [...(await refresh.list(account)), ...(await browser.list(account))];
  const session = all.find(({ id }) => id === sid);
  if (session === undefined) return;
  const data = { ...session.data, amr: [...amr] };
  if (!(await refresh.annotate(account, sid, data))) await browser.annotate(account, sid, data);
}
