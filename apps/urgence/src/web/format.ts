/** Dates, ages and numbers as people of each language write them. */
import { phoneLibrary } from "../shared/phone-library.ts";
import { type Html, html } from "./html.ts";
import type { Dictionary } from "./i18n/dictionary.ts";
import type { Language } from "./language.ts";

const locales: Readonly<Record<Language, string>> = { en: "en-GB", fr: "fr-FR" };

/** Date and time of day in UTC, marked as such: the server does not know the reader's zone. The script shows the reader's own. */
export function dateTime(value: string | number | undefined, language: Language): Html {
  const time = toTime(value);
  if (time === undefined) return html`–`;
  const format = new Intl.DateTimeFormat(locales[language], {
    dateStyle: "long",
    timeStyle: "short",
    timeZone: "UTC",
  });
  return html`<time datetime="${new Date(time).toISOString()}" data-local>${firstOfMonth(format.format(time), language)} UTC</time>`;
}

/** How long ago a moment is; the script counts on while the page stays open. */
export function since(value: string, now: number, language: Language, t: Dictionary): Html {
  const time = toTime(value);
  if (time === undefined) return html`–`;
  const seconds = (now - time) / 1000;
  return html`<time datetime="${new Date(time).toISOString()}" data-ago="${Math.round(seconds)}">${ago(seconds, language, t)}</time>`;
}

/** A stored number as it is read aloud: `+33639980001` → `+33 6 39 98 00 01`. What is no number is shown as it is. */
export function phoneNumber(e164: string): string {
  return phoneLibrary().parsePhoneNumberFromString(e164)?.formatInternational() ?? e164;
}

/** A whole or partial date: `1984`, `1984-05`, `1984-05-31`, or an instant. What is no date is shown as it is. */
export function date(value: string | number | undefined, language: Language): string {
  const time = toTime(value);
  if (time === undefined) return value === undefined ? "–" : String(value);
  const parts = typeof value === "string" ? value.split("T")[0]?.split("-").length : 3;
  const format = new Intl.DateTimeFormat(locales[language], {
    year: "numeric",
    ...(parts === 1 ? {} : { month: "long" }),
    ...(parts === 3 ? { day: "numeric" } : {}),
    timeZone: "UTC",
  });
  return firstOfMonth(format.format(time), language);
}

/** French writes the first day of a month as an ordinal, which `Intl` does not. */
function firstOfMonth(text: string, language: Language): string {
  return language === "fr" ? text.replace(/^1 /, "1er ") : text;
}

/** "3 minutes ago", from seconds. */
export function ago(seconds: number, language: Language, t: Dictionary): string {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 10) return t.time.now;
  const format = new Intl.RelativeTimeFormat(locales[language], { numeric: "always" });
  for (const [unit, size] of units) if (seconds >= size) return format.format(-Math.floor(seconds / size), unit);
  return t.time.seconds(Math.floor(seconds));
}

const units = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
] as const;

export function number(value: number, language: Language, digits = 0): string {
  return new Intl.NumberFormat(locales[language], { maximumFractionDigits: digits }).format(value);
}

/** The language's own name, in the page's language: `fr` → "French". An unknown code is shown as it is. */
export function languageName(code: string, language: Language): string {
  try {
    return new Intl.DisplayNames([locales[language]], { type: "language" }).of(code) ?? code;
  } catch {
    return code;
  }
}

function toTime(value: string | number | undefined): number | undefined {
  if (value === undefined || value === "") return undefined;
  const time = typeof value === "number" ? value : Date.parse(value);
  return Number.isFinite(time) && Math.abs(time) < 8.64e15 ? time : undefined;
}
