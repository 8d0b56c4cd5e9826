/** The fields every mail of ours has, for nodemailer: sender, language, and marks that keep auto-responders quiet. */
import type { SendMailOptions } from "nodemailer";
import type { MailMessage } from "./mail.ts";

export function compose(from: string, { to, subject, text, html, language }: MailMessage): SendMailOptions {
  return {
    from,
    // An object, so that no address list can be smuggled in.
    to: { name: "", address: to },
    subject,
    text,
    ...(html === undefined ? {} : { html }),
    headers: { "Content-Language": language, "Auto-Submitted": "auto-generated" },
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}
