/** Dates and languages as people type them, and back: `31/05/1984`, `français, anglais`. The profile keeps ISO 8601 and BCP 47. */
import { languageName } from "../format.ts";
import { type Language, languages } from "../language.ts";

/**
 * `1984`, `05/1984`, `31/05/1984` and the like as a partial ISO date. What is none, or could mean two days, is left as it was typed, for
 * the API to refuse: in French the day stands first, in English only where no month could be meant.
 */
export function isoDate(typed: string, language: Language): string {
  const parts = /^(?:(\d{1,2})[/. -])?(\d{1,2})[/. -](\d{4})$/.exec(typed.trim());
  if (parts === null) return typed;
  const [, day, month = "", year = ""] = parts;
  const two = (part: string) => part.padStart(2, "0");
  if (day === undefined) return `${year}-${two(month)}`;
  if (language === "en" && Number(day) <= 12 && Number(month) <= 12 && Number(day) !== Number(month)) return typed;
  return `${year}-${two(month)}-${two(day)}`;
}

/** A stored date as its editor shows it; the same text means the same date again. */
export function typedDate(stored: string, language: Language): string {
  return language === "fr" && /^\d{4}(-\d\d){1,2}$/.test(stored) ? stored.split("-").reverse().join("/") : stored;
}

/** Codes or names of languages, in either language of the pages; what is neither is left for the API to refuse. */
export function languageCodes(typed: string): readonly string[] {
  return typed
    .split(/[,;\n]+/)
    .flatMap((part) => (byName().has(plain(part)) ? [part] : part.split(/\s+/)))
    .filter((part) => part.trim() !== "")
    .map((part) => byName().get(plain(part)) ?? part.trim())
    .slice(0, 10);
}

export function typedLanguages(codes: readonly string[], language: Language): string {
  // A name that would not lead back to its code is no help: then the code itself.
  const name = (code: string) => {
    const own = languageName(code, language);
    return byName().get(plain(own)) === code ? own : code;
  };
  return codes.map(name).join(", ");
}

const common =
  "fr en de es it pt nl ar tr pl ro ru uk el bg cs sk hu sr hr bs sq hy ka he fa ps ur hi bn pa ta te ml mr gu si ne zh ja ko vi th lo km my id ms tl sw am ti so ha yo ig wo ff bm ln rw mg sv no da fi is et lv lt sl mk ca eu gl br co oc lb mt ga cy fsl ase bfi kab ber ku az kk uz mn";

let names: ReadonlyMap<string, string> | undefined;

/** Made when first asked for: names of languages are read from the runtime's tables, which takes longer than all else of this file's start. */
function byName(): ReadonlyMap<string, string> {
  names ??= new Map(
    common
      .split(" ")
      .flatMap((code) => languages.map((language) => [plain(languageName(code, language)), code] as const)),
  );
  return names;
}

function plain(text: string): string {
  return text.normalize("NFD").replace(/\p{M}/gu, "").trim().toLowerCase();
}
