/** The started application and a browser for the tests of the pages: one of each a file, one context a test. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { TOTP } from "otpauth";
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import PostalMime from "postal-mime";
import { listen } from "rouage/runtime/node";
import { anyStorage, testStore } from "../../../../scripts/test-stores.ts";
import { startUrgence, type Urgence } from "../../src/app.ts";
import { readUrgenceSettings } from "../../src/settings.ts";

export interface Site extends AsyncDisposable {
  readonly origin: string;
  readonly app: Urgence;
  /** The newest code mailed to this address that was not handed out before. */
  code(address: string): Promise<string>;
}

/** Urgence behind a port and on a store of its own, with its mails in a folder. */
export async function startSite(): Promise<Site> {
  await using undo = new AsyncDisposableStack();
  const mails = await mkdtemp(join(tmpdir(), "urgence-mails-"));
  undo.defer(() => rm(mails, { recursive: true, force: true }));
  const store = undo.use(await testStore(anyStorage, join(mails, "store")));
  const settings = readUrgenceSettings(
    {},
    {
      storage: store.url,
      data_folder: join(mails, "data"),
      mail: `file:${mails}`,
      log_level: "silent",
      demo: false,
      port: 0,
    },
  );
  const app = undo.use(await startUrgence(settings));
  const server = undo.use(await listen(app.door));
  const close = undo.move();
  const used = new Set<string>();
  return {
    origin: `http://localhost:${server.port}`,
    app,
    code: (address) => until(`a code for ${address}`, () => findCode(mails, address, used)),
    [Symbol.asyncDispose]: () => close.disposeAsync(),
  };
}

async function findCode(folder: string, address: string, used: Set<string>): Promise<string | undefined> {
  for (const name of (await readdir(folder))
    .filter((file) => file.endsWith(".eml"))
    .sort()
    .reverse()) {
    if (used.has(name)) continue;
    const mail = await PostalMime.parse(await readFile(join(folder, name)));
    if (mail.to?.[0]?.address !== address) continue;
    const code = /(?<![\w-])([A-Z0-9]{4}-[A-Z0-9]{4}|\d{6,8})(?![\w-])/.exec(mail.text ?? "")?.[1];
    if (code === undefined) continue;
    used.add(name);
    return code;
  }
  return undefined;
}

/** Waits for a value, looking again and again. */
export async function until<T>(what: string, look: () => Promise<T | undefined>, timeoutMs = 10_000): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await look();
    if (value !== undefined) return value;
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await delay(25);
  }
}

/** The authenticator app of an account. */
export function authenticator(secret: string): TOTP {
  return new TOTP({ secret: secret.replace(/\s/g, ""), algorithm: "SHA1", digits: 6, period: 30 });
}

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM_PATH ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

export interface Visit extends AsyncDisposable {
  readonly context: BrowserContext;
  readonly page: Page;
  /** What the browser complained about: script errors, refused by the content security policy, missing files. */
  readonly complaints: readonly string[];
}

export async function visit(browser: Browser, origin: string, options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext({
    baseURL: origin,
    viewport: { width: 360, height: 740 },
    locale: "en-GB",
    ...options,
  });
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (entry) => {
    // A form that is shown again has an error status; that is not a fault of the page.
    if (entry.type() === "error" && !/status of 4\d\d/.test(entry.text())) complaints.push(entry.text());
  });
  return { context, page, complaints, [Symbol.asyncDispose]: () => context.close() };
}

const axePath = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** What axe-core finds wrong by WCAG 2.2 A and AA, one line a rule and place. */
export function accessibilityFaults(page: Page): Promise<readonly string[]> {
  return axe(page, ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "html");
}

/** Places in the emergency view whose contrast is below AAA (7:1, large text 4.5:1). */
export function contrastFaults(page: Page): Promise<readonly string[]> {
  return axe(page, ["color-contrast-enhanced"], ".emergency");
}

async function axe(page: Page, runOnly: readonly string[], root: string): Promise<readonly string[]> {
  await page.evaluate(await readFile(axePath, "utf8"));
  return page.evaluate(
    async ([rules, place]) => {
      const { axe } = globalThis as unknown as { axe: { run(root: unknown, options: object): Promise<AxeResult> } };
      const { violations } = await axe.run(place, { runOnly: rules });
      return violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(" ")}`));
    },
    [runOnly, root] as const,
  );
}

interface AxeResult {
  readonly violations: readonly {
    readonly id: string;
    readonly nodes: readonly { readonly target: readonly string[] }[];
  }[];
}

/** Opens everything that is folded away, so that it is looked at too. */
export async function unfold(page: Page): Promise<void> {
  await page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true");
}

/** By how many pixels the page is wider than the window. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate("document.documentElement.scrollWidth - window.innerWidth") as Promise<number>;
}

const screenshots = new URL("../../../../.artefacts/screenshots/", import.meta.url);

export async function screenshot(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: new URL(`${name}.png`, screenshots).pathname, fullPage: true });
}

export const password = "a very calm otter swims";

/** Registers through the pages and confirms with the mailed code. Ends at the sign-in page. */
export async function register(page: Page, site: Site, email: string, phone: string): Promise<void> {
  await page.goto("/signup/");
  await page.getByLabel(/^E-mail|^Adresse e-mail/).fill(email);
  await page.getByLabel(/phone number|téléphone/).fill(phone);
  await page.getByLabel(/^Password|^Mot de passe/).fill(password);
  await page.locator("main form button[type=submit]").click();
  await page.waitForSelector("[name=code]");
  await page.fill("[name=code]", await site.code(email));
  await page.locator("form[action='/confirm'] button").click();
  await page.waitForURL(/\/signin\//);
}

export async function signIn(page: Page, email: string, totp?: string): Promise<void> {
  await page.goto(totp === undefined ? "/signin/" : "/signin/?next=/responder/lookup");
  await page.fill("[name=email]", email);
  await page.fill("[name=password]", password);
  if (totp !== undefined) await page.fill("[name=totp]", totp);
  await page.locator("main form button[type=submit]").click();
  await page.waitForURL((url) => !url.pathname.startsWith("/signin"));
}
