/** Routes of a signed-in person about their own account. */

import { invalid, type Route, reply, role, route } from "rouage";
import { phoneHash, toE164 } from "../../shared/phone.ts";
import { type Account, rolesOf } from "./account.ts";
import { confirmEmailChange, startEmailChange } from "./email-change.ts";
import type { Erasures } from "./erasure.ts";
import { confirmMfa, disableMfa, mfaStatus, startMfa } from "./mfa.ts";
import { callerAccount, callerSession, commitContext, type Parts } from "./parts.ts";
import { changePassword } from "./passwords.ts";
import { addressOf, codeAttempt, wrongCode } from "./public-routes.ts";
import {
  changeEmailBody,
  changePasswordBody,
  confirmEmailBody,
  confirmMfaBody,
  deleteMeBody,
  disableMfaBody,
  patchMeBody,
  signOutQuery,
} from "./schemas.ts";
import { endSession, endSessions, listSessions } from "./sessions.ts";
import { confirmPassword } from "./sign-in.ts";
import type { StoredAccount } from "./store.ts";

/** Every confirmed account; calls between services are nobody's own. */
const access = [role("person")];
const tag = "accounts";

export function meRoutes(parts: Parts, erasures: Erasures): readonly Route[] {
  return [
    route("GET", "/me", {
      access,
      tag,
      summary: "The caller's account",
      handler: async (context) => ({ data: describe(await callerAccount(parts, context)) }),
    }),

    route("PATCH", "/me", {
      access,
      tag,
      summary: "Change the phone number or the language",
      body: patchMeBody,
      handler: async (context) => {
        const { id } = await callerAccount(parts, context);
        const { phone, phoneNumber, language } = { ...context.body, ...context.body.data };
        const typed = phone ?? phoneNumber;
        const number = typed === undefined ? undefined : toE164(typed, parts.deps.country ?? "FR");
        if (typed !== undefined && number === undefined)
          throw invalid({
            location: "body",
            name: phone === undefined ? "phoneNumber" : "phone",
            code: "invalid-phone",
            description: "must be a phone number with all its digits",
          });
        const changes: Partial<Account> = {
          ...(language === undefined ? {} : { language }),
          ...(number === undefined
            ? {}
            : {
                phone: number,
                phone_hash: phoneHash(parts.identity.phoneHashKey, number),
                phone_confirmed_at: new Date(parts.clock.now()).toISOString(),
              }),
        };
        const updated = await parts.store.update(
          id,
          ({ account }) => ({ account: { ...account, ...changes } }),
          commitContext(context),
        );
        return { data: describe(updated ?? (await callerAccount(parts, context))) };
      },
    }),

    route("POST", "/me/email", {
      access,
      tag,
      summary: "Change the address: a code goes to the new one",
      body: changeEmailBody,
      handler: async (context) => {
        const stored = await callerAccount(parts, context);
        const { email, password, totp } = context.body;
        const shown = callerSession(context).amr.includes("otp");
        await confirmPassword(parts, stored, { password, totp, shown }, addressOf(context), context.signal);
        await startEmailChange(parts, stored, email, addressOf(context), commitContext(context));
        return reply(202, { data: { status: "verification-required" } });
      },
    }),

    route("POST", "/me/email/confirm", {
      access,
      tag,
      summary: "Confirm the new address with its code; other sessions end",
      body: confirmEmailBody,
      handler: async (context) => {
        const stored = await callerAccount(parts, context);
        const { sid } = callerSession(context);
        const from = addressOf(context);
        const attempt = await codeAttempt(parts, stored.account.email_hash, from);
        const given = { code: context.body.code.trim(), from, sid };
        if (!(await confirmEmailChange(parts, stored, given, commitContext(context)))) throw wrongCode();
        await attempt.succeeded();
        return { data: describe(await callerAccount(parts, context)) };
      },
    }),

    route("DELETE", "/me", {
      access,
      tag,
      summary: "Erase the account and everything about the person; answers a receipt",
      body: deleteMeBody,
      handler: async (context) => {
        const stored = await callerAccount(parts, context);
        await confirmPassword(parts, stored, context.body, addressOf(context), context.signal);
        return { data: await erasures.erase(stored.id, commitContext(context)) };
      },
    }),

    route("GET", "/me/sessions", {
      access,
      tag,
      summary: "Where the caller is signed in",
      handler: async (context) => {
        const { id } = await callerAccount(parts, context);
        const { sid } = callerSession(context);
        const sessions = await listSessions(parts, id);
        return { data: sessions.map((session) => ({ ...session, current: session.id === sid })) };
      },
    }),

    route("DELETE", "/me/sessions/{session}", {
      access,
      tag,
      summary: "Sign one device out",
      handler: async (context) => {
        const { id } = await callerAccount(parts, context);
        await endSession(parts, id, context.params.session, "revoked", commitContext(context));
      },
    }),

    route("DELETE", "/sessions", {
      access,
      tag,
      summary: "Sign out; with ?all=true everywhere",
      query: signOutQuery,
      handler: async (context) => {
        const { id } = await callerAccount(parts, context);
        const change = commitContext(context);
        if (context.query.all === true) await endSessions(parts, id, "signed-out", { context: change });
        else await endSession(parts, id, callerSession(context).sid, "signed-out", change);
      },
    }),

    route("POST", "/me/password", {
      access,
      tag,
      summary: "Change the password; every session ends",
      body: changePasswordBody,
      handler: async (context) => {
        const stored = await callerAccount(parts, context);
        const { current, password, totp } = context.body;
        const fault = parts.passwords.fault(password, [stored.account.email]);
        if (fault !== undefined) throw invalid({ location: "body", name: "password", ...fault });
        await confirmPassword(
          parts,
          stored,
          { password: current, totp, shown: callerSession(context).amr.includes("otp") },
          addressOf(context),
          context.signal,
        );
        await changePassword(parts, stored, password, context.signal, commitContext(context));
      },
    }),

    route("GET", "/me/mfa", {
      access,
      tag,
      summary: "State of the second factor",
      handler: async (context) => ({ data: mfaStatus(await callerAccount(parts, context)) }),
    }),
    route("POST", "/me/mfa", {
      access,
      tag,
      summary: "Begin to set up an authenticator app",
      handler: async (context) => ({
        data: await startMfa(parts, await callerAccount(parts, context), commitContext(context)),
      }),
    }),
    route("PUT", "/me/mfa", {
      access,
      tag,
      summary: "Switch the second factor on with a first code; answers recovery codes, once",
      body: confirmMfaBody,
      handler: async (context) => {
        const stored = await callerAccount(parts, context);
        const { sid } = callerSession(context);
        const codes = await confirmMfa(parts, stored, context.body.code, sid, commitContext(context));
        return { data: { recovery_codes: codes } };
      },
    }),
    route("DELETE", "/me/mfa", {
      access,
      tag,
      summary: "Switch the second factor off; every session ends",
      body: disableMfaBody,
      handler: async (context) => {
        const stored = await callerAccount(parts, context);
        const { password, code } = context.body;
        await confirmPassword(parts, stored, { password, totp: code }, addressOf(context), context.signal);
        await disableMfa(parts, stored, commitContext(context));
      },
    }),
  ];
}

/** What a person sees of their account. */
export function describe({ id, account }: StoredAccount) {
  const { email, phone, phone_confirmed_at, language, roles, site, created, totp } = account;
  return {
    id,
    email,
    phone,
    phone_confirmed_at,
    language,
    roles: rolesOf({ roles }, totp === null ? ["pwd"] : ["pwd", "otp"]),
    site,
    mfa: totp !== null,
    created: new Date(created).toISOString(),
  };
}
