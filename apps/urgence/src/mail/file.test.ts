import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import PostalMime from "postal-mime";
import { manualClock } from "rouage";
import { openMail } from "./open.ts";

async function folder(): Promise<AsyncDisposable & { path: string }> {
  const base = await mkdtemp(join(tmpdir(), "urgence-mail-"));
  return { path: join(base, "mail"), [Symbol.asyncDispose]: () => rm(base, { recursive: true, force: true }) };
}

const from = "Urgence <urgence@example.org>";
const message = {
  to: "camille@example.fr",
  subject: "Votre code à usage unique",
  text: "Été : 123456\n",
  language: "fr",
} as const;

test("a mail is a file that any mail program reads, for its owner only", async () => {
  await using temporary = await folder();
  await using mail = await openMail(`file:${temporary.path}`, { from, clock: manualClock() });
  await mail.send({ ...message, html: "<p>Été : 123456</p>" });
  const [name = ""] = await readdir(temporary.path);
  assert.match(name, /^2026-01-01T00-00-00-000Z-[0-9a-f]{16}-[0-9a-f]{8}\.eml$/);
  assert.equal((await stat(join(temporary.path, name))).mode & 0o777, 0o600);
  assert.equal((await stat(temporary.path)).mode & 0o777, 0o700);
  const raw = await readFile(join(temporary.path, name));
  assert.equal(raw.includes("\n\n"), false, "lines end in CRLF");
  const mailRead = await PostalMime.parse(raw);
  assert.equal(mailRead.subject, message.subject);
  assert.equal(mailRead.text?.trim(), "Été : 123456");
  assert.equal(mailRead.html?.trim(), "<p>Été : 123456</p>");
  assert.equal(mailRead.from?.address, "urgence@example.org");
  assert.equal(mailRead.to?.[0]?.address, "camille@example.fr");
  assert.ok((mailRead.messageId ?? "") !== "" && mailRead.date === "2026-01-01T00:00:00.000Z");
  const header = (key: string) => mailRead.headers.find((entry) => entry.key === key)?.value;
  assert.equal(header("content-language"), "fr");
  assert.equal(header("auto-submitted"), "auto-generated");
});

test("forgetting an address removes its mails and no others", async () => {
  await using temporary = await folder();
  await using mail = await openMail(`file:${temporary.path}`, { from });
  assert.equal(await mail.forget("camille@example.fr"), 0);
  await mail.send(message);
  await mail.send(message);
  await mail.send({ ...message, to: "other@example.fr" });
  assert.equal(await mail.forget("Camille@Example.fr"), 2);
  assert.equal((await readdir(temporary.path)).length, 1);
});

test("a text with line breaks in the subject adds no header", async () => {
  await using temporary = await folder();
  await using mail = await openMail(`file:${temporary.path}`, { from });
  await mail.send({ ...message, subject: "a\r\nBcc: evil@example.org" });
  const [name = ""] = await readdir(temporary.path);
  const read = await PostalMime.parse(await readFile(join(temporary.path, name)));
  assert.equal(read.bcc, undefined);
});

test("a URL of no known kind is refused without being repeated", async () => {
  for (const url of ["", "ftp://secret@host", "smtp://", "mail"])
    await assert.rejects(
      () => openMail(url, { from }),
      (error: unknown) => error instanceof Error && !error.message.includes("secret"),
    );
});

test("a folder that cannot be made is said when the mail is opened, and not with the first mail", async () => {
  await using temporary = await folder();
  await writeFile(temporary.path, "a file");
  await assert.rejects(
    openMail(`file:${temporary.path}/mails`, { from }),
    /^Error: mails cannot be written to the folder .*\/mail\/mails: ENOTDIR/,
  );
});
