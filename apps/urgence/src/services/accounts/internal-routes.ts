/** Routes for the other services and for operators' tools, in process only: people by number, browser sessions, accounts and roles. */
import { type Route, reply, role, route, ServiceError } from "rouage";
import { type GrantedRole, grantedRoles, rolesOf } from "./account.ts";
import { emailHash } from "./email.ts";
import type { Erasures } from "./erasure.ts";
import { noteUse } from "./inactive.ts";
import type { Maintenance } from "./maintenance.ts";
import { describe } from "./me-routes.ts";
import { resetMfa } from "./mfa.ts";
import { commitContext, type Parts } from "./parts.ts";
import { addressOf } from "./public-routes.ts";
import {
  browserSignInBody,
  cookieBody,
  emailBody,
  findPersonBody,
  provisionBody,
  rolesBody,
  secondStepBody,
} from "./schemas.ts";
import { finishSignIn, withStep } from "./second-step.ts";
import { accessToken, amrOf, endSession, endSessions, makeRoomForSession, sessionData } from "./sessions.ts";
import { type SignedIn, signIn, wrongCredentials } from "./sign-in.ts";
import { provision } from "./sign-up.ts";
import type { StoredAccount } from "./store.ts";

const hidden = { access: [role("service")], unversioned: true, documented: false } as const;
const administered = { ...hidden, access: [role("service"), role("operator")] } as const;

export function internalRoutes(parts: Parts, maintain: Maintenance, erasures: Erasures): readonly Route[] {
  const { identity, store, browser } = parts;

  /** What pages need of a session: a token to call with, and whom to greet. */
  async function pageSession(
    { id, account }: StoredAccount,
    session: { id: string; csrf: string; data: { amr?: unknown } },
  ) {
    const amr = amrOf({ amr: Array.isArray(session.data.amr) ? session.data.amr : ["pwd"] });
    const { token, expiresIn } = await accessToken(parts, id, account, session.id, amr);
    const { email, language, totp } = account;
    return {
      access_token: token,
      expires_in: expiresIn,
      csrf: session.csrf,
      account: { id, email, language, roles: rolesOf(account, amr), mfa: totp !== null },
    };
  }

  async function startPageSession({ stored, amr }: SignedIn, client: string | undefined, requestId: string) {
    await makeRoomForSession(parts, stored.id);
    const change = { requestId, principal: stored.id };
    const { secret, session } = await browser.start(stored.id, sessionData(amr, client), [], change);
    return { data: { cookie: secret, ...(await pageSession(stored, session)) } };
  }

  return [
    route("POST", "/internal/people/find", {
      ...hidden,
      body: findPersonBody,
      handler: async ({ body }) => {
        await parts.ready();
        const people =
          body.phone_hash === undefined ? await active(parts, body.person) : await store.byPhone(body.phone_hash);
        const [first] = people;
        if (first === undefined) throw new ServiceError("object-not-found");
        return {
          data: {
            person: first.id,
            phone_confirmed_at: first.account.phone_confirmed_at,
            language: first.account.language,
            // A number may be a family's: then one fact more decides, which accounts does not know.
            shared: people.length > 1,
            people: people.map(({ id, account }) => ({ person: id, phone_confirmed_at: account.phone_confirmed_at })),
          },
        };
      },
    }),

    route("POST", "/internal/browser-sessions", {
      ...hidden,
      body: browserSignInBody,
      handler: async (context) => {
        const { client, ...credentials } = context.body;
        let shown: StoredAccount | undefined;
        try {
          const signedIn = await signIn(parts, credentials, addressOf(context), context.signal, (stored) => {
            shown = stored;
          });
          return await startPageSession(signedIn, client, context.requestId);
        } catch (error) {
          throw shown === undefined ? error : withStep(parts, shown, error);
        }
      },
    }),
    route("POST", "/internal/browser-sessions/second-step", {
      ...hidden,
      body: secondStepBody,
      handler: async (context) => {
        const { client, ...given } = context.body;
        return startPageSession(await finishSignIn(parts, given, addressOf(context)), client, context.requestId);
      },
    }),
    route("POST", "/internal/browser-sessions/resolve", {
      ...hidden,
      body: cookieBody,
      handler: async ({ body }) => {
        await parts.ready();
        const session = await browser.resolve(body.cookie);
        const stored = session === undefined ? undefined : await store.get(session.subject);
        if (session === undefined || stored?.account.status !== "active") throw wrongCredentials();
        parts.background("note use", () => noteUse(parts, stored));
        return { data: await pageSession(stored, session) };
      },
    }),
    route("DELETE", "/internal/browser-sessions", {
      ...hidden,
      body: cookieBody,
      handler: async (context) => {
        await parts.ready();
        const session = await browser.resolve(context.body.cookie);
        if (session !== undefined)
          await endSession(parts, session.subject, session.id, "signed-out", commitContext(context));
      },
    }),

    route("POST", "/internal/accounts", {
      ...administered,
      body: provisionBody,
      handler: async (context) => {
        const id = await provision(parts, context.body, commitContext(context));
        parts.outbox.kick();
        return reply(201, { data: { id } });
      },
    }),
    route("POST", "/internal/accounts/find", {
      ...administered,
      body: emailBody,
      handler: async ({ body }) => {
        await parts.ready();
        return { data: administrative(await store.byEmail(emailHash(identity.emailHashKey, body.email))) };
      },
    }),
    route("GET", "/internal/accounts/{id}", {
      ...administered,
      handler: async ({ params }) => {
        await parts.ready();
        return { data: administrative(await store.get(params.id)) };
      },
    }),
    route("PUT", "/internal/accounts/{id}/roles", {
      ...administered,
      body: rolesBody,
      handler: async (context) => {
        await parts.ready();
        const { roles, add = [], remove = [], site } = context.body;
        let lost = false;
        const updated = await store.update(
          context.params.id,
          ({ account }) => {
            const wished = new Set<GrantedRole>([...(roles ?? account.roles), ...add]);
            for (const name of remove) wished.delete(name);
            lost = account.roles.some((name) => !wished.has(name));
            return {
              account: {
                ...account,
                roles: grantedRoles.filter((name) => wished.has(name)),
                site: site === undefined ? account.site : site,
              },
            };
          },
          commitContext(context),
        );
        // Tokens go on saying what they said: who lost a role starts anew.
        if (lost) await endSessions(parts, context.params.id, "revoked", { context: commitContext(context) });
        return { data: administrative(updated) };
      },
    }),

    route("DELETE", "/internal/accounts/{id}/mfa", {
      ...administered,
      handler: async (context) => {
        await parts.ready();
        const stored = await store.get(context.params.id);
        if (stored === undefined) throw new ServiceError("object-not-found");
        return { data: { reset: await resetMfa(parts, stored, commitContext(context)) } };
      },
    }),

    route("DELETE", "/internal/accounts/{id}", {
      ...hidden,
      handler: async (context) => {
        await parts.ready();
        return { data: await erasures.erase(context.params.id, commitContext(context)) };
      },
    }),

    route("POST", "/internal/maintenance", {
      ...administered,
      handler: async () => ({ data: await maintain() }),
    }),
  ];
}

async function active({ store }: Parts, id: string | undefined): Promise<readonly StoredAccount[]> {
  const stored = id === undefined ? undefined : await store.get(id);
  return stored?.account.status === "active" ? [stored] : [];
}

/** What operators see of an account: no address, no number. */
function administrative(stored: StoredAccount | undefined) {
  if (stored === undefined) throw new ServiceError("object-not-found");
  const { id, language, site, mfa, created } = describe(stored);
  return { id, status: stored.account.status, roles: stored.account.roles, site, mfa, language, created };
}
