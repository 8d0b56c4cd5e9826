/** Routes of people without a session: registering, signing in, getting back in. */
import {
  everyone,
  invalid,
  type OperationContext,
  type Route,
  type RouteContext,
  reply,
  route,
  ServiceError,
} from "rouage";
import { type Attempt, networkOf } from "rouage/auth";
import { clientAddress } from "../../shared/client.ts";
import { emailHash } from "./email.ts";
import type { Erasures } from "./erasure.ts";
import { noteUse } from "./inactive.ts";
import { commitContext, type Parts } from "./parts.ts";
import { resetPassword, sendReset } from "./passwords.ts";
import { emailBody, refreshBody, resetBody, signInBody, signUpBody, verifyBody } from "./schemas.ts";
import { accessToken, amrOf, sessionData, startApiSession, tokenAnswer } from "./sessions.ts";
import { signIn, wrongCredentials } from "./sign-in.ts";
import { resendVerification, signUp, verify } from "./sign-up.ts";

const access = [everyone];
/** A token that expired must not keep its owner from a new one. */
const credentials = "optional";
const tag = "accounts";

export function publicRoutes(parts: Parts, erasures: Erasures): readonly Route[] {
  const hashOf = (email: string) => emailHash(parts.identity.emailHashKey, email);
  /** A stranger asks for a mail: throttled, and answered before anything is done that an account makes a difference to. */
  const mailLater = async (hash: string, address: string | undefined, name: string, work: () => Promise<unknown>) => {
    await parts.mailThrottle.attempt(hash, address);
    await parts.ready();
    await parts.outbox.makeRoom();
    parts.background(name, work);
    return reply(202, { data: { status: "accepted" } });
  };

  return [
    route("POST", "/accounts", {
      access,
      credentials,
      tag,
      summary: "Register; the answer never tells whether the address has an account",
      body: signUpBody,
      handler: async (context) => {
        await signUp(parts, context.body, addressOf(context), context.signal, commitContext(context));
        return reply(201, { data: { status: "verification-required" } });
      },
    }),

    route("POST", "/accounts/verify", {
      access,
      credentials,
      tag,
      summary: "Confirm the address with the code sent to it",
      body: verifyBody,
      handler: async (context) => {
        const hash = hashOf(context.body.email);
        const from = addressOf(context);
        const attempt = await codeAttempt(parts, hash, from);
        const status = await verify(parts, hash, context.body.code.trim(), from, commitContext(context));
        if (status === undefined) throw wrongCode();
        await attempt.succeeded();
        await parts.signInThrottle.welcome(hash, from);
        return { data: { status } };
      },
    }),

    route("POST", "/accounts/verify/resend", {
      access,
      credentials,
      tag,
      summary: "Ask for another code",
      body: emailBody,
      handler: async (context) => {
        const hash = hashOf(context.body.email);
        return mailLater(hash, addressOf(context), "resend", () => resendVerification(parts, hash));
      },
    }),

    route("POST", "/sessions", {
      access,
      credentials,
      tag,
      summary: "Sign in",
      body: signInBody,
      handler: async (context) => {
        const { stored, amr } = await signIn(parts, context.body, addressOf(context), context.signal);
        const data = sessionData(amr, context.request.header("user-agent"));
        return startApiSession(parts, stored, data, { requestId: context.requestId, principal: stored.id });
      },
    }),

    route("POST", "/sessions/refresh", {
      access,
      credentials,
      tag,
      summary: "Trade a refresh token, once, for new tokens",
      body: refreshBody,
      handler: async (context) => {
        await parts.ready();
        const { token, family } = await parts.refresh.rotate(context.body.refresh_token, commitContext(context));
        const stored = await parts.store.get(family.subject);
        if (stored?.account.status !== "active") throw wrongCredentials();
        parts.background("note use", () => noteUse(parts, stored));
        const issued = await accessToken(parts, stored.id, stored.account, family.id, amrOf(family.data));
        return tokenAnswer(issued, token);
      },
    }),

    route("POST", "/passwords/reset", {
      access,
      credentials,
      tag,
      summary: "Ask for a code that permits a new password",
      body: emailBody,
      handler: async (context) => {
        const hash = hashOf(context.body.email);
        return mailLater(hash, addressOf(context), "password reset", () => sendReset(parts, hash));
      },
    }),

    route("POST", "/passwords/reset/confirm", {
      access,
      credentials,
      tag,
      summary: "Set a new password with the code; every session ends",
      body: resetBody,
      handler: async (context) => {
        const { email, code, password } = context.body;
        const fault = parts.passwords.fault(password, [email]);
        if (fault !== undefined) throw invalid({ location: "body", name: "password", ...fault });
        const hash = hashOf(email);
        const from = addressOf(context);
        const attempt = await codeAttempt(parts, hash, from);
        const given = { code: code.trim(), password, from };
        if (!(await resetPassword(parts, hash, given, context.signal, commitContext(context)))) throw wrongCode();
        await attempt.succeeded();
        // Others may be guessing passwords at this moment; the owner gets in.
        await parts.signInThrottle.welcome(hash, from);
        return { data: { status: "changed" } };
      },
    }),

    route("GET", "/erasures/{receipt}", {
      access,
      tag,
      summary: "What became of an erasure, by the id of its receipt",
      handler: async ({ params }) => {
        await parts.ready();
        const receipt = await erasures.receipt(params.receipt);
        if (receipt === undefined) throw new ServiceError("object-not-found");
        return { data: receipt };
      },
    }),

    route("GET", "/.well-known/jwks.json", {
      access,
      tag,
      unversioned: true,
      summary: "Public keys of access tokens",
      handler: () =>
        reply(200, parts.identity.jwks(), {
          "content-type": "application/jwk-set+json",
          "cache-control": "public, max-age=300",
        }),
    }),
  ];
}

export function addressOf({
  request,
  principal,
}: OperationContext & Pick<RouteContext<unknown, unknown, unknown>, "request">): string | undefined {
  return clientAddress(request, principal.roles);
}

/** Counted for each network: what strangers try elsewhere does not keep the owner from using the code. */
export async function codeAttempt({ codeThrottle }: Parts, hash: string, from: string | undefined): Promise<Attempt> {
  return await codeThrottle.attempt(from === undefined ? hash : `${networkOf(from)}\n${hash}`, from);
}

/** One refusal for every code that does not do: wrong, too old, tried too often, or of nobody. */
export function wrongCode() {
  return invalid({ location: "body", name: "code", code: "wrong-code", description: "is wrong or no longer valid" });
}
