/** HTML as values: tagged templates that escape every interpolated string. The only door by which text becomes markup. */
import { raw, html as tag } from "hono/html";

/** Markup that is safe to send. */
export type Html = ReturnType<typeof raw>;

/** What may stand in a template. Strings are escaped; false, null and undefined render nothing. */
export type HtmlPart = Html | string | number | false | null | undefined | readonly HtmlPart[];

/** @example html`<p>${name}</p>` */
export function html(strings: TemplateStringsArray, ...parts: readonly HtmlPart[]): Html {
  return tag(strings, ...parts) as Html;
}

/** A sentence of the dictionary with markup where its parameter stands. @example sentence(t.view.updated, time(when)) */
export function sentence(words: (part: string) => string, part: Html): Html {
  const [before = "", after = ""] = words("\u0001").split("\u0001", 2);
  return html`${before}${part}${after}`;
}

/** Markup of our own that needs no escaping: file contents, generated SVG. Never given anything a person typed. */
export const trusted: (markup: string) => Html = (markup) => raw(markup);

/** Nothing. */
export const empty: Html = raw("");

/** A whole attribute when the condition holds, otherwise nothing. `name` is a literal of ours; the value is escaped. */
export function attribute(name: string, value: string | number | boolean | undefined): Html {
  if (value === undefined || value === false) return empty;
  return value === true ? trusted(` ${name}`) : html`${trusted(` ${name}`)}="${value}"`;
}
