/** What people come for, each as they would do it in a browser: quickly, on a bad network, from two windows, with another phone. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { authenticator, launch, password, register, type Site, signIn, startSite, visit } from "./browser.ts";

let site: Site;
let browser: Browser;
before(async () => {
  [site, browser] = await Promise.all([startSite(), launch()]);
});
after(async () => {
  await browser?.close();
  await site?.[Symbol.asyncDispose]();
});

async function account(email: string): Promise<void> {
  await site.app.admin.createAccount({ email, phone: "+33639980042", password, language: "en", verified: true });
}

const save = (page: Page) => page.locator("main .actions button[value=save]").click();

test("a new person comes from registering to a card by answering one question after another", async () => {
  await using guest = await visit(browser, site.origin);
  const { page } = guest;
  const email = "nora@example.org";
  await register(page, site, email, "06 39 98 12 99");
  assert.equal(await page.inputValue("[name=email]"), email);
  await page.fill("[name=password]", password);
  await page.locator("main form button[type=submit]").click();
  await page.getByRole("link", { name: "Fill in the essentials" }).click();
  await page.waitForURL(/identity\?guide=1/);
  await page.getByLabel("Given names").fill("Nora");
  await save(page);
  await page.waitForURL(/allergies/);
  await page.getByText("I have allergies").click();
  await page.getByLabel("I am allergic to").fill("Latex");
  await save(page);
  for (const part of ["medications", "conditions", "devices"]) {
    await page.waitForURL(new RegExp(part));
    await page.locator("[value='none-known']").check();
    await save(page);
  }
  await page.waitForURL(/contacts/);
  await page.getByRole("link", { name: "Skip for now" }).click();
  await page.waitForURL(/\/me\/card/);
  await page.getByRole("button", { name: "Create my card" }).click();
  await page.getByText("Your card is ready").waitFor();
  await page.goto("/me");
  assert.match(
    await page.locator("main").innerText(),
    /Hello Nora[\s\S]*5 of 14 parts answered[\s\S]*Finish the essentials/,
  );
  assert.deepEqual(guest.complaints, []);
});

test("two windows: another part is saved, the same part is not overwritten unseen", async () => {
  const email = "olga@example.org";
  await account(email);
  await using guest = await visit(browser, site.origin);
  const first = guest.page;
  await signIn(first, email);
  const second = await guest.context.newPage();
  await first.goto("/me/profile/what_matters");
  await second.goto("/me/profile/identity");
  await first.fill("[name=what_matters]", "My dog");
  await save(first);
  await first.waitForURL(/done=saved/);
  await second.fill("[name=given_names]", "Olga");
  await save(second);
  await second.waitForURL(/done=saved/);
  await first.goto("/me/profile/what_matters");
  await second.goto("/me/profile/what_matters");
  await first.fill("[name=what_matters]", "My two dogs");
  await save(first);
  await first.waitForURL(/done=saved/);
  await second.fill("[name=what_matters]", "My cat");
  await save(second);
  await second.getByRole("heading", { name: "This part was changed meanwhile" }).waitFor();
  assert.equal(await second.evaluate("document.activeElement.id"), "summary");
  assert.match(await second.locator("main").innerText(), /Saved now\s+My two dogs/);
  assert.equal(await second.inputValue("[name=what_matters]"), "My cat");
  await second.getByRole("button", { name: "Save what is below instead" }).last().click();
  await second.waitForURL(/done=saved/);
  assert.match(await second.locator("main").innerText(), /My cat/);
});

test("answers are changed, confirmed and taken back", async () => {
  const email = "petra@example.org";
  await account(email);
  await using guest = await visit(browser, site.origin);
  const { page } = guest;
  await signIn(page, email);
  const edit = async (part: string, field: string, text: string) => {
    await page.goto(`/me/profile/${part}`);
    await page.fill(field, text);
    await save(page);
    await page.waitForURL(/done=saved/);
  };
  await edit("identity", "[name=given_names]", "Petra");
  await edit("identity", "[name=family_name]", "Moreau");
  await edit("identity", "[name=given_names]", "");
  assert.match(await page.locator("#part-identity").locator("..").innerText(), /Moreau/);
  assert.doesNotMatch(await page.locator("main").innerText(), /Petra/);
  await edit("what_matters", "[name=what_matters]", "My dog");
  await edit("what_matters", "[name=what_matters]", "");
  assert.doesNotMatch(await page.locator("main").innerText(), /My dog/);
  await page.goto("/me/profile/operations");
  await page.locator("[value='none-known']").check();
  await save(page);
  await page.waitForURL(/done=saved/);
  const form = { _csrf: (await page.locator("[name=_csrf]").first().getAttribute("value")) ?? "" };
  const answer = await guest.context.request.post("/me/profile/operations/confirm", { form });
  assert.match(answer.url(), /done=confirmed/);
  await page.goto("/me/rescuer-view");
  assert.match(await page.locator("#s-operations").locator("..").innerText(), /None known/);
});

test("a photo from a camera is made small enough, shown, and removed; without a script it is refused in words", async () => {
  const email = "pia@example.org";
  await account(email);
  await using guest = await visit(browser, site.origin);
  const { page } = guest;
  await signIn(page, email);
  await page.goto("/me/profile/identity");
  const camera = Buffer.from(String(await page.evaluate(noise)), "base64");
  assert.ok(camera.length > 400_000, `${camera.length} bytes`);
  const file = { name: "camera.png", mimeType: "image/png", buffer: camera };
  await page.setInputFiles("[name=photo]", file);
  await page.getByText("made smaller").waitFor();
  await save(page);
  await page.waitForURL(/done=saved/);
  await page.goto("/me/profile/identity");
  const photo = page.getByRole("img", { name: "Your photo now" });
  assert.match((await photo.getAttribute("src")) ?? "", /^data:image\/jpeg;base64,/);
  await page.goto("/me/rescuer-view");
  assert.equal(await page.evaluate("document.querySelector('.who img').naturalWidth > 0"), true);
  await page.goto("/me/profile/identity");
  await page.getByLabel("Remove the photo").check();
  await save(page);
  await page.waitForURL(/done=saved/);
  await page.goto("/me/profile/identity");
  assert.equal(await photo.count(), 0);
  assert.deepEqual(guest.complaints, []);

  const state = await guest.context.storageState();
  await using plain = await visit(browser, site.origin, { storageState: state, javaScriptEnabled: false });
  await plain.page.goto("/me/profile/identity");
  await plain.page.fill("[name=given_names]", "Pia");
  await plain.page.setInputFiles("[name=photo]", file);
  await save(plain.page);
  await plain.page.waitForSelector("#summary");
  assert.match(await plain.page.locator("#summary").innerText(), /This photo is too large/);
  assert.equal(await plain.page.inputValue("[name=given_names]"), "Pia");
});

/** A picture that does not compress, as base64. */
const noise = `(async () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [500, 300];
  const context = canvas.getContext("2d");
  const image = context.createImageData(500, 300);
  for (let at = 0; at < image.data.length; at += 65536) crypto.getRandomValues(image.data.subarray(at, at + 65536));
  for (let at = 3; at < image.data.length; at += 4) image.data[at] = 255;
  context.putImageData(image, 0, 0);
  return canvas.toDataURL("image/png").split(",")[1];
})()`;

test("who has a second factor types the password once, and comes in with a recovery code without the phone", async () => {
  const email = "quin@example.org";
  await account(email);
  await using guest = await visit(browser, site.origin);
  const { page } = guest;
  await signIn(page, email);
  await page.goto("/me/account");
  await page.getByRole("button", { name: "Switch on" }).click();
  const app = authenticator(await page.locator("main code").innerText());
  await page.fill("[name=code]", app.generate());
  await page.getByRole("button", { name: "Confirm" }).click();
  const recovery = await page.locator(".codes li").first().innerText();
  const fresh = async () => {
    const visitor = await visit(browser, site.origin, { javaScriptEnabled: false });
    await visitor.page.goto("/signin/?next=/me/card");
    await visitor.page.fill("[name=email]", email);
    await visitor.page.fill("[name=password]", password);
    await visitor.page.locator("main form button[type=submit]").click();
    assert.equal(await visitor.page.locator("[name=password]").count(), 0);
    return visitor;
  };
  await using withApp = await fresh();
  await withApp.page.fill("[name=totp]", app.generate({ timestamp: Date.now() + 30_000 }));
  await withApp.page.locator("main form button[type=submit]").click();
  await withApp.page.waitForURL(/\/me\/card/);
  for (const outcome of ["accepted", "used before"]) {
    await using without = await fresh();
    await without.page.getByText("I don’t have my phone").click();
    await without.page.fill("[name=recovery]", recovery);
    await without.page.locator("main form button[type=submit]").click();
    if (outcome === "accepted") await without.page.waitForURL(/\/me\/card/);
    else assert.match(await without.page.locator("#summary").innerText(), /This recovery code is not right/);
  }
});

test("number, address and devices are changed in the account; a device that is signed out is out", async () => {
  const email = "rita@example.org";
  await account(email);
  await using guest = await visit(browser, site.origin, { timezoneId: "Asia/Tokyo" });
  await using tablet = await visit(browser, site.origin);
  const { page } = guest;
  await signIn(page, email);
  await signIn(tablet.page, email);
  await page.goto("/me/account");
  await page.getByText("Change the number").click();
  await page.getByLabel("New mobile phone number").fill("06 39 98 77 88");
  await page.locator("form[action='/me/account/phone'] button").click();
  await page.getByText("+33 6 39 98 77 88").waitFor();
  await page.getByRole("button", { name: /^Sign out ?: Chrome/ }).click();
  await page.getByText("That device is signed out").waitFor();
  await tablet.page.goto("/me");
  // The pages remember a session for at most a minute; the API refuses it at once.
  await tablet.page.goto("/me/account");
  assert.equal(new URL(tablet.page.url()).pathname, "/signin/");
  await page.getByText("Change the address").click();
  await page.getByLabel("New e-mail address").fill("rita.new@example.org");
  await page.locator("[name=email_password]").fill(password);
  await page.getByRole("button", { name: "Continue" }).click();
  await page.waitForURL(/\/me\/account\/email/);
  await page.fill("[name=code]", await site.code("rita.new@example.org"));
  await page.getByRole("button", { name: "Confirm" }).click();
  await page.getByText("Your new address is confirmed").waitFor();
  assert.match(await page.locator("main").innerText(), /rita\.new@example\.org/);
  // Times are those of the person's own clock; the title keeps UTC.
  const time = page.locator("time[data-local]").first();
  const shown = await time.innerText();
  assert.doesNotMatch(shown, /UTC/);
  assert.match((await time.getAttribute("title")) ?? "", /UTC$/);
  const expected = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeStyle: "short", timeZone: "Asia/Tokyo" });
  assert.equal(shown, expected.format(new Date((await time.getAttribute("datetime")) ?? "")));
  await page.getByLabel("Current password").last().fill(password);
  await page.getByLabel("New password").fill("another calm otter swims");
  await page.getByRole("button", { name: "Change password" }).click();
  await page.waitForURL(/\/signin\//);
  assert.match(await page.locator("main").innerText(), /every device is signed out/);
});

test("a position waits for a network, says its age, and that it has arrived", async () => {
  const email = "sven@example.org";
  await account(email);
  await using guest = await visit(browser, site.origin, {
    permissions: ["geolocation"],
    geolocation: { latitude: 48.8566, longitude: 2.3522, accuracy: 12 },
  });
  const { page, context } = guest;
  await signIn(page, email);
  await page.goto("/me/position");
  await context.setOffline(true);
  await page.getByRole("button", { name: "Send my position now" }).click();
  const status = page.locator("[data-locate] [role=status]");
  await page.getByText(/No network yet\. Your position \(\d+ seconds? ago\)/).waitFor();
  assert.match(await status.innerText(), /Keep this page open/);
  await context.setOffline(false);
  await page.waitForURL(/done=positionSent/);
  assert.match(await page.locator("main").innerText(), /Your position has arrived[\s\S]*48\.85660, 2\.35220/);
  await page.getByRole("link", { name: "All positions that are kept" }).click();
  assert.match(await page.locator("main").innerText(), /48\.85660, 2\.35220[\s\S]*Will be deleted on/);
});
