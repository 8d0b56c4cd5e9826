/** The essentials, one question after another: the way from an empty profile to one that helps, in three minutes. */
import type { Profile } from "../../services/profiles/schema.ts";
import { type Html, html } from "../html.ts";
import type { SignedIn } from "../page.ts";
import { isAnswered } from "./answered.ts";
import type { Part } from "./saving.ts";

export const essentials: readonly Part[] = [
  "identity",
  "allergies",
  "medications",
  "conditions",
  "devices",
  "contacts",
];

/** Whether this editor was opened as a step of the guide. */
export function isGuided({ query, form }: SignedIn, part: Part): boolean {
  return essentials.includes(part) && (query.get("guide") === "1" || form.text("guide") === "1");
}

/** The first essential that nobody answered, if any. */
export function firstOpen(profile: Profile): Part | undefined {
  return essentials.find((part) => !isAnswered(profile, part));
}

/** Where a step leads: the next essential that is open, and at the end the card. */
export function afterStep(part: Part, profile: Profile): string {
  const next = essentials.slice(essentials.indexOf(part) + 1).find((later) => !isAnswered(profile, later));
  return next === undefined ? "/me/card" : guidePath(next);
}

export const guidePath = (part: Part): string => `/me/profile/${part}?guide=1`;

export function stepLine({ t }: SignedIn, part: Part): Html {
  const number = essentials.indexOf(part) + 1;
  return html`<p class="step"><span>${t.home.step(number, essentials.length)}</span><progress max="${essentials.length}" value="${number}" aria-hidden="true"></progress></p>`;
}
