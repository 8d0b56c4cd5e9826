/**
 * The second step of a sign-in on the pages. A right password is noted in a sealed, short-lived text, so that the code can be asked for on
 * a page of its own without typing, keeping or sending the password again. The note alone opens nothing.
 */
import { createHash } from "node:crypto";
import { ServiceError } from "rouage";
import { noteUse } from "./inactive.ts";
import type { Parts } from "./parts.ts";
import { seal, unseal } from "./seal.ts";
import { admit, type SignedIn, secondFactor } from "./sign-in.ts";
import type { StoredAccount } from "./store.ts";

const lifetimeMs = 5 * 60_000;
const purpose = "sign-in-step";

interface Note {
  readonly account: string;
  readonly expires: number;
  /** Changes with the password: a note does not outlive it. */
  readonly password: string;
}

/** The same error with the note, when only the second factor is missing or wrong. */
export function withStep(parts: Parts, { id, account }: StoredAccount, error: unknown): unknown {
  if (!ServiceError.is(error)) return error;
  const details = error.details as { readonly totp?: unknown } | undefined;
  if (details?.totp === undefined) return error;
  const note: Note = { account: id, expires: parts.clock.now() + lifetimeMs, password: fingerprint(account.password) };
  const step = seal(parts.identity.totpKeys, JSON.stringify(note), purpose);
  return new ServiceError("missing-credentials", { message: error.message, details: { totp: details.totp, step } });
}

/** @throws ServiceError `invalid-credentials` with details `{step: "expired"}`, `missing-credentials` with `{totp}`, `too-many-requests` */
export async function finishSignIn(
  parts: Parts,
  { step, totp }: { readonly step: string; readonly totp: string },
  address: string | undefined,
): Promise<SignedIn> {
  await parts.ready();
  const note = readNote(parts, step);
  const stored = note === undefined ? undefined : await parts.store.get(note.account);
  if (stored?.account.status !== "active" || note?.password !== fingerprint(stored.account.password)) {
    throw new ServiceError("invalid-credentials", {
      message: "This sign-in has to begin again.",
      details: { step: "expired" },
    });
  }
  const attempt = await admit(parts, stored.account.email_hash, address);
  const amr = await secondFactor(parts, stored, totp, attempt);
  await attempt.succeeded();
  await noteUse(parts, stored);
  return { stored, amr };
}

function readNote({ identity, clock }: Parts, step: string): Note | undefined {
  try {
    const note = JSON.parse(unseal(identity.totpKeys, step, purpose)) as Note;
    return note.expires > clock.now() ? note : undefined;
  } catch {
    return undefined;
  }
}

function fingerprint(password: string): string {
  return createHash("sha256").update(password).digest("base64url");
}
