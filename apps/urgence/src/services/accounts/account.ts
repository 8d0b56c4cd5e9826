/** An account as it is stored, and what follows from it alone. */
import type { JsonObject } from "rouage";

export type Language = "fr" | "en";
export type GrantedRole = "responder" | "officer" | "operator";
export const grantedRoles: readonly GrantedRole[] = ["responder", "officer", "operator"];

/** Where a responder works. */
export interface Site extends JsonObject {
  readonly id: string;
  readonly name: string;
}

export interface Account {
  readonly status: "unverified" | "active" | "erasing";
  readonly email: string;
  readonly email_hash: string;
  /** A new address that waits for its code. */
  readonly email_pending: { readonly email: string; readonly email_hash: string } | null;
  /** Earlier addresses: mails to them are forgotten with the account. */
  readonly former_emails: readonly string[];
  /** E.164. */
  readonly phone: string | null;
  readonly phone_hash: string | null;
  /** RFC 3339. */
  readonly phone_confirmed_at: string | null;
  /** PHC string. */
  readonly password: string;
  readonly language: Language;
  readonly roles: readonly GrantedRole[];
  readonly site: Site | null;
  /** Milliseconds since the epoch. */
  readonly created: number;
  readonly verified: number | null;
  /** Last use, known to the week. */
  readonly used: number;
  /** Set with the warning that nobody uses it: from then on it may be erased. */
  readonly erase_after: number | null;
  /** Registered more than once with different passwords before it was confirmed: none of what they said is known to be the owner's. */
  readonly contested: boolean;
  readonly totp: Totp | null;
  /** A secret shown but not confirmed yet. */
  readonly totp_pending: { readonly secret: string; readonly until: number } | null;
}

export interface Totp {
  /** Sealed, see `seal.ts`. */
  readonly secret: string;
  /** Step of the last code accepted. */
  readonly last_step: number;
  /** Hashes of the recovery codes that are left. */
  readonly recovery: readonly string[];
  readonly enrolled: number;
}

/** How the caller proved who they are: `pwd`, `otp` (RFC 8176). */
export type Amr = readonly ("pwd" | "otp")[];

/** The roles of a token. Granted roles need the second factor in this very sign-in; without it they are pending. */
export function rolesOf({ roles }: Pick<Account, "roles">, amr: Amr): readonly string[] {
  if (roles.length === 0) return ["person"];
  return amr.includes("otp") ? ["person", ...roles] : ["person", "mfa-pending"];
}
