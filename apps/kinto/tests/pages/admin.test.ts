/** The admin page in a real browser, against the running application: what an administrator does with it. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { type Browser, chromium, type Page } from "playwright-core";
import { durableStorage } from "../../../../scripts/test-stores.ts";
import { type Running, withKinto } from "../support/running.ts";

const settings = {
  includes: [
    ...["accounts", "admin", "default_bucket", "history"].map((name) => `kinto.plugins.${name}`),
    "kinto_attachment",
  ],
  "multiauth.policies": "account",
  account_create_principals: "system.Everyone",
  experimental_permissions_endpoint: true,
  experimental_collection_schema_validation: true,
};

let browser: Browser;

before(async () => {
  const app = new URL("../../", import.meta.url);
  if (!existsSync(new URL("dist/admin/index.html", app)))
    await promisify(execFile)(process.execPath, [new URL("scripts/build-admin.ts", app).pathname]);
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM_PATH ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
  });
});

after(() => browser.close());

const screenshots = new URL("../../../../.artefacts/screenshots/", import.meta.url);

async function onPage(running: Running, run: (page: Page) => Promise<void>): Promise<void> {
  await running.ask("PUT", "/accounts/bob", { body: { data: { password: "correct horse" } } });
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, locale: "en-GB" });
  context.setDefaultTimeout(10_000);
  try {
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (entry) => {
      if (entry.type() === "error") complaints.push(entry.text());
    });
    page.on("dialog", (dialog) => void dialog.accept());
    try {
      await run(page);
    } catch (error) {
      await shot(page, "failed");
      throw error;
    }
    assert.deepEqual(complaints, [], "what the browser complained about");
  } finally {
    await context.close();
  }
}

async function shot(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: new URL(`kinto-admin-${name}.png`, screenshots).pathname, fullPage: true });
}

async function signIn(page: Page, remote: string): Promise<void> {
  await page.goto(`${remote}/admin`);
  await page.getByText("Kinto Account Auth").click();
  await page.getByLabel("Username").fill("bob");
  await page.getByLabel("Password").fill("correct horse");
  await shot(page, "sign-in");
  // The last that a session is made of. When it arrives a form that is open is drawn anew, and empty.
  const permissions = page.waitForResponse(/\/v1\/permissions\?/);
  await page.getByRole("button", { name: /Sign in/ }).click();
  await page.getByText("Connected as account:bob").waitFor();
  await (await permissions).finished();
}

/** Notifications lie over the buttons of tables until they are closed. */
async function closeNotifications(page: Page): Promise<void> {
  const buttons = page.getByTitle("Dismiss");
  for (const button of (await buttons.all()).toReversed()) await button.click();
  await buttons.first().waitFor({ state: "detached" });
}

test("an administrator signs in, makes a bucket, a collection and a record, changes it, and removes all of it again", () =>
  withKinto(durableStorage, settings, async (running) => {
    const { remote, ask } = running;
    const records = async () =>
      (await ask("GET", "/buckets/zoo/collections/animals/records", { as: "bob:correct horse" })).body?.data;
    await onPage(running, async (page) => {
      await signIn(page, remote);
      await shot(page, "home");

      await page.getByRole("link", { name: "Create bucket" }).click();
      await page.getByLabel("Bucket id").fill("zoo");
      await page.getByRole("button", { name: "Create bucket" }).click();
      await page.getByText("Bucket created.").waitFor();

      await page.goto(`${remote}/admin/#/buckets/zoo/collections/create`);
      await page.getByLabel("Collection id").fill("animals");
      await page.getByRole("button", { name: "Create collection" }).click();
      await page.getByText("This collection has no records.").waitFor();
      await shot(page, "collection");

      await page.getByRole("link", { name: "Create record", exact: true }).first().click();
      await page.getByLabel("Title").fill("Elephant");
      await page.getByLabel("Content").fill("Large, and grey.");
      await page.getByRole("button", { name: "Create record" }).click();
      const row = page.getByRole("row", { name: /Elephant/ });
      await row.waitFor();
      await shot(page, "records");
      const [made] = await records();
      assert.deepEqual([made.title, made.content], ["Elephant", "Large, and grey."]);

      await closeNotifications(page);
      await row.getByTitle("Edit record").click();
      await page.getByLabel("Title").fill("Mouse");
      await shot(page, "record");
      await page.getByRole("button", { name: "Update record" }).click();
      await page.getByRole("row", { name: /Mouse/ }).waitFor();
      assert.equal((await records())[0].title, "Mouse");

      await page.getByRole("link", { name: "History" }).click();
      await page.getByRole("cell", { name: "update" }).first().waitFor();
      await shot(page, "history");
      await page.goto(`${remote}/admin/#/buckets/zoo/collections/animals/permissions`);
      await page.getByText("Permissions", { exact: true }).first().waitFor();
      await shot(page, "permissions");

      await page.goto(`${remote}/admin/#/buckets/zoo/collections/animals/records`);
      await closeNotifications(page);
      await page.getByRole("row", { name: /Mouse/ }).getByTitle("Delete record").click();
      await page.getByText("This collection has no records.").waitFor();
      assert.deepEqual(await records(), []);

      await page.goto(`${remote}/admin/#/buckets/zoo/attributes`);
      await page.locator(".border-danger input").fill("zoo");
      await page.getByRole("button", { name: "Delete bucket" }).click();
      await page.getByText("Bucket deleted.").waitFor();
      const { status } = await ask("GET", "/buckets/zoo", { as: "bob:correct horse" });
      assert.equal(status, 403);

      await closeNotifications(page);
      await page.getByText("Logout").click();
      await page.getByText("Authentication method").waitFor();
    });
  }));

test("an administrator attaches a picture to a record, sees it, and removes it", () =>
  withKinto(durableStorage, settings, async (running) => {
    const { remote, ask } = running;
    const as = "bob:correct horse";
    await onPage(running, async (page) => {
      await ask("PUT", "/buckets/zoo", { as });
      const schema = { type: "object", properties: { title: { type: "string", title: "Title" } } };
      const data = { attachment: { enabled: true }, schema, displayFields: ["title"] };
      await ask("PUT", "/buckets/zoo/collections/animals", { as, body: { data } });
      await signIn(page, remote);
      await page.goto(`${remote}/admin/#/buckets/zoo/collections/animals/records/create`);
      await page.getByLabel("Title").fill("Elephant");
      await page
        .locator("input[type=file]")
        .setInputFiles({ name: "elephant.png", mimeType: "image/png", buffer: png });
      await page.getByRole("button", { name: "Create record" }).click();
      const row = page.getByRole("row", { name: /Elephant/ });
      await row.waitFor();
      const [record] = (await ask("GET", "/buckets/zoo/collections/animals/records", { as })).body.data;
      assert.deepEqual([record.attachment.filename, record.attachment.size], ["elephant.png", png.length]);
      const link = await row.getByTitle("The record has an attachment").getAttribute("href");
      assert.equal((await page.request.get(new URL(link ?? "", remote).href)).headers()["content-type"], "image/png");

      await row.getByTitle("Edit record").click();
      const image = page.locator("img").last();
      await image.waitFor();
      assert.equal(await image.evaluate((element) => (element as unknown as { naturalWidth: number }).naturalWidth), 1);
      await shot(page, "attachment");
      await page.getByRole("button", { name: "Delete this attachment" }).click();
      await page.getByText("Attachment deleted.").first().waitFor();
      const { body } = await ask("GET", `/buckets/zoo/collections/animals/records/${record.id}`, { as });
      assert.equal(body.data.attachment, null);
    });
  }));

/** One pixel. */
const png = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);
