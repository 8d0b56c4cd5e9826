/** Every page for everybody: WCAG 2.2 AA in both languages, small screens, large text, keyboard alone, no script. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import {
  accessibilityFaults,
  authenticator,
  contrastFaults,
  launch,
  overflow,
  password,
  register,
  type Site,
  screenshot,
  signIn,
  startSite,
  unfold,
  visit,
} from "./browser.ts";

let site: Site;
let browser: Browser;
let totp: ReturnType<typeof authenticator>;
/** Sessions to start from: signing in costs a second of hashing. */
let ada: Awaited<ReturnType<Awaited<ReturnType<typeof visit>>["context"]["storageState"]>>;
let remi: typeof ada;

before(async () => {
  [site, browser] = await Promise.all([startSite(), launch()]);
  await using person = await visit(browser, site.origin);
  await register(person.page, site, "ada@example.org", "06 39 98 12 34");
  await signIn(person.page, "ada@example.org");
  await fill(person.page);
  ada = await person.context.storageState();
  await site.app.admin.createAccount({
    email: "remi@example.org",
    password,
    language: "en",
    roles: ["responder"],
    verified: true,
  });
  await using worker = await visit(browser, site.origin);
  await signIn(worker.page, "remi@example.org");
  await worker.page.goto("/me/account");
  await worker.page.locator("form[action='/me/account/mfa'] button").click();
  totp = authenticator(await worker.page.locator("main code").innerText());
  await worker.page.fill("[name=code]", totp.generate());
  await worker.page.locator("form[action='/me/account/mfa/confirm'] button").click();
  await worker.page.waitForSelector(".codes");
  remi = await worker.context.storageState();
});
after(async () => {
  await browser?.close();
  await site?.[Symbol.asyncDispose]();
});

/** A profile with something of everything that pages show differently. */
async function fill(page: Page): Promise<void> {
  await page.goto("/me/profile/allergies?add=1");
  await page.locator("[name='items.0.text']").fill("Penicillin");
  await page.locator("[name='items.0.severity']").selectOption("life-threatening");
  await save(page);
  await page.goto("/me/profile/operations");
  await page.locator("[value='none-known']").check();
  await save(page);
  await page.goto("/me/profile/contacts?add=1");
  await page.locator("[name='items.0.name']").fill("Charles");
  await page.locator("[name='items.0.phone']").fill("+33639980000");
  await save(page);
  await page.goto("/me/card");
  await page.locator("form[action='/me/card'] button").click();
  await page.goto("/me/position");
  await page.fill("[name=latitude]", "48.8566");
  await page.fill("[name=longitude]", "2.3522");
  await page.locator("form[action='/me/position'] button").click();
  await page.waitForURL(/done=positionSent/);
}

async function save(page: Page): Promise<void> {
  await page.locator("main .actions button[value=save]").click();
  await page.waitForURL(/done=saved/);
}

const openPages = [
  "/",
  "/signup/",
  "/signin/",
  "/confirm",
  "/forgot",
  "/reset",
  "/privacy",
  "/e/nothing-here",
  "/no-such-page",
];
const personPages = [
  "/me",
  "/me/profile",
  "/me/profile/identity",
  "/me/profile/what_matters",
  ...[
    "alerts",
    "allergies",
    "conditions",
    "medications",
    "devices",
    "blood_group",
    "pregnancy",
    "vaccinations",
    "operations",
    "disabilities",
    "directives",
    "contacts",
    "gp",
  ].map((section) => `/me/profile/${section}?add=1`),
  "/me/profile/allergies?guide=1",
  "/me/rescuer-view",
  "/me/import",
  "/me/card",
  "/me/position",
  "/me/positions",
  "/me/access-log",
  "/me/history",
  "/me/export",
  "/me/account",
  "/me/account/email",
  "/me/delete",
  "/responder",
];

for (const [language, colorScheme] of [
  ["en", "dark"],
  ["fr", "light"],
] as const) {
  test(`every page meets WCAG 2.2 AA and fits 360 pixels: ${language}, ${colorScheme}`, async () => {
    const { found, look } = looker(language, colorScheme);
    for (const [state, paths] of [
      [undefined, openPages],
      [ada, personPages],
      [remi, ["/responder", "/responder/lookup"]],
    ] as const) {
      await using guest = await visit(browser, site.origin, {
        colorScheme,
        ...(state === undefined ? {} : { storageState: state }),
      });
      for (const path of paths) {
        await guest.page.goto(`${path}${path.includes("?") ? "&" : "?"}lang=${language}`);
        await look(guest.page, path);
      }
      if (state === remi) {
        await lookUp(guest.page);
        await look(guest.page, "/emergency");
      }
      assert.deepEqual(guest.complaints, []);
    }
    assert.deepEqual(found, []);
  });
}

/** Looks at pages and collects what is wrong with them. */
function looker(language: string, colorScheme: string) {
  const found: string[] = [];
  const look = async (page: Page, name: string) => {
    await unfold(page);
    found.push(...(await accessibilityFaults(page)).map((fault) => `${name} ${fault}`));
    if ((await page.locator(".emergency").count()) > 0)
      found.push(...(await contrastFaults(page)).map((fault) => `${name} ${fault}`));
    const wider = await overflow(page);
    if (wider > 0) found.push(`${name} is ${wider} pixels too wide`);
    const lang = await page.locator("html").getAttribute("lang");
    if (lang !== language) found.push(`${name} says lang=${lang}`);
    await screenshot(page, `page${name.replace(/\W+/g, "-")}-${language}-${colorScheme}`);
  };
  return { found, look };
}

for (const [language, colorScheme, email] of [
  ["en", "light", "iris@example.org"],
  ["fr", "dark", "ines@example.org"],
] as const) {
  test(`so does every step in between: ${language}, ${colorScheme}`, async () => {
    await site.app.admin.createAccount({ email, phone: "+33639980055", password, language, verified: true });
    const { found, look } = looker(language, colorScheme);
    const acceptable = { colorScheme, locale: language === "fr" ? "fr-FR" : "en-GB" } as const;
    await using guest = await visit(browser, site.origin, acceptable);
    const { page } = guest;
    const submit = (action: string) => page.locator(`form[action='${action}'] button[type=submit]`).last().click();

    // A password is forgotten
    await page.goto("/forgot");
    await page.fill("[name=email]", email);
    await submit("/forgot");
    await page.waitForURL(/\/reset/);
    await page.fill("[name=code]", "ABCD-2345");
    await page.fill("[name=password]", "short");
    await submit("/reset");
    await page.waitForSelector("#summary");
    await look(page, "/reset-refused");
    await page.goto("/signin/");
    await page.fill("[name=email]", email);
    await page.fill("[name=password]", "wrong");
    await submit("/signin/");
    await page.waitForSelector("#summary");
    await look(page, "/signin-refused");

    // Refused forms of a signed-in person
    await signIn(page, email);
    await page.goto("/me/profile/contacts?add=1");
    await page.locator("[name='items.0.phone']").fill("12");
    await page.locator("main .actions button[value=save]").click();
    await page.waitForSelector("#summary");
    await look(page, "/contacts-refused");
    await page.goto("/me/account");
    await page.locator("form[action='/me/account/email']").locator("xpath=..").locator("summary").click();
    await page.fill("[name=new_email]", "no address");
    await submit("/me/account/email");
    await page.waitForSelector("#summary");
    await look(page, "/account-refused");

    // A part that changed meanwhile
    await page.goto("/me/profile/what_matters");
    const stale = await guest.context.newPage();
    await stale.goto("/me/profile/what_matters");
    for (const [window, text] of [
      [page, "My dog"],
      [stale, "My cat"],
    ] as const) {
      await window.fill("[name=what_matters]", text);
      await window.locator("main .actions button[value=save]").click();
      await window.waitForURL(window === page ? /done=saved/ : /what_matters/);
    }
    await stale.waitForSelector("#now");
    await look(stale, "/changed-meanwhile");
    await stale.close();

    // A document to import
    await page.goto("/me/import");
    const entry = { resource: { resourceType: "AllergyIntolerance", code: { text: "Peanut" } } };
    const bundle = {
      resourceType: "Bundle",
      type: "collection",
      entry: [entry, { resource: { resourceType: "Basic" } }],
    };
    const buffer = Buffer.from(JSON.stringify(bundle));
    await page.locator("[name=document]").setInputFiles({ name: "x.json", mimeType: "application/json", buffer });
    await submit("/me/import");
    await page.waitForSelector("#understood");
    await look(page, "/import-preview");

    // A card, and what strangers see of it
    await page.goto("/me/card");
    await submit("/me/card");
    await page.waitForURL(/cardReady/);
    const card = (await page.locator("a[href^='/e/']").getAttribute("href")) ?? "";
    await using stranger = await visit(browser, site.origin, acceptable);
    await stranger.page.goto(card);
    await look(stranger.page, "/public-card");

    // The second factor: setting up, recovery codes, the second step
    await page.goto("/me/account");
    await submit("/me/account/mfa");
    await page.waitForSelector("[name=code]");
    await look(page, "/mfa-enrolment");
    const app = authenticator(await page.locator("main code").innerText());
    await page.fill("[name=code]", app.generate());
    await submit("/me/account/mfa/confirm");
    await page.waitForSelector(".codes");
    await look(page, "/mfa-recovery-codes");
    await page.goto("/me/account");
    await look(page, "/account-with-mfa");
    await page.goto("/me/delete");
    await look(page, "/delete-with-mfa");
    await stranger.page.goto("/signin/");
    await stranger.page.fill("[name=email]", email);
    await stranger.page.fill("[name=password]", password);
    await stranger.page.locator("main form button[type=submit]").click();
    await stranger.page.waitForSelector("[name=step]", { state: "attached" });
    await look(stranger.page, "/second-step");

    for (const { complaints } of [guest, stranger]) assert.deepEqual(complaints, []);
    assert.deepEqual(found, []);
  });
}

async function lookUp(page: Page): Promise<void> {
  await page.fill("[name=identifier]", "+33639981234");
  await page.fill("[name=incident]", "2026-0042");
  await page.locator("form[action='/responder/lookup'] button[type=submit]").click();
  await page.waitForSelector(".emergency");
}

test("a full emergency view has its red band on the first screen, and prints on one A5 page", async () => {
  const email = "grace@example.org";
  await site.app.admin.createAccount({ email, phone: "+33639980042", password, language: "en", verified: true });
  const api = async (method: string, path: string, body: object, token?: string) => {
    const headers = {
      "content-type": "application/json",
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    };
    const response = await fetch(`${site.origin}${path}`, { method, headers, body: JSON.stringify(body) });
    assert.ok(response.ok, `${path} answers ${response.status}: ${await response.clone().text()}`);
    return (await response.json()) as { access_token?: string };
  };
  const { access_token: token } = await api("POST", "/v1/sessions", { email, password });
  await api("PUT", "/v1/me/profile", { data: fullProfile }, token);
  await api(
    "POST",
    "/v1/me/positions",
    { data: { coordinates: [2.3522, 48.8566], accuracy: 12, source: "gnss" } },
    token,
  );
  for (const language of ["en", "fr"]) {
    await using guest = await visit(browser, site.origin, { storageState: remi });
    const { page } = guest;
    await page.goto(`/responder/lookup?lang=${language}`);
    await page.fill("[name=identifier]", "+33639980042");
    await page.fill("[name=incident]", "2026-0043");
    await page.locator("form[action='/responder/lookup'] button[type=submit]").click();
    const band = await page.locator(".band").boundingBox();
    assert.ok(band !== null && band.y + band.height <= 740, `the red band ends at ${band && band.y + band.height}`);
    const pdf = await page.pdf({ format: "A5" });
    assert.equal(pdf.toString("latin1").match(/\/Type\s*\/Page\b(?!s)/g)?.length, 1, language);
    await screenshot(page, `page-emergency-full-${language}`);
  }
});

const listed = (...items: readonly object[]) => ({ statement: "listed", items });
const fullProfile = {
  identity: {
    given_names: "Grace",
    family_name: "Lambert",
    birth_date: "1984-05-31",
    sex: "female",
    languages: ["fr", "en"],
  },
  allergies: listed(
    { text: "Penicillin", severity: "life-threatening", reaction: "Anaphylactic shock in 2019" },
    { text: "Latex", severity: "mild", reaction: "Rash" },
  ),
  medications: listed(
    { text: "Apixaban", dose: "5 mg", frequency: "twice a day", anticoagulant: true },
    { text: "Hydrocortisone", dose: "20 mg", frequency: "every morning" },
  ),
  conditions: listed({ text: "Addison's disease", since: "2011" }, { text: "Atrial fibrillation", since: "2020-03" }),
  devices: listed({ kind: "pacemaker", text: "Pacemaker", model: "Azure", mri_safety: "conditional", since: "2021" }),
  blood_group: listed({ abo: "O", rhesus: "negative" }),
  operations: { statement: "none-known", items: [] },
  disabilities: { statement: "declined", items: [] },
  directives: listed({
    kind: "refuses-transfusion",
    text: "I refuse blood transfusion",
    location: "Paper in the wallet",
  }),
  contacts: listed(
    { name: "Charles Lambert", relation: "husband", phone: "+33639981234" },
    { name: "Mary Byron", relation: "sister", phone: "+447700900123" },
  ),
  gp: listed({ name: "Dr Somerville", phone: "+33199001234" }),
  what_matters: "I panic in closed rooms. My dog Turing is at home alone.",
};

test("a form that is refused says why, at its fields, and loses nothing", async () => {
  await using guest = await visit(browser, site.origin);
  const { page } = guest;
  await page.goto("/signup/");
  await page.fill("[name=email]", "not an address");
  await page.fill("[name=phone]", "12");
  await page.fill("[name=password]", "short");
  await page.locator("main form button").click();
  await page.waitForSelector("#summary");
  assert.equal(await page.evaluate("document.activeElement.id"), "summary");
  assert.equal(await page.locator("#summary li a").count(), 3);
  assert.equal(await page.locator("[aria-invalid=true]").count(), 3);
  assert.equal(await page.inputValue("[name=email]"), "not an address");
  assert.equal(await page.inputValue("[name=password]"), "");
  assert.match(await page.title(), /^Error: /);
  assert.deepEqual(await accessibilityFaults(page), []);
});

test("pages fit at twice the size: as a zoom of the browser, and as larger text alone", async () => {
  const paths = ["/", "/me", "/me/profile", "/me/profile/allergies", "/me/rescuer-view", "/me/card", "/me/account"];
  await using zoomed = await visit(browser, site.origin, { storageState: ada, viewport: { width: 320, height: 400 } });
  await using large = await visit(browser, site.origin, { storageState: ada, viewport: { width: 640, height: 800 } });
  const found: string[] = [];
  for (const path of paths) {
    await zoomed.page.goto(path);
    if ((await overflow(zoomed.page)) > 0) found.push(`${path} zoomed by ${await overflow(zoomed.page)}`);
    await large.page.goto(path);
    await large.page.evaluate("document.documentElement.style.fontSize = '225%'");
    if ((await overflow(large.page)) > 0) found.push(`${path} large text by ${await overflow(large.page)}`);
  }
  assert.deepEqual(found, []);
});

test("sign-in and lookup need no more than a keyboard", async () => {
  await using guest = await visit(browser, site.origin, { viewport: { width: 1280, height: 800 } });
  const { page } = guest;
  await page.goto("/signin/?next=/responder/lookup");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate("document.activeElement.className"), "skip");
  await page.keyboard.press("Enter");
  await tabTo(page, "email");
  await page.keyboard.type("remi@example.org");
  await tabTo(page, "password");
  await page.keyboard.type(password);
  await tabTo(page, "totp");
  await page.keyboard.type(totp.generate({ timestamp: Date.now() + 30_000 }));
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => url.pathname === "/responder/lookup");
  await tabTo(page, "identifier");
  await page.keyboard.type("06 39 98 12 34");
  await tabTo(page, "incident");
  await page.keyboard.type("2026-0042");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".emergency");
  assert.match(await page.locator("main").innerText(), /Penicillin/);
});

async function tabTo(page: Page, name: string): Promise<void> {
  if ((await page.evaluate("document.activeElement.name")) === name) return;
  for (let presses = 0; presses < 30; presses++) {
    await page.keyboard.press("Tab");
    if ((await page.evaluate("document.activeElement.name")) === name) return;
  }
  assert.fail(`${name} cannot be reached with the tab key`);
}

test("everything works without a script", async () => {
  await using guest = await visit(browser, site.origin, { storageState: ada, javaScriptEnabled: false });
  const { page } = guest;
  await page.goto("/me/profile/conditions?add=1");
  await page.locator("[name='items.0.text']").fill("Asthma");
  await page.locator("button[value=add]").click();
  await page.locator("[name='items.1.text']").fill("Not this one");
  await page.locator("button[value='remove-1']").click();
  assert.equal(await page.locator("[name='items.0.text']").inputValue(), "Asthma");
  assert.equal(await page.locator("[name='items.1.text']").count(), 0);
  await save(page);
  assert.match(await page.locator("#part-conditions").locator("..").innerText(), /Asthma/);
  await page.goto("/me/position?lang=en");
  assert.equal(await page.locator("[data-locate]").isVisible(), false);
  await page.fill("[name=latitude]", "45,75");
  await page.fill("[name=longitude]", "4,85");
  await page.locator("form[action='/me/position'] button").click();
  await page.waitForURL(/done=positionSent/);
  assert.match(await page.locator("main").innerText(), /45\.75000, 4\.85000[\s\S]*entered by hand/);
});

test("unsaved changes are not lost by a careless tap", async () => {
  await using guest = await visit(browser, site.origin, { storageState: ada });
  const { page } = guest;
  await page.goto("/me/profile/what_matters");
  await page.fill("[name=what_matters]", "My dog is at home alone");
  const asked = page.waitForEvent("dialog");
  const leaving = page.locator("main .back a").click({ noWaitAfter: true });
  const dialog = await asked;
  assert.equal(dialog.type(), "beforeunload");
  await dialog.dismiss();
  await leaving;
  assert.equal(await page.inputValue("[name=what_matters]"), "My dog is at home alone");
});

test("all script of a page is under 20 KB", async () => {
  await using guest = await visit(browser, site.origin, { storageState: ada });
  let bytes = 0;
  guest.page.on("response", async (response) => {
    if (response.request().resourceType() === "script") bytes += Number(response.headers()["content-length"] ?? 1e9);
  });
  await guest.page.goto("/me/profile/allergies", { waitUntil: "networkidle" });
  assert.ok(bytes > 0 && bytes < 20_000, `${bytes} bytes`);
});
