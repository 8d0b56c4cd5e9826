/** Which language a page speaks: the account's, then the choice made on the page, then what the browser asks for. */
import type { Dictionary } from "./i18n/dictionary.ts";
import { en } from "./i18n/en.ts";
import { fr } from "./i18n/fr.ts";
import { withFrenchSpaces } from "./i18n/typography.ts";

export const languages = ["fr", "en"] as const;
export type Language = (typeof languages)[number];

export const dictionaries: Readonly<Record<Language, Dictionary>> = { en, fr: withFrenchSpaces(fr) };

export interface LanguageSources {
  /** `?lang=`: an explicit choice, which wins over everything. */
  readonly query?: string | undefined;
  readonly account?: string | undefined;
  readonly cookie?: string | undefined;
  readonly acceptLanguage?: string | undefined;
}

export function chooseLanguage({ query, account, cookie, acceptLanguage }: LanguageSources): Language {
  return asLanguage(query) ?? asLanguage(account) ?? asLanguage(cookie) ?? fromAcceptLanguage(acceptLanguage) ?? "en";
}

/** The language when it is one of ours; `fr-CA` counts as `fr`. */
export function asLanguage(value: string | undefined): Language | undefined {
  const primary = value?.trim().toLowerCase().split("-")[0];
  return languages.find((language) => language === primary);
}

/** RFC 9110 §12.5.4, as far as two languages need it. */
function fromAcceptLanguage(header: string | undefined): Language | undefined {
  if (header === undefined) return undefined;
  const ranges = header
    .slice(0, 1000)
    .split(",")
    .map((range) => {
      const [tag, ...parameters] = range.split(";");
      const quality = parameters.map((parameter) => /^\s*q=([\d.]+)\s*$/i.exec(parameter)?.[1]).find(Boolean);
      return { language: asLanguage(tag), quality: quality === undefined ? 1 : Number(quality) };
    })
    .filter(({ language, quality }) => language !== undefined && quality > 0)
    .sort((a, b) => b.quality - a.quality);
  return ranges[0]?.language;
}
