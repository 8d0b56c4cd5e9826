/** Attachments at Kinto's door: the form, the files, who may, and what becomes of files whose record goes. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { durableStorage, type StorageKind, testStorages } from "../../../scripts/test-stores.ts";
import { clientOf } from "./support/kinto-http.ts";
import { type Answer, authorizationOf, type Running, withKinto } from "./support/running.ts";

interface Site extends Running {
  readonly folder: string;
  /** Sends a form; a file by default. */
  send(path: string, options?: SendOptions): Promise<Answer>;
  /** Locations of all files there are. */
  files(): Promise<readonly string[]>;
  /** Waits until there are exactly these many files. */
  settled(count: number): Promise<readonly string[]>;
}

interface SendOptions {
  readonly as?: string;
  readonly form?: FormData;
  readonly file?: string | Uint8Array<ArrayBuffer>;
  readonly name?: string;
  readonly type?: string;
  readonly data?: unknown;
  readonly permissions?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const record = "/buckets/b/collections/c/records/r";

async function withSite(
  settings: Readonly<Record<string, unknown>>,
  run: (site: Site) => Promise<void>,
  on: readonly StorageKind[] = [durableStorage],
): Promise<void> {
  for (const storage of on) {
    const folder = await mkdtemp(join(tmpdir(), "kinto-files-"));
    const all = {
      includes: "kinto_attachment kinto.plugins.default_bucket",
      "attachment.base_path": folder,
      ...settings,
    };
    try {
      await withKinto(storage, all, async (running) => {
        const { ask, remote } = running;
        await ask("PUT", "/buckets/b", { as: "alice" });
        await ask("PUT", "/buckets/b/collections/c", { as: "alice" });
        const files = () => filesIn(folder);
        await run({
          ...running,
          folder,
          files,
          send: (path, options) => send(remote + path, options),
          settled: (count) =>
            until(`${count} files`, async () => ((await files()).length === count ? files() : undefined)),
        });
      });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
}

async function filesIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const value = await look();
    if (value !== undefined) return value;
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await delay(5);
  }
}

async function send(
  url: string,
  {
    as = "alice",
    file = "hello",
    name = "a.txt",
    type = "text/plain",
    data,
    permissions,
    headers = {},
    ...options
  }: SendOptions = {},
): Promise<Answer> {
  const form = options.form ?? new FormData();
  if (options.form === undefined) form.append("attachment", new Blob([file], { type }), name);
  if (data !== undefined) form.append("data", JSON.stringify(data));
  if (permissions !== undefined) form.append("permissions", JSON.stringify(permissions));
  const response = await fetch(url, {
    method: "POST",
    body: form,
    headers: { authorization: authorizationOf(as), ...headers },
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === "" ? undefined : JSON.parse(text) };
}

const sha256 = (data: string | Uint8Array) => createHash("sha256").update(data).digest("hex");

test("a file is attached to a record, which is created for it, replaced, read and removed", () =>
  withSite(
    {},
    async ({ ask, remote, send, settled, folder }) => {
      const permissions = { read: ["system.Everyone"] };
      const created = await send(`${record}/attachment`, { data: { title: "t" }, permissions });
      assert.equal(created.status, 201);
      const { location, ...metadata } = created.body;
      assert.deepEqual(metadata, { filename: "a.txt", hash: sha256("hello"), mimetype: "text/plain", size: 5 });
      assert.match(location, /^\/attachments\/b\/c\/[0-9a-f-]{36}\.txt$/);
      assert.equal(created.headers.get("location"), remote + record);
      const stored = (await ask("GET", record)).body;
      assert.equal(stored.data.title, "t");
      assert.deepEqual(stored.data.attachment, created.body);
      const file = await fetch(new URL(location, remote));
      assert.equal(await file.text(), "hello");

      const bytes = new Uint8Array(randomBytes(3_000_000));
      const replaced = await send(`${record}/attachment`, {
        file: bytes,
        name: "b.PNG",
        type: "image/png",
        data: { more: 1 },
      });
      assert.equal(replaced.status, 200);
      assert.deepEqual([replaced.body.hash, replaced.body.size], [sha256(bytes), bytes.length]);
      const [left = ""] = await settled(1);
      assert.deepEqual(new Uint8Array(await readFile(join(folder, left))), bytes);
      assert.equal((await fetch(new URL(location, remote))).status, 404);
      const patched = (await ask("GET", record, { as: "alice" })).body;
      assert.deepEqual([patched.data.title, patched.data.more], ["t", 1]);
      assert.deepEqual(patched.permissions.read, ["system.Everyone"]);

      assert.equal((await ask("DELETE", `${record}/attachment`, { as: "alice" })).status, 204);
      assert.equal((await ask("GET", record)).body.data.attachment, null);
      await settled(0);
      assert.equal((await ask("DELETE", `${record}x/attachment`, { as: "alice" })).status, 404);
      assert.equal((await ask("DELETE", `${record}/attachment`, { as: "eve" })).status, 403);
    },
    testStorages,
  ));

const forms: readonly (readonly [string, () => FormData, number, number, RegExp])[] = [
  ["a part of another name", () => formOf(["attachment", file()], ["other", "x"]), 400, 109, /"other" not in/],
  ["a file of another name", () => formOf(["picture", file()]), 400, 109, /"picture" not in/],
  ["no attachment", () => formOf(["data", "{}"]), 400, 109, /Attachment missing/],
  ["no part at all", () => new FormData(), 400, 109, /Attachment missing/],
  ["an attachment without a name", () => formOf(["attachment", "text"]), 400, 107, /Filename is required/],
  ["an attachment with an empty name", () => formOf(["attachment", file(), ""]), 400, 107, /Filename is required/],
  ["two files", () => formOf(["attachment", file()], ["attachment", file()]), 400, 109, /given twice/],
  ["data given twice", () => formOf(["data", "{}"], ["data", "{}"], ["attachment", file()]), 400, 109, /given twice/],
  ["data as a file", () => formOf(["data", file()], ["attachment", file()]), 400, 109, /not files/],
  ["data that is no JSON", () => formOf(["attachment", file()], ["data", "{"]), 400, 109, /data is not valid JSON/],
  ["data that is no object", () => formOf(["attachment", file()], ["data", "[1]"]), 400, 109, /must be a JSON object/],
  [
    "data of another record",
    () => formOf(["attachment", file()], ["data", '{"id":"x"}']),
    400,
    107,
    /id does not match/,
  ],
  [
    "permissions that are not known",
    () => formOf(["attachment", file()], ["permissions", '{"fly":["a"]}']),
    400,
    107,
    /fly/,
  ],
  [
    "a file of a kind that is not allowed",
    () => formOf(["attachment", file(), "a.exe"]),
    400,
    107,
    /extension is not allowed/,
  ],
  ["a file without an extension", () => formOf(["attachment", file(), "README"]), 400, 107, /extension is not allowed/],
  ["a file that is too large", () => formOf(["attachment", file("x".repeat(2001))]), 413, 113, /larger/],
  ["a form that is too large", () => formOf(["attachment", file("x".repeat(3_000_000))]), 413, 113, /larger/],
  [
    "data that are too large",
    () => formOf(["attachment", file()], ["data", `"${"x".repeat(1_100_000)}"`]),
    413,
    113,
    /larger/,
  ],
];

function file(text = "hello"): Blob {
  return new Blob([text], { type: "text/plain" });
}

function formOf(...parts: readonly (readonly [string, string | Blob, string?])[]): FormData {
  const form = new FormData();
  for (const [name, value, filename = "a.txt"] of parts)
    if (typeof value === "string") form.append(name, value);
    else form.append(name, value, filename);
  return form;
}

test("a form that is not as it should be is refused, and leaves neither file nor record", () =>
  withSite({ "attachment.max_size_bytes": 2000 }, async ({ ask, send, files }) => {
    for (const [name, form, status, errno, message] of forms) {
      const { status: answered, body } = await send(`${record}/attachment`, { form: form() });
      assert.deepEqual([answered, body.errno], [status, errno], `${name}: ${JSON.stringify(body)}`);
      assert.match(body.message, message, name);
    }
    assert.deepEqual(await files(), []);
    assert.equal((await ask("GET", record, { as: "alice" })).status, 404);
    assert.equal((await send(`${record}/attachment`, { file: "x".repeat(2000) })).status, 201, "as large as allowed");
  }));

test("bodies that are no form are refused", () =>
  withSite({}, async ({ ask, kinto }) => {
    const post = async (contentType: string | undefined, body: string) => {
      const response = await kinto.fetch(
        new Request(`http://kinto.test/v1${record}/attachment`, {
          method: "POST",
          headers: {
            authorization: authorizationOf("alice"),
            ...(contentType !== undefined && { "content-type": contentType }),
          },
          body: new TextEncoder().encode(body),
        }),
      );
      return response.status;
    };
    assert.equal((await ask("POST", `${record}/attachment`, { as: "alice", body: {} })).status, 415);
    assert.equal(await post(undefined, "hello"), 400);
    assert.equal(await post("multipart/form-data", "hello"), 400);
    assert.equal(await post("multipart/form-data; boundary=x", "hello"), 400);
    assert.equal(await post("multipart/form-data; boundary=x", ""), 400);
    const begun = '--x\r\nContent-Disposition: form-data; name="attachment"; filename="a.txt"\r\n\r\nhello';
    assert.equal(await post("multipart/form-data; boundary=x", begun), 400, "cut in the file");
    assert.equal(await post("multipart/form-data; boundary=x", begun.slice(0, 30)), 400, "cut in a header");
    assert.equal(await post("multipart/form-data; boundary=x", `${begun}\r\n--x--\r\n`), 201);
    const many = '--x\r\nContent-Disposition: form-data; name="data"\r\n\r\n{}\r\n'.repeat(1000);
    assert.equal(await post("multipart/form-data; boundary=x", `${many}--x--\r\n`), 400);
  }));

test("who may not write is refused before the file is read", () =>
  withSite({}, async ({ ask, remote, kinto, settled }) => {
    await ask("PUT", "/buckets/b/collections/open", {
      as: "alice",
      body: { permissions: { "record:create": ["system.Authenticated"] } },
    });
    let read = 0;
    const endless = async (path: string, as?: string) => {
      const body = new ReadableStream<Uint8Array>(
        {
          pull(controller) {
            read += 1;
            if (read > 1000) controller.error(new Error("nobody stopped"));
            else controller.enqueue(new Uint8Array(65_536));
          },
        },
        { highWaterMark: 0 },
      );
      const response = await kinto.fetch(
        new Request(`http://kinto.test/v1${path}/attachment`, {
          method: "POST",
          headers: {
            "content-type": "multipart/form-data; boundary=x",
            ...(as !== undefined && { authorization: authorizationOf(as) }),
          },
          body,
          duplex: "half",
        } as RequestInit),
      );
      return response.status;
    };
    assert.equal(await endless(record, "eve"), 403);
    assert.equal(await endless(record), 401);
    assert.equal(await endless("/buckets/b/collections/none/records/r", "alice"), 404);
    assert.equal(await endless("/buckets/none/collections/none/records/r", "alice"), 403);
    assert.equal(read, 0);
    const upload = (as: string) => send(`${remote}/buckets/b/collections/open/records/r/attachment`, { as });
    assert.equal((await upload("eve")).status, 201, "who may create");
    assert.equal((await upload("eve")).status, 200, "who has created");
    assert.equal((await upload("mallory")).status, 403, "who may create, but not change what others have made");
    await settled(1);
  }));

test("uploads honour preconditions", () =>
  withSite({}, async ({ ask, send, settled }) => {
    const path = `${record}/attachment`;
    assert.equal((await send(path, { headers: { "if-match": '"1"' } })).status, 412);
    assert.equal((await send(path, { headers: { "if-none-match": "*" } })).status, 201);
    assert.equal((await send(path, { headers: { "if-none-match": "*" } })).status, 412);
    assert.equal((await send(path, { headers: { "if-match": "x" } })).status, 400);
    const { headers } = await ask("GET", record, { as: "alice" });
    const etag = headers.get("etag") ?? "";
    assert.equal((await send(path, { headers: { "if-match": etag } })).status, 200);
    assert.equal((await send(path, { headers: { "if-match": etag } })).status, 412);
    assert.equal((await ask("DELETE", path, { as: "alice", headers: { "if-match": etag } })).status, 412);
    await settled(1);
  }));

test("metadata are changed by uploads alone; a record that lets go of its file loses it", () =>
  withSite({}, async ({ ask, send, settled }) => {
    const { body: attachment } = await send(`${record}/attachment`);
    const write = async (method: string, data: unknown, headers = {}) =>
      (await ask(method, record, { as: "alice", body: Array.isArray(data) ? data : { data }, headers })).status;
    const forged = { ...attachment, size: 6 };
    assert.equal(await write("PUT", { attachment: forged }), 400);
    assert.equal(await write("PATCH", { attachment: forged }), 400);
    assert.equal(
      await write("PATCH", { attachment: { size: 6 } }, { "content-type": "application/merge-patch+json" }),
      400,
    );
    const operation = [{ op: "replace", path: "/data/attachment/size", value: 6 }];
    assert.equal(await write("PATCH", operation, { "content-type": "application/json-patch+json" }), 400);
    assert.equal(await write("PUT", { attachment, title: "t" }), 200, "left as it is");
    assert.equal(await write("PATCH", { title: "u" }), 200);
    await settled(1);
    assert.equal(await write("PUT", { title: "without" }), 200);
    await settled(0);
    assert.equal(await write("PUT", { attachment: { location: "elsewhere" } }), 200, "about a file that is not ours");
  }));

test("files go with their record, their list, their collection and their bucket, and no others do", () =>
  withSite({}, async ({ ask, send, settled }) => {
    const place = (bucket: string, collection: string, id: string) =>
      `/buckets/${bucket}/collections/${collection}/records/${id}`;
    await ask("PUT", "/buckets/z", { as: "alice" });
    for (const path of ["/buckets/z/collections/c", "/buckets/b/collections/d", "/buckets/b/collections/e"])
      await ask("PUT", path, { as: "alice" });
    for (const [bucket, collection] of [
      ["b", "c"],
      ["b", "d"],
      ["b", "e"],
      ["z", "c"],
    ] as const)
      for (const id of ["1", "2"])
        assert.equal((await send(`${place(bucket, collection, id)}/attachment`)).status, 201);
    await settled(8);
    await ask("DELETE", place("b", "c", "1"), { as: "alice" });
    await settled(7);
    await ask("DELETE", "/buckets/b/collections/d/records", { as: "alice" });
    await settled(5);
    await ask("DELETE", "/buckets/b/collections/e", { as: "alice" });
    await settled(3);
    await ask("DELETE", "/buckets/b", { as: "alice" });
    const left = await settled(2);
    assert.ok(left.every((location) => location.startsWith("z/c/")));
    // A link goes after its file.
    await until("2 links", async () => {
      const { objects } = (await ask("GET", "/__counters__")).body;
      return objects.attachments === 2 ? objects : undefined;
    });
  }));

test("uploads to one record at the same time leave one whole file, the one that the record names", () =>
  withSite({}, async ({ ask, send, settled, folder }) => {
    for (let round = 0; round < 5; round++) {
      const contents = Array.from({ length: 8 }, () => new Uint8Array(randomBytes(200_000)));
      const answers = await Promise.all(contents.map((file) => send(`${record}/attachment`, { file })));
      assert.deepEqual(new Set(answers.map(({ status }) => status)).has(500), false);
      assert.ok(
        answers.every(({ status }) => status === 200 || status === 201),
        JSON.stringify(answers.map(({ body }) => body)),
      );
      assert.equal(answers.filter(({ status }) => status === 201).length, round === 0 ? 1 : 0);
      const [left = ""] = await settled(1);
      const { attachment } = (await ask("GET", record, { as: "alice" })).body.data;
      assert.equal(attachment.location, `/attachments/${left}`);
      assert.equal(sha256(await readFile(join(folder, left))), attachment.hash);
    }
  }));

test("a client that stops in the middle leaves nothing", () =>
  withSite({}, async ({ ask, kinto, remote, files }) => {
    const head = (length: number) =>
      [
        `POST /v1${record}/attachment HTTP/1.1`,
        "Host: a",
        `Authorization: ${authorizationOf("alice")}`,
        "Content-Type: multipart/form-data; boundary=x",
        `Content-Length: ${length}`,
        "",
        "",
      ].join("\r\n");
    const form = '--x\r\nContent-Disposition: form-data; name="attachment"; filename="a.txt"\r\n\r\n';
    const socket = connect(Number(new URL(remote).port), "127.0.0.1");
    socket.write(head(1_000_000) + form + "hello".repeat(20_000));
    const [arriving] = await until("a file that arrives", async () => {
      const found = await files();
      return found.length > 0 ? found : undefined;
    });
    assert.match(arriving ?? "", /^\.arrivals\//);
    socket.destroy();
    await until("nothing", async () => ((await files()).length === 0 ? true : undefined));
    assert.equal((await ask("GET", record, { as: "alice" })).status, 404);
    assert.equal(kinto.context.storage.inTransaction(), false);
  }));

test("a client that sends too slowly is given up, and leaves nothing", () =>
  withSite({ request_timeout_seconds: 0.3 }, async ({ remote, files }) => {
    const socket = connect(Number(new URL(remote).port), "127.0.0.1");
    const form = '--x\r\nContent-Disposition: form-data; name="attachment"; filename="a.txt"\r\n\r\n';
    socket.write(
      `POST /v1${record}/attachment HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorizationOf("alice")}\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000000\r\n\r\n${form}hello`,
    );
    let answer = "";
    for await (const chunk of socket) answer += chunk;
    assert.match(answer, /^HTTP\/1\.1 (408|504) /);
    await until("nothing", async () => ((await files()).length === 0 ? true : undefined));
  }));

test("in the default bucket a first upload makes bucket and collection", () =>
  withSite({}, async ({ ask, send }) => {
    const path = "/buckets/default/collections/photos/records/p";
    const { status, body } = await send(`${path}/attachment`, { as: "bob" });
    assert.equal(status, 201);
    assert.match(body.location, /^\/attachments\/[0-9a-f-]{36}\/photos\/[0-9a-f-]{36}\.txt$/);
    assert.deepEqual((await ask("GET", path, { as: "bob" })).body.data.attachment, body);
  }));

test("a file cannot be part of a batch; its removal can", () =>
  withSite({}, async ({ ask, send, settled }) => {
    await send(`${record}/attachment`);
    const requests = [
      {
        method: "POST",
        path: `${record}/attachment`,
        headers: { "Content-Type": "multipart/form-data; boundary=x" },
        body: {},
      },
      { method: "DELETE", path: `${record}/attachment` },
    ];
    const { body } = await ask("POST", "/batch", { as: "alice", body: { requests } });
    assert.deepEqual(
      body.responses.map(({ status }: { status: number }) => status),
      [400, 204],
    );
    await settled(0);
  }));

test("files are given out safely: whole, in part, or not again, and nothing beside them", () =>
  withSite({ "attachment.extensions": "any" }, async ({ remote, send, folder }) => {
    const { origin } = new URL(remote);
    const { body } = await send(`${record}/attachment`, {
      file: "0123456789",
      name: "zwölf.html",
      type: "text/html",
    });
    const get = (path: string, headers: Readonly<Record<string, string>> = {}, method = "GET") =>
      fetch(origin + path, { method, headers });
    const whole = await get(body.location);
    assert.equal(whole.headers.get("content-type"), "text/html");
    assert.equal(whole.headers.get("x-content-type-options"), "nosniff");
    assert.match(whole.headers.get("content-security-policy") ?? "", /sandbox/);
    const disposition = whole.headers.get("content-disposition") ?? "";
    assert.match(disposition, /^attachment; filename="zw_lf.html"; filename\*=UTF-8''zw%C3%B6lf\.html$/);
    const etag = whole.headers.get("etag") ?? "";
    assert.equal(await whole.text(), "0123456789");
    assert.equal((await get(body.location, { "if-none-match": etag })).status, 304);
    const head = await get(body.location, {}, "HEAD");
    assert.deepEqual([head.status, head.headers.get("content-length"), await head.text()], [200, "10", ""]);
    for (const [range, status, text] of [
      ["bytes=2-4", 206, "234"],
      ["bytes=7-", 206, "789"],
      ["bytes=-3", 206, "789"],
      ["bytes=5-99", 206, "56789"],
      ["bytes=10-", 416, ""],
      ["bytes=4-2", 200, "0123456789"],
      ["lines=1-2", 200, "0123456789"],
      ["bytes=0-1,3-4", 200, "0123456789"],
    ] as const) {
      const part = await get(body.location, { range });
      assert.deepEqual([part.status, await part.text()], [status, text], range);
    }
    assert.equal(await (await get(body.location, { range: "bytes=1-2", "if-range": '"other"' })).text(), "0123456789");

    await writeFile(join(folder, ".secret"), "s");
    await writeFile(`${folder}-beside`, "s");
    await mkdir(join(folder, "sub"));
    await symlink(`${folder}-beside`, join(folder, "sub", "link.txt"));
    try {
      for (const path of [
        ".secret",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e/x",
        "sub",
        "sub/",
        "sub/link.txt",
        "b%5c..",
        "none.txt",
        "b/c",
        "x".repeat(300),
        "b/c/d/e/f/g/h/i.txt",
      ]) {
        const { status } = await get(`/attachments/${path}`);
        assert.ok(status === 404 || status === 307, `${path}: ${status}`);
      }
    } finally {
      await rm(`${folder}-beside`);
    }
  }));

test("the settings decide names, kinds, places and what is kept, for each bucket and collection", () =>
  withSite(
    {
      "attachment.folder": "files/{collection_id}",
      "attachment.base_url": "https://cdn.example.net/base",
      "attachment.extra.base_url": "https://shown.example.net/",
      "attachment.mimetypes": ".ftl:application/vnd.fluent;.db:application/x-sqlite",
      "attachment.extensions": "images+ftl",
      "attachment.randomize": false,
      "attachment.keep_old_files": true,
      "attachment.resources.b.d.randomize": true,
      "attachment.resources.b.d.keep_old_files": false,
      "attachment.resources.b.d.max_size_bytes": 3,
      "attachment.resources.b.filename_pattern": "{rid}-{filename}",
    },
    async ({ ask, send, files, settled, remote }) => {
      const { base_url } = (await ask("GET", "/")).body.capabilities.attachments;
      assert.equal(base_url, "https://shown.example.net/");
      const name = "../strängé näme.ftl";
      const first = await send(`${record}/attachment`, { name });
      assert.equal(first.body.filename, "strängé näme.ftl");
      assert.equal(first.body.mimetype, "application/vnd.fluent");
      assert.equal(first.body.location, "https://cdn.example.net/base/files/c/r-str_ng_n_me.ftl");
      const second = await send(`${record}/attachment`, { name });
      assert.equal(second.body.location, "https://cdn.example.net/base/files/c/r-str_ng_n_me-1.ftl");
      assert.equal((await send(`${record}/attachment`, { name: "a.txt" })).status, 400);
      await ask("DELETE", record, { as: "alice" });
      assert.equal((await fetch(new URL("/base/files/c/r-str_ng_n_me.ftl", remote))).status, 404);

      await ask("PUT", "/buckets/b/collections/d", { as: "alice" });
      const other = "/buckets/b/collections/d/records/r";
      assert.equal((await send(`${other}/attachment`, { name })).status, 413);
      const third = await send(`${other}/attachment`, { name, file: "abc" });
      assert.match(third.body.location, /files\/d\/r-[0-9a-f-]{36}\.ftl$/);
      await settled(3);
      await ask("DELETE", other, { as: "alice" });
      await settled(2);
      // Nothing is left to wait for: the log has been read to its end.
      assert.deepEqual(await files(), ["files/c/r-str_ng_n_me-1.ftl", "files/c/r-str_ng_n_me.ftl"]);
    },
  ));

test("the heartbeat says whether files can be kept, and a read-only service takes none", async () => {
  await withSite({}, async ({ kinto, folder }) => {
    const heartbeat = async () => {
      const response = await kinto.fetch(new Request("http://kinto.test/v1/__heartbeat__"));
      return [response.status, ((await response.json()) as { readonly attachments: unknown }).attachments];
    };
    assert.deepEqual(await heartbeat(), [200, true]);
    await rm(folder, { recursive: true });
    await writeFile(folder, "no folder");
    const deadline = Date.now() + 10_000;
    while ((await heartbeat())[1] !== false) {
      assert.ok(Date.now() < deadline, "the heartbeat did not see it");
      await delay(20);
    }
    await rm(folder);
  });
  await withSite({ readonly: true }, async ({ send }) => {
    assert.equal((await send(`${record}/attachment`)).status, 405);
  });
});

test("kinto-http attaches files and removes them", () =>
  withSite({}, async ({ remote, settled }) => {
    const collection = clientOf(remote, "alice").bucket("b").collection("c");
    const dataUrl = `data:text/plain;name=note.txt;base64,${Buffer.from("hello").toString("base64")}`;
    const { data } = (await collection.addAttachment(
      dataUrl,
      { id: "r", title: "t" },
      { permissions: { write: ["account:x"] } },
    )) as unknown as {
      data: Record<string, unknown> & { attachment: Record<string, unknown>; last_modified: number };
    };
    assert.equal(data.title, "t");
    assert.deepEqual([data.attachment.filename, data.attachment.hash], ["note.txt", sha256("hello")]);
    const named = (await collection.addAttachment(
      `data:text/plain;base64,aGk=`,
      {},
      { filename: "other.txt" },
    )) as unknown as {
      data: { id: string; attachment: { filename: string } };
    };
    assert.equal(named.data.attachment.filename, "other.txt");
    await assert.rejects(collection.addAttachment(dataUrl, { id: "r" }, { safe: true, last_modified: 1 }), /412/);
    await settled(2);
    await collection.removeAttachment("r", { safe: true, last_modified: data.last_modified });
    assert.equal(((await collection.getRecord("r")).data as unknown as Record<string, unknown>).attachment, null);
    await collection.deleteRecord(named.data.id);
    await settled(0);
  }));
