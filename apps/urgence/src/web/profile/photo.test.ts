import assert from "node:assert/strict";
import { test } from "node:test";
import { testSite } from "../testing.ts";

const png = Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), Buffer.alloc(100)]);

function upload(bytes: Uint8Array, name: string, fields: Record<string, string> = {}): FormData {
  const form = new FormData();
  for (const [field, value] of Object.entries({ given_names: "Ada", ...fields })) form.set(field, value);
  form.set("photo", new Blob([new Uint8Array(bytes)]), name);
  return form;
}

for (const [type, start] of [
  ["jpeg", "ffd8ffe0"],
  ["png", "89504e470d0a1a0a"],
  ["webp", `52494646${"00000000"}57454250`],
] as const) {
  test(`a ${type} is recognised by its content, stored, shown, and can be removed`, async () => {
    await using site = await testSite();
    const bytes = Buffer.concat([Buffer.from(start, "hex"), Buffer.alloc(50)]);
    assert.equal((await site.save("identity", upload(bytes, "wrong-name.txt"))).status, 303);
    const stored = `data:image/${type};base64,${bytes.toString("base64")}`;
    assert.equal(site.api.profile?.identity.photo, stored);
    assert.ok((await site.get("/me/profile/identity")).text.includes(`<img src="${stored}" alt="Your photo now"`));
    await site.save("identity", { given_names: "Ada L." });
    assert.equal(site.api.profile?.identity.photo, stored, "a save without a file keeps the photo");
    await site.save("identity", { given_names: "Ada", photo_remove: "on" });
    assert.equal(site.api.profile?.identity.photo, undefined);
  });
}

for (const [what, bytes, words] of [
  ["too large", Buffer.concat([png, Buffer.alloc(100 * 1024)]), /This photo is too large: 100 KB at most/],
  ["no photo", Buffer.from("GIF89a and more"), /Choose a photo \(JPEG, PNG or WebP\)/],
  ["a script in disguise", Buffer.from("<svg onload=alert(1)>"), /Choose a photo/],
] as const) {
  test(`a file that is ${what} is refused at its field, and what was typed stays`, async () => {
    await using site = await testSite();
    const { status, text } = await site.save("identity", upload(bytes, "photo.png", { given_names: "Augusta" }));
    assert.equal(status, 400);
    assert.match(text, words);
    assert.match(text, /href="#f-photo"/);
    assert.match(text, /value="Augusta"/);
    assert.equal(site.api.profile, undefined);
  });
}

test("a photo survives a form that is refused for something else; so does its removal", async () => {
  await using site = await testSite();
  site.api.answers.set("PUT /v1/me/profile", {
    status: 400,
    body: { details: [{ name: "data.identity.birth_date", code: "pattern", description: "" }] },
  });
  const refused = await site.save("identity", upload(png, "me.png", { birth_date: "31/05/84" }));
  assert.equal(refused.status, 400);
  const kept = /name="photo_kept" value="([^"]+)"/.exec(refused.text)?.[1] ?? "";
  assert.match(kept, /^data:image\/png;base64,/);
  site.api.answers.clear();
  await site.save("identity", { given_names: "Ada", photo_kept: kept });
  assert.equal(site.api.profile?.identity.photo, kept);
  await site.save("identity", { given_names: "Ada", photo_kept: "" });
  assert.equal(site.api.profile?.identity.photo, undefined);
});
