import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import PostalMime, { type Email } from "postal-mime";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import { MailError } from "./mail.ts";
import { openMail } from "./open.ts";
import { smtpMail } from "./smtp.ts";

const from = "Urgence <urgence@example.org>";
const message = { to: "camille@example.fr", subject: "Votre code", text: "Été : 123456\n.\n", language: "fr" } as const;

interface TestServer extends AsyncDisposable {
  readonly port: number;
  readonly mails: { readonly email: Email; readonly recipients: readonly string[] }[];
}

async function server(options: SMTPServerOptions = {}): Promise<TestServer> {
  const mails: TestServer["mails"] = [];
  const smtp = new SMTPServer({
    authOptional: true,
    disabledCommands: ["STARTTLS"],
    onData(stream, session, callback) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", async () => {
        const recipients = session.envelope.rcptTo.map(({ address }) => address);
        mails.push({ email: await PostalMime.parse(Buffer.concat(chunks)), recipients });
        callback();
      });
    },
    ...options,
  });
  smtp.on("error", () => {});
  await new Promise<void>((resolve) => smtp.listen(0, "127.0.0.1", resolve));
  const { port } = smtp.server.address() as AddressInfo;
  return { port, mails, [Symbol.asyncDispose]: () => new Promise<void>((resolve) => smtp.close(() => resolve())) };
}

const isMailError = (retry: boolean, pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof MailError, String(error));
  assert.equal(error.retry, retry);
  assert.match(error.message, pattern);
  assert.equal(error.message.includes("camille"), false, "no address in the error");
  return true;
};

test("a mail reaches the server whole, for exactly one recipient", async () => {
  await using smtp = await server();
  await using mail = await openMail(`smtp://127.0.0.1:${smtp.port}`, { from });
  await mail.send(message);
  const [received] = smtp.mails;
  assert.deepEqual(received?.recipients, ["camille@example.fr"]);
  assert.equal(received?.email.subject, "Votre code");
  assert.equal(received?.email.text, "Été : 123456\n.\n");
});

test("user and password of the URL sign in, percent-decoded; wrong ones are refused and worth another try", async () => {
  const onAuth: NonNullable<SMTPServerOptions["onAuth"]> = ({ username, password }, _session, callback) =>
    username === "u@x" && password === "p:/ss" ? callback(null, { user: "u" }) : callback(new Error("no"));
  await using smtp = await server({ authOptional: false, onAuth, allowInsecureAuth: true });
  await using good = await openMail(`smtp://u%40x:p%3A%2Fss@127.0.0.1:${smtp.port}`, { from });
  await good.send(message);
  assert.equal(smtp.mails.length, 1);
  await using bad = await openMail(`smtp://u%40x:wrong@127.0.0.1:${smtp.port}`, { from });
  await assert.rejects(bad.send(message), isMailError(true, /EAUTH 535/));
});

test("a recipient refused for good is final, one refused for now is not", async () => {
  for (const [responseCode, retry] of [
    [550, false],
    [451, true],
  ] as const) {
    await using smtp = await server({
      onRcptTo: (_address, _session, callback) =>
        callback(Object.assign(new Error("refused camille@example.fr"), { responseCode })),
    });
    await using mail = await openMail(`smtp://127.0.0.1:${smtp.port}`, { from });
    await assert.rejects(mail.send(message), isMailError(retry, new RegExp(String(responseCode))));
  }
});

test("a server that says nothing is given up after the timeout", async () => {
  const silent = createServer(() => {});
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as AddressInfo;
  try {
    await using mail = smtpMail({ url: `smtp://127.0.0.1:${port}`, from, timeoutMs: 50 });
    await assert.rejects(mail.send(message), isMailError(true, /ETIMEDOUT/));
  } finally {
    silent.close();
  }
});

test("a server that is not there is an error worth another try", async () => {
  const port = await (async () => {
    await using smtp = await server();
    return smtp.port;
  })();
  await using mail = await openMail(`smtp://127.0.0.1:${port}`, { from });
  await assert.rejects(mail.send(message), isMailError(true, /ECONNREFUSED|ESOCKET/));
});

test("where TLS is required a server without it gets no mail", async () => {
  await using smtp = await server();
  await using mail = await openMail(`smtp://127.0.0.1:${smtp.port}?tls=required`, { from });
  await assert.rejects(mail.send(message), isMailError(true, /ETLS/));
  assert.equal(smtp.mails.length, 0);
});
