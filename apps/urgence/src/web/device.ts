/** What a program calls itself, as words that its owner recognises: "Firefox on Android". */
import type { Dictionary } from "./i18n/dictionary.ts";

/** In this order: most browsers also claim to be those below them. */
const browsers = [
  [/\bEdgA?\/|\bEdgiOS\//, "Edge"],
  [/\bOPR\/|\bOPT\//, "Opera"],
  [/\bSamsungBrowser\//, "Samsung Internet"],
  [/\bFirefox\/|\bFxiOS\//, "Firefox"],
  [/\bChrome\/|\bCriOS\/|\bChromium\/|\bHeadlessChrome\//, "Chrome"],
  [/\bSafari\//, "Safari"],
] as const;

const systems = [
  [/\biPhone\b/, "iPhone"],
  [/\biPad\b/, "iPad"],
  [/\bAndroid\b/, "Android"],
  [/\bWindows\b/, "Windows"],
  [/\bMac OS X\b|\bMacintosh\b/, "Mac"],
  [/\bCrOS\b/, "ChromeOS"],
  [/\bLinux\b/, "Linux"],
] as const;

type Words = Pick<Dictionary["account"], "sessionApp" | "sessionUnknown" | "sessionOn">;

/** @param app true for a session of the API */
export function deviceName(client: string | undefined, app: boolean, words: Words): string {
  const [browser, system] = [find(browsers, client), find(systems, client)];
  if (browser !== undefined && system !== undefined) return words.sessionOn(browser, system);
  const own = client?.split(/[\s/(]/, 1)[0]?.slice(0, 40) ?? "";
  const named = browser ?? system ?? (app && own !== "" ? `${words.sessionApp} (${own})` : undefined);
  return named ?? (app ? words.sessionApp : words.sessionUnknown);
}

function find(known: readonly (readonly [RegExp, string])[], client = ""): string | undefined {
  return known.find(([pattern]) => pattern.test(client))?.[1];
}
