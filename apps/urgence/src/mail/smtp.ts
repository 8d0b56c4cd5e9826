/** Mails over SMTP (RFC 5321) with authentication, TLS and timeouts, through nodemailer. Keeps no copies. */
import { createTransport } from "nodemailer";
import { compose } from "./compose.ts";
import { MailError, type Mailer } from "./mail.ts";

export interface SmtpMailOptions {
  /** `smtp://user:password@host:port` (STARTTLS where offered; `?tls=required` insists) or `smtps://…` (TLS from the first byte). */
  readonly url: string;
  readonly from: string;
  /** Longest wait for the connection, the greeting, and each answer. Default 10 seconds. */
  readonly timeoutMs?: number;
}

export function smtpMail({ url, from, timeoutMs = 10_000 }: SmtpMailOptions): Mailer {
  const { protocol, hostname, port, username, password, searchParams } = new URL(url);
  const secure = protocol === "smtps:";
  const transport = createTransport({
    host: hostname.replaceAll(/[[\]]/g, ""),
    port: port === "" ? (secure ? 465 : 587) : Number(port),
    secure,
    requireTLS: searchParams.get("tls") === "required",
    ...(username === "" ? {} : { auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) } }),
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    dnsTimeout: timeoutMs,
  });
  return {
    async send(message, signal) {
      signal?.throwIfAborted();
      try {
        await transport.sendMail({ ...compose(from, message), ...(signal === undefined ? {} : { signal }) });
      } catch (error) {
        throw failure(error);
      }
    },
    forget: async () => 0,
    async [Symbol.asyncDispose]() {
      transport.close();
    },
  };
}

/** The server's own words may quote the address; only its code is kept. */
function failure(error: unknown): MailError {
  const { code, responseCode } = (error ?? {}) as { readonly code?: unknown; readonly responseCode?: unknown };
  const reply = typeof responseCode === "number" ? responseCode : undefined;
  const what = [typeof code === "string" ? code : "unknown", reply].filter((part) => part !== undefined).join(" ");
  // 5yz for the recipient is final (RFC 5321 §4.2.1); a refused sign-in or sender is ours to put right, and worth another try.
  const final = reply !== undefined && reply >= 500 && code === "EENVELOPE";
  return new MailError(`the mail server did not take the mail: ${what}`, !final);
}
