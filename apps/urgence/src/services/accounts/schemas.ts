/** Bodies of the routes. Formats that need judgement (addresses, phone numbers, passwords) are checked by the flows, so that all faults are named. */
import { Type } from "typebox";

const strict = { additionalProperties: false } as const;
const email = Type.String({ minLength: 1, maxLength: 320 });
/** Any text: what is right is known only by trying it. */
const password = Type.String({ maxLength: 4096 });
const code = Type.String({ minLength: 1, maxLength: 64 });
const totp = Type.Optional(Type.String({ maxLength: 64 }));
const language = Type.Optional(Type.Enum(["fr", "en"]));
const phone = Type.Optional(Type.String({ maxLength: 64 }));
const granted = Type.Array(Type.Enum(["responder", "officer", "operator"]), { maxItems: 3 });
const site = Type.Object(
  { id: Type.String({ minLength: 1, maxLength: 64 }), name: Type.String({ minLength: 1, maxLength: 200 }) },
  strict,
);

export const signUpBody = Type.Object({ email, phone, phoneNumber: phone, password, language }, strict);
export const verifyBody = Type.Object({ email, code }, strict);
export const emailBody = Type.Object({ email }, strict);
export const signInBody = Type.Object({ email, password, totp }, strict);
export const refreshBody = Type.Object({ refresh_token: Type.String({ minLength: 1, maxLength: 1024 }) }, strict);
export const resetBody = Type.Object({ email, code, password }, strict);
export const changePasswordBody = Type.Object({ current: password, password, totp }, strict);
/** The fields, or the same under `data`. */
const patchMe = { phone, phoneNumber: phone, language };
export const patchMeBody = Type.Object({ ...patchMe, data: Type.Optional(Type.Object(patchMe, strict)) }, strict);
export const changeEmailBody = Type.Object({ email, password, totp }, strict);
export const confirmEmailBody = Type.Object({ code }, strict);
export const deleteMeBody = Type.Object({ password, totp }, strict);
export const confirmMfaBody = Type.Object({ code }, strict);
export const disableMfaBody = Type.Object({ password, code }, strict);
export const signOutQuery = Type.Object({ all: Type.Optional(Type.Boolean()) });

export const browserSignInBody = Type.Object(
  { email, password, totp, client: Type.Optional(Type.String({ maxLength: 1000 })) },
  strict,
);
export const secondStepBody = Type.Object(
  {
    step: Type.String({ maxLength: 2048 }),
    totp: Type.String({ maxLength: 64 }),
    client: Type.Optional(Type.String({ maxLength: 1000 })),
  },
  strict,
);
export const cookieBody = Type.Object({ cookie: Type.String({ maxLength: 1024 }) }, strict);
export const findPersonBody = Type.Object(
  { phone_hash: Type.Optional(Type.String({ maxLength: 64 })), person: Type.Optional(Type.String({ maxLength: 64 })) },
  strict,
);
export const provisionBody = Type.Object(
  {
    email,
    phone,
    phoneNumber: phone,
    password,
    language,
    roles: Type.Optional(granted),
    site: Type.Optional(site),
    verified: Type.Optional(Type.Boolean()),
  },
  strict,
);
export const rolesBody = Type.Object(
  {
    roles: Type.Optional(granted),
    add: Type.Optional(granted),
    remove: Type.Optional(granted),
    site: Type.Optional(Type.Union([site, Type.Null()])),
  },
  strict,
);
