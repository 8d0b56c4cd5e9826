/** The editors of the profile's parts: a section with its entries, and what matters. One that was overtaken shows both versions. */
import { ServiceError } from "rouage";
import type { SectionName } from "../../services/profiles/schema.ts";
import { toE164 } from "../../shared/phone.ts";
import { textArea } from "../components.ts";
import type { Page, SignedIn } from "../page.ts";
import { blankRow, sectionEditor } from "../profile/editor.ts";
import { itemFields } from "../profile/fields.ts";
import { buildSection, parseSection, rowsOf, type SectionForm } from "../profile/parse.ts";
import { loadStored, type Part, parts, savePart } from "../profile/saving.ts";
import { fieldErrors } from "../violations.ts";
import { editorPage, type Showing, savedPage } from "./profile-frame.ts";
import { identityEditor, identityValues, saveIdentity } from "./profile-identity.ts";

export async function showEditor(page: SignedIn) {
  const part = partOf(page);
  const stored = await loadStored(page);
  const { profile } = stored;
  if (part === "identity") return identityEditor(page, { values: identityValues(profile, page.language), stored });
  if (part === "what_matters") return whatMattersEditor(page, profile.what_matters ?? "", { stored });
  const statement = page.query.get("add") === "1" ? "listed" : profile[part].statement;
  return editorView(
    page,
    part,
    { statement, rows: rowsOf(profile[part], part, page.language), action: { kind: "save" } },
    { stored },
  );
}

export async function saveEditor(page: SignedIn) {
  const part = partOf(page);
  if (part === "identity") return saveIdentity(page);
  return part === "what_matters" ? saveWhatMatters(page) : saveSection(page, part);
}

export function partOf(page: Page): Part {
  const part = parts.find((known) => known === page.params.section);
  if (part === undefined) throw new ServiceError("route-not-found");
  return part;
}

// A section

async function saveSection(page: SignedIn, part: SectionName) {
  const { form, t } = page;
  const parsed = parseSection(form, part);
  if (parsed.action.kind === "add") {
    const next = Math.max(-1, ...parsed.rows.map((row) => row.index)) + 1;
    return editorView(page, part, { ...parsed, rows: [...parsed.rows, blankRow(next)] }, {});
  }
  if (parsed.action.kind === "remove") {
    const { index } = parsed.action;
    return editorView(page, part, { ...parsed, rows: parsed.rows.filter((row) => row.index !== index) }, {});
  }
  const stored = await loadStored(page);
  const parsePhone = (typed: string) => toE164(typed, page.phoneCountry);
  const { section, errors, indexes } = buildSection(part, parsed, {
    stored: stored.profile[part],
    t,
    language: page.language,
    parsePhone,
  });
  if (Object.keys(errors).length > 0) return editorView(page, part, parsed, { errors });
  try {
    const changed = await savePart(page, part, section);
    return changed === undefined ? savedPage(page, part, stored) : editorView(page, part, parsed, { changed });
  } catch (error) {
    return editorView(page, part, parsed, { errors: fieldErrors(error, t, itemFieldOf(part, indexes)) });
  }
}

/** `medications.items.1.dose` of the saved section → the field of the row it was typed in. */
function itemFieldOf(part: SectionName, indexes: readonly number[]) {
  return (name: string): string | undefined => {
    const match = new RegExp(`^${part}\\.items\\.(\\d+)\\.(\\w+)`).exec(name);
    const row = indexes[Number(match?.[1])];
    if (row !== undefined && itemFields[part].some((field) => field.name === match?.[2]))
      return `items.${row}.${match?.[2]}`;
    return name.startsWith(part) ? "statement" : undefined;
  };
}

function editorView(page: SignedIn, part: SectionName, form: SectionForm, showing: Showing) {
  const { t } = page;
  const fields = sectionEditor(form, { name: part, t, errors: showing.errors ?? {} });
  return editorPage(page, part, showing, false, fields);
}

// What matters

async function saveWhatMatters(page: SignedIn) {
  const typed = page.form.text("what_matters");
  try {
    const changed = await savePart(page, "what_matters", typed === "" ? null : typed);
    return changed === undefined ? page.redirect("/me/profile", "saved") : whatMattersEditor(page, typed, { changed });
  } catch (error) {
    return whatMattersEditor(page, typed, { errors: fieldErrors(error, page.t, () => "what_matters") });
  }
}

function whatMattersEditor(page: SignedIn, value: string, showing: Showing) {
  const { fields } = page.t;
  const text = {
    name: "what_matters",
    label: fields.what_matters,
    hint: fields.what_mattersHint,
    value,
    maxLength: 4000,
    rows: 8,
  };
  return editorPage(page, "what_matters", showing, false, textArea(text, showing.errors ?? {}));
}
