/** What a schema can't say about a profile: statements that fit their items, days that exist, ids that are unique. */
import type { Violation } from "rouage";
import { isPartialDate, startOf } from "./dates.ts";
import { type ProfileInput, sectionNames } from "./schema.ts";

/** Every rule that this (already well-formed) profile breaks; names are dotted paths into the profile. */
export function profileViolations(profile: ProfileInput, now: number): Violation[] {
  const found: Violation[] = [];
  const add = (name: string, description: string, code: string) =>
    found.push({ location: "body", name, description: `${name}: ${description}`, code });

  checkIdentity(profile.identity, now, add);
  for (const name of sectionNames) {
    const { statement, items } = profile[name];
    if (statement === "listed" && items.length === 0) {
      add(`${name}.items`, "the statement `listed` needs at least one item", "items-missing");
    }
    if (statement !== "listed" && items.length > 0) {
      add(`${name}.statement`, `must be \`listed\` when there are items, not \`${statement}\``, "statement-mismatch");
    }
    const ids = new Set<string>();
    items.forEach((item, index) => {
      const path = `${name}.items.${index}`;
      if (item.id !== undefined && ids.has(item.id)) add(`${path}.id`, "is used by another item", "duplicate-id");
      if (item.id !== undefined) ids.add(item.id);
      checkDates(path, item, now, add);
    });
  }
  return found;
}

type Add = (name: string, description: string, code: string) => void;

function checkIdentity({ birth_date, photo }: ProfileInput["identity"], now: number, add: Add): void {
  if (birth_date !== undefined && birth_date !== "unknown") checkPast("identity.birth_date", birth_date, now, add);
  if (photo !== undefined && !looksLikeItsType(photo)) {
    add("identity.photo", "the content is not an image of the type it names", "photo-type");
  }
}

function checkDates(path: string, item: Readonly<Record<string, unknown>>, now: number, add: Add): void {
  for (const field of ["since", "date"]) {
    const value = item[field];
    if (typeof value === "string") checkPast(`${path}.${field}`, value, now, add);
  }
  const due = item.due_date;
  if (typeof due === "string") {
    if (!isPartialDate(due)) add(`${path}.due_date`, "no such day", "no-such-day");
    else if (startOf(due) > now + 310 * 86_400_000) add(`${path}.due_date`, "is more than ten months ahead", "too-far");
  }
  if (typeof item.confirmed_at === "string" && Number.isNaN(Date.parse(item.confirmed_at))) {
    add(`${path}.confirmed_at`, "no such moment", "no-such-day");
  }
}

function checkPast(name: string, value: string, now: number, add: Add): void {
  if (!isPartialDate(value)) add(name, "no such day", "no-such-day");
  // A day of tolerance: it may already be tomorrow where the person lives.
  else if (startOf(value) > now + 86_400_000) add(name, "is in the future", "in-future");
}

/** First bytes of each image type, as base64. */
const magic = { jpeg: "/9j/", png: "iVBORw0KGgo", webp: "UklGR" } as const;

function looksLikeItsType(photo: string): boolean {
  const match = /^data:image\/(jpeg|png|webp);base64,/.exec(photo);
  const type = match?.[1] as keyof typeof magic | undefined;
  return match !== null && type !== undefined && photo.startsWith(magic[type], match[0].length);
}
