/** The whole story through the pages, in a real browser over the started application: a person, a responder, and the end. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import {
  authenticator,
  launch,
  overflow,
  password,
  register,
  type Site,
  screenshot,
  signIn,
  startSite,
  visit,
} from "./browser.ts";

let site: Site;
let browser: Browser;
before(async () => {
  [site, browser] = await Promise.all([startSite(), launch()]);
});
after(async () => {
  await browser?.close();
  await site?.[Symbol.asyncDispose]();
});

test("a person registers, fills the profile, is found by a responder, sees who looked, and takes everything away", async () => {
  const email = "ada@example.org";
  await using ada = await visit(browser, site.origin, {
    permissions: ["geolocation"],
    geolocation: { latitude: 48.8566, longitude: 2.3522, accuracy: 12 },
  });
  const { page } = ada;

  await page.goto("/");
  await page.getByRole("link", { name: "Create my profile" }).click();
  await register(page, site, email, "06 39 98 12 34");
  await signIn(page, email);
  assert.equal(new URL(page.url()).pathname, "/me");
  assert.match(await page.locator("main").innerText(), /0 of 14 parts answered/);

  // The profile
  await page.goto("/me/profile/identity");
  await page.getByLabel("Given names").fill("Ada");
  await page.getByLabel("Family name").fill("Lambert");
  await page.getByLabel("Date of birth", { exact: true }).fill("1984-05-31");
  await page.getByLabel("Sex").selectOption("female");
  await page.getByLabel("Languages I speak").fill("fr, en");
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForURL(/done=saved/);

  await page.getByRole("link", { name: /^Answer.*Allergies/ }).click();
  await page.getByText("I have allergies").click();
  await page.getByLabel("I am allergic to").fill("Penicillin <b>&'\"");
  await page.getByLabel(/How badly/).selectOption("life-threatening");
  await page.getByRole("button", { name: "Add another" }).click();
  await page.getByLabel("I am allergic to").nth(1).fill("Latex");
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForURL(/done=saved/);
  assert.match(await page.locator("#part-allergies").locator("..").innerText(), /Penicillin <b>&'"\s+Latex/);

  await page.goto("/me/profile/medications");
  await page.getByText("I take medicines").click();
  await page.getByLabel("Medicine", { exact: true }).fill("Apixaban");
  await page.getByLabel(/thins the blood/).check();
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForURL(/done=saved/);

  await page.goto("/me/profile/operations");
  await page.getByText("No operations").click();
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForURL(/done=saved/);

  await page.goto("/me/profile/contacts");
  await page.getByText("I have people to call").click();
  await page.getByLabel("Name").fill("Charles");
  await page.getByLabel(/^Phone/).fill("06 39 98 00 00");
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForURL(/done=saved/);

  await page.goto("/me/rescuer-view");
  assert.match(await page.locator(".band").innerText(), /Penicillin <b>&'"[\s\S]*Apixaban/);
  assert.match(await page.locator("#s-operations").locator("..").innerText(), /None known/);
  assert.match(await page.locator("#s-unanswered").locator("..").innerText(), /No information[\s\S]*Vaccinations/);

  // The card
  await page.goto("/me/card");
  await page.getByRole("button", { name: "Create my card" }).click();
  await page.waitForURL(/done=cardReady/);
  assert.equal(await page.getByRole("img", { name: /QR code/ }).count(), 1);
  const card = (await page.locator("a[href^='/e/']").getAttribute("href")) ?? "";
  await using stranger = await visit(browser, site.origin);
  await stranger.page.goto(card);
  assert.match(await stranger.page.locator("main").innerText(), /Penicillin/);
  assert.doesNotMatch(await stranger.page.content(), /Lambert/);
  const asClient = await fetch(`${site.origin}${card}`, { headers: { accept: "application/json" } });
  assert.equal(asClient.status, 200);
  assert.match(asClient.headers.get("content-type") ?? "", /^application\/json/);

  // The position
  await page.goto("/me/position");
  await page.getByRole("button", { name: "Send my position now" }).click();
  await page.waitForURL(/done=positionSent/);
  assert.match(await page.locator("main").innerText(), /48\.85660, 2\.35220[\s\S]*within 12 m/);

  // The responder
  const responder = await site.app.admin.createAccount({
    email: "remi@example.org",
    password,
    language: "en",
    roles: ["responder"],
    site: { id: "samu-75", name: "SAMU 75" },
    verified: true,
  });
  assert.ok(responder);
  await using remi = await visit(browser, site.origin);
  const work = remi.page;
  await signIn(work, "remi@example.org");
  assert.equal(new URL(work.url()).pathname, "/me/account");
  assert.equal((await work.goto("/responder/lookup"))?.status(), 403);
  await work.goto("/me/account");
  await work.getByRole("button", { name: "Switch on" }).click();
  const secret = (await work.locator("code").innerText()).trim();
  const totp = authenticator(secret);
  await work.fill("[name=code]", totp.generate());
  await work.getByRole("button", { name: "Confirm" }).click();
  await work.waitForSelector(".codes");
  assert.ok((await work.locator(".codes li").count()) >= 8);
  await work.getByRole("button", { name: "Sign out" }).click();
  await work.waitForURL(/\/signin\//);
  await signIn(work, "remi@example.org", totp.generate({ timestamp: Date.now() + 30_000 }));
  assert.equal(new URL(work.url()).pathname, "/responder/lookup");

  await work.getByLabel("Phone number or card").fill("06 39 98 12 34");
  await work.getByLabel("Incident number").fill("2026-0042");
  await work.getByRole("button", { name: "Show" }).click();
  await work.waitForSelector(".band");
  const band = await work.locator(".band").boundingBox();
  assert.ok(band !== null && band.y >= 0 && band.y + band.height <= 740, "the red band stands on the first screen");
  assert.equal(await overflow(work), 0);
  const view = await work.locator("main").innerText();
  for (const fact of [/Ada Lambert/, /Penicillin/, /Apixaban/, /48\.85660/, /No information/, /None known/, /Charles/])
    assert.match(view, fact);
  assert.equal(await work.locator("a[href='tel:+33639980000']").count(), 1);
  assert.equal(await work.locator("a[href^='geo:48.8566']").count(), 1);
  await screenshot(work, "story-emergency");
  await work.goto("/responder");
  assert.match(await work.locator("main").innerText(), /2026-0042/);

  // Who looked
  await page.goto("/me/access-log");
  const log = await page.locator("main").innerText();
  assert.match(log, /Looked up by a rescuer[\s\S]*SAMU 75[\s\S]*2026-0042/);
  assert.match(log, /Card opened/);
  await page.goto("/me/history");
  assert.match(await page.locator("main").innerText(), /Allergies[\s\S]*Added: Penicillin/);

  // Export
  await page.goto("/me/export");
  const downloading = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download my data" }).click();
  const download = await downloading;
  assert.match(download.suggestedFilename(), /^urgence-\d{4}-\d\d-\d\d\.json$/);
  const everything = await readFile(await download.path(), "utf8");
  for (const part of ["Penicillin", "48.8566", "2026-0042"])
    assert.ok(everything.includes(part), `${part} is exported`);

  // The end
  await page.goto("/me/delete");
  await page.getByLabel("Your password, to be sure it is you").fill(password);
  await page.locator("[name=confirm_account]").check();
  await page.getByRole("button", { name: "Delete everything" }).click();
  await page.waitForSelector(".receipt");
  assert.match(await page.locator("main").innerText(), /Everything is deleted[\s\S]*Medical profile/);
  await screenshot(page, "story-receipt");
  await page.goto("/me");
  assert.equal(new URL(page.url()).pathname, "/signin/");
  await work.goto("/responder/lookup");
  await work.getByLabel("Phone number or card").fill("06 39 98 12 34");
  await work.getByLabel("Incident number").fill("2026-0042");
  await work.getByRole("button", { name: "Show" }).click();
  await work.waitForSelector("#summary");
  assert.match(await work.locator("#summary").innerText(), /Nobody was found/);

  for (const { complaints } of [ada, remi, stranger]) assert.deepEqual(complaints, []);
});

test("a patient summary is imported: first what it says, then into the profile", async () => {
  const email = "joan@example.org";
  await site.app.admin.createAccount({ email, phone: "+33639980077", password, language: "en", verified: true });
  await using joan = await visit(browser, site.origin);
  const { page } = joan;
  await signIn(page, email);
  await page.goto("/me/import");
  await page
    .getByLabel("Document (.json)")
    .setInputFiles({ name: "x.json", mimeType: "application/json", buffer: Buffer.from("no json") });
  await page.getByRole("button", { name: "Show what it contains" }).click();
  assert.match(await page.locator("#summary").innerText(), /not a patient summary/);
  const resource = (code: string, filler: string) => ({
    resource: {
      resourceType: "AllergyIntolerance",
      clinicalStatus: {
        coding: [{ system: "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", code: "active" }],
      },
      code: { text: code },
      extension: [{ url: "http://example.org/filler", valueString: filler }],
    },
  });
  const bundle = {
    resourceType: "Bundle",
    type: "collection",
    entry: [resource("Peanut", "é&+%".repeat(20_000)), { resource: { resourceType: "Basic", id: "b" } }],
  };
  await page
    .getByLabel("Document (.json)")
    .setInputFiles({ name: "ips.json", mimeType: "application/json", buffer: Buffer.from(JSON.stringify(bundle)) });
  await page.getByRole("button", { name: "Show what it contains" }).click();
  await page.waitForSelector("#understood");
  assert.match(await page.locator("main").innerText(), /Peanut[\s\S]*Not understood[\s\S]*Basic/);
  await page.getByRole("button", { name: "Save into my profile" }).click();
  await page.waitForURL(/done=imported/);
  assert.match(await page.locator("#part-allergies").locator("..").innerText(), /Peanut/);
  assert.deepEqual(joan.complaints, []);
});
