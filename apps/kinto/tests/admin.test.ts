/** What is served at `/admin/`: the files of the page, their headers, another build, and what to do where there is none. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { anyStorage } from "../../../scripts/test-stores.ts";
import { withKinto } from "./support/running.ts";

async function withBuild(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "kinto-admin-"));
  try {
    await mkdir(join(folder, "assets"));
    await writeFile(join(folder, "index.html"), "<!doctype html><title>another</title>");
    await writeFile(join(folder, "assets", "index-BxX3z_1q.js"), "alert(1);".repeat(1000));
    await writeFile(join(folder, "assets", "logo.png"), "png");
    await run(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test("another build of the page is served from its folder, and nothing from beside it", () =>
  withBuild((folder) =>
    withKinto(anyStorage, { includes: "kinto.plugins.admin", admin_assets_path: folder }, async ({ kinto, ask }) => {
      const get = (path: string, headers: Readonly<Record<string, string>> = {}, method = "GET") =>
        kinto.fetch(new Request(`http://kinto.test${path}`, { method, headers, redirect: "manual" }));
      const redirect = await get("/v1/admin");
      assert.deepEqual([redirect.status, redirect.headers.get("location")], [307, "/v1/admin/"]);
      const page = await get("/v1/admin/");
      assert.match(await page.text(), /another/);
      assert.equal(page.headers.get("content-type"), "text/html; charset=utf-8");
      assert.equal(page.headers.get("cache-control"), "no-cache");
      assert.equal((await get("/v1/admin/", { "if-none-match": page.headers.get("etag") ?? "" })).status, 304);

      const script = await get("/v1/admin/assets/index-BxX3z_1q.js", { "accept-encoding": "br, gzip" });
      assert.equal(script.headers.get("cache-control"), "public, max-age=31536000, immutable");
      assert.equal(script.headers.get("content-encoding"), "gzip");
      assert.equal(script.headers.get("vary"), "Accept-Encoding");
      assert.equal(gunzipSync(await script.arrayBuffer()).toString().length, 9000);
      const plain = await get("/v1/admin/assets/index-BxX3z_1q.js", { "accept-encoding": "gzip;q=0" });
      assert.equal((await plain.text()).length, 9000);
      assert.equal((await get("/v1/admin/assets/logo.png")).headers.get("cache-control"), "no-cache");
      assert.equal((await get("/v1/admin/", {}, "HEAD")).status, 200);
      for (const path of ["none.js", "assets", "..%2f..%2fpackage.json", "assets/..%2findex.html", "__proto__"])
        assert.equal((await get(`/v1/admin/${path}`)).status, 404, path);
      assert.equal(
        (await ask("GET", "/")).body.capabilities.admin.version,
        undefined,
        "whose version is not ours to say",
      );
    }),
  ));

test("where the page is not built it says how, and a build that comes later is found", () =>
  withBuild((folder) =>
    withKinto(
      anyStorage,
      { includes: "kinto.plugins.admin", admin_assets_path: join(folder, "later") },
      async ({ kinto }) => {
        const get = () => kinto.fetch(new Request("http://kinto.test/v1/admin/"));
        const missing = await get();
        assert.equal(missing.status, 404);
        assert.match(await missing.text(), /no index\.html in .*later.*admin_assets_path/);
        await mkdir(join(folder, "later"));
        await writeFile(join(folder, "later", "index.html"), "<!doctype html>");
        assert.equal((await get()).status, 200);
      },
    ),
  ));

test("the version that hello names is the one installed", () =>
  withKinto(anyStorage, { includes: "kinto.plugins.admin" }, async ({ ask }) => {
    const { devDependencies } = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8"));
    const { admin } = (await ask("GET", "/")).body.capabilities;
    assert.equal(admin.version, devDependencies["kinto-admin"]);
    assert.deepEqual(Object.keys(admin).sort(), ["description", "url", "version"]);
  }));

test("the policy of the page lets scripts come from this server alone, and images from where attachments are", () =>
  withBuild((folder) =>
    withKinto(
      anyStorage,
      {
        includes: "kinto.plugins.admin kinto_attachment",
        admin_assets_path: folder,
        "attachment.base_url": "https://cdn.example.net/files/",
      },
      async ({ kinto }) => {
        const { headers } = await kinto.fetch(new Request("http://kinto.test/v1/admin/"));
        const policy = headers.get("content-security-policy") ?? "";
        assert.match(policy, /script-src 'self' 'unsafe-eval';/);
        assert.match(policy, /img-src 'self' data: https:\/\/cdn\.example\.net;/);
        assert.match(policy, /^default-src 'none';.*frame-ancestors 'none'$/);
      },
    ),
  ));
