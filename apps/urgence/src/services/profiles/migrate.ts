/** Brings a stored profile up to the present version when it is read. */
import { freshProfile, type Profile, profileVersion, sectionNames } from "./schema.ts";

/**
 * A profile as it was stored, complete in the present shape: a section that its version did not know says `no-information`.
 * A profile of a later version (after a roll-back) is read as far as this version knows it; nothing is thrown away in the store.
 */
export function readProfile(stored: Readonly<Record<string, unknown>>): Profile {
  const fresh = freshProfile();
  const known = Object.fromEntries(
    ["identity", "what_matters", ...sectionNames].flatMap((key) =>
      stored[key] === undefined ? [] : [[key, stored[key]]],
    ),
  );
  return { ...fresh, ...known, schema_version: profileVersion };
}
