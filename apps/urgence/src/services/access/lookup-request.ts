/** What a responder sends to look somebody up, checked and with the number already hashed. Pure. */
import { invalid, type Violation } from "rouage";
import { type Static, Type } from "typebox";
import { phoneHash, toE164 } from "../../shared/phone.ts";

/** Reasons from the list; anything else goes into the words of `other`. */
export const lookupReasons = [
  "unconscious",
  "confused",
  "cannot-speak",
  "cardiac",
  "respiratory",
  "trauma",
  "bleeding",
  "seizure",
  "stroke",
  "allergic-reaction",
  "poisoning",
  "childbirth",
  "missing-person",
  "mass-casualty",
  "other",
] as const;
export type LookupReason = (typeof lookupReasons)[number];

export const lookupSchema = Type.Object(
  {
    phone: Type.Optional(Type.String({ minLength: 3, maxLength: 40, description: "E.164, or national form" })),
    card: Type.Optional(Type.String({ minLength: 8, maxLength: 256, description: "Token of the card or its URL" })),
    reason: Type.String({
      minLength: 1,
      maxLength: 500,
      pattern: "\\S",
      description: `One of ${lookupReasons.join(", ")}; other words count as "other" with a note`,
    }),
    note: Type.Optional(Type.String({ maxLength: 500, description: "Free text, shown to the person" })),
    incident: Type.String({
      pattern: "^[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}$",
      description: "Identifier of the incident, at most 64 letters, digits and . _ : / -",
    }),
    birth_year: Type.Optional(Type.Integer({ minimum: 1850, maximum: 2200 })),
  },
  { additionalProperties: false },
);
export type LookupBody = Static<typeof lookupSchema>;

export interface LookupRequest {
  readonly by: { readonly kind: "phone"; readonly hash: string } | { readonly kind: "card"; readonly token: string };
  readonly reason: LookupReason;
  readonly note?: string;
  readonly incident: string;
  readonly birthYear?: number;
}

/** @throws ServiceError `invalid-parameters`; the number is never repeated */
export function readLookup(body: LookupBody, key: Uint8Array, country: string): LookupRequest {
  const violations: Violation[] = [];
  const wrong = (name: string, description: string, code: string) =>
    violations.push({ location: "body", name, description, code });
  const { phone, card, reason, note, incident, birth_year } = body;
  if ((phone === undefined) === (card === undefined)) wrong("phone", "Give either phone or card", "one-of");
  const e164 = phone === undefined ? undefined : toE164(phone, country);
  if (phone !== undefined && e164 === undefined) wrong("phone", "Not a valid phone number", "format");
  const token = card === undefined ? undefined : tokenOf(card);
  if (card !== undefined && token === undefined) wrong("card", "Not a card token", "format");
  const by =
    e164 !== undefined
      ? ({ kind: "phone", hash: phoneHash(key, e164) } as const)
      : ({ kind: "card", token: token ?? "" } as const);
  if (violations.length > 0) throw invalid(...violations);
  const listed = lookupReasons.find((known) => known === reason.trim().toLowerCase());
  const words = [listed === undefined ? reason.trim() : "", note?.trim() ?? ""]
    .filter((text) => text !== "")
    .join(" — ");
  return {
    by,
    reason: listed ?? "other",
    incident,
    ...(words === "" ? {} : { note: words }),
    ...(birth_year === undefined ? {} : { birthYear: birth_year }),
  };
}

/** The token itself, or the last segment of the URL that a QR code carries. */
function tokenOf(card: string): string | undefined {
  const token = card.trim().split(/[?#]/, 1)[0]?.split("/").at(-1) ?? "";
  return /^[A-Za-z0-9_-]{8,128}$/.test(token) ? token : undefined;
}
