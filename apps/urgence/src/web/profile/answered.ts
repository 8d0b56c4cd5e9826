/** Which parts of a profile hold an answer. */
import type { Profile } from "../../services/profiles/schema.ts";
import { date } from "../format.ts";
import type { Language } from "../language.ts";
import type { Part } from "./saving.ts";

export function isAnswered(profile: Profile, part: Part): boolean {
  if (part === "identity") return identityLine(profile) !== "";
  if (part === "what_matters") return profile.what_matters !== undefined;
  return profile[part].statement !== "no-information";
}

/** Name and birth date on one line. */
export function identityLine({ identity }: Profile, language: Language = "en"): string {
  const name = [identity.preferred_name ?? identity.given_names, identity.family_name].filter(Boolean).join(" ");
  const birth = identity.birth_date === "unknown" ? undefined : identity.birth_date;
  return [name, birth === undefined ? "" : date(birth, language)].filter((part) => part !== "").join(" · ");
}
