/**
 * Saving one part of the profile without losing what somebody saved meanwhile. A form carries the revision it was filled from and a mark
 * of its part: another part that changed is no conflict, the same part is one, and then nothing is written.
 */
import { freshProfile, type Profile, type SectionName, sectionNames } from "../../services/profiles/schema.ts";
import { ApiFailure, isRecord } from "../api.ts";
import { type Html, html } from "../html.ts";
import type { SignedIn } from "../page.ts";
import { digest } from "../security.ts";

export type Part = SectionName | "identity" | "what_matters";
export const parts: readonly Part[] = ["identity", ...sectionNames, "what_matters"];

export interface StoredProfile {
  readonly profile: Profile;
  /** Entity tag of the stored profile; undefined while there is none. */
  readonly etag: string | undefined;
}

export async function loadStored({ api }: SignedIn): Promise<StoredProfile> {
  try {
    const { data, etag } = await api.read<Profile>("profiles", "/v1/me/profile");
    return { profile: { ...freshProfile(), ...data }, etag };
  } catch (error) {
    if (error instanceof ApiFailure && error.status === 404) return { profile: freshProfile(), etag: undefined };
    throw error;
  }
}

/** What the form of a part carries, so that saving it can tell whether it is still about the same thing. */
export function versionFields({ profile, etag }: StoredProfile, part: Part): Html {
  return html`<input type="hidden" name="version" value="${etag ?? ""}"><input type="hidden" name="seen" value="${markOf(profile, part)}">`;
}

/** The same fields as they were sent, for a form that is shown again. */
export function sameVersion({ form }: SignedIn): Html {
  return html`<input type="hidden" name="version" value="${form.text("version")}"><input type="hidden" name="seen" value="${form.text("seen")}">`;
}

const mostTries = 4;

/**
 * Saves the form's part. Answers the stored profile instead, and writes nothing, when that part is not what the form was filled from.
 * @throws ApiFailure
 */
export async function savePart(page: SignedIn, part: Part, value: unknown): Promise<StoredProfile | undefined> {
  const { form } = page;
  let etag = readTag(form.text("version"));
  if (!form.has("version")) return loadStored(page);
  for (let tries = 0; tries < mostTries; tries++) {
    if (await write(page, { [part]: value }, etag)) return undefined;
    const stored = await loadStored(page);
    if (markOf(stored.profile, part) !== form.text("seen")) return stored;
    etag = stored.etag;
  }
  return loadStored(page);
}

/** Changes a part from what is stored now, again when it changed meanwhile; for what needs no form. */
export async function changePart(
  page: SignedIn,
  part: Part,
  change: (profile: Profile) => unknown,
): Promise<"changed" | "busy"> {
  for (let tries = 0; tries < mostTries; tries++) {
    const { profile, etag } = await loadStored(page);
    if (await write(page, { [part]: change(profile) }, etag)) return "changed";
  }
  return "busy";
}

/** False when the precondition failed: the profile is another, came, or went. */
async function write(page: SignedIn, data: Readonly<Record<string, unknown>>, etag: string | undefined) {
  try {
    if (etag === undefined) {
      const first = { data: withoutNulls(data) };
      await page.api.request("profiles", "PUT", "/v1/me/profile", first, { "if-none-match": "*" });
    } else {
      await page.api.request("profiles", "PATCH", "/v1/me/profile", { data }, { "if-match": etag, ...mergePatch });
    }
    return true;
  } catch (error) {
    if (error instanceof ApiFailure && (error.status === 412 || error.status === 404)) return false;
    throw error;
  }
}

/** RFC 7396: members are merged at every depth, and null takes one away. Plain JSON would replace the whole part. */
const mergePatch = { "content-type": "application/merge-patch+json" };

/** In a patch, null takes a field away; in a first profile there is nothing to take away. */
function withoutNulls(value: unknown): unknown {
  if (!isRecord(value)) return value;
  const kept = Object.entries(value).filter(([, member]) => member !== null);
  return Object.fromEntries(kept.map(([name, member]) => [name, withoutNulls(member)]));
}

function markOf(profile: Profile, part: Part): string {
  return digest(JSON.stringify(profile[part] ?? null))
    .toString("base64url")
    .slice(0, 22);
}

const readTag = (text: string): string | undefined => (/^"\d{1,15}"$/.test(text) ? text : undefined);
