/** The mailer of a URL: `file:FOLDER`, `smtp://…`, `smtps://…`. */
import type { Clock } from "rouage";
import { openFileMail } from "./file.ts";
import type { Mailer } from "./mail.ts";

export interface OpenMailOptions {
  /** Sender, `Name <address>`. */
  readonly from: string;
  readonly clock?: Clock;
}

/** @throws Error naming what was expected; the URL itself may hold a password and is not repeated */
export async function openMail(url: string, { from, clock }: OpenMailOptions): Promise<Mailer> {
  if (url.startsWith("file:"))
    return openFileMail({
      folder: url.slice(5).replace(/^\/\/(?=\/)/, ""),
      from,
      ...(clock === undefined ? {} : { clock }),
    });
  if (/^smtps?:\/\/./.test(url) && URL.canParse(url)) {
    const { smtpMail } = await import("./smtp.ts");
    return smtpMail({ url, from });
  }
  throw new Error("mail has to be file:FOLDER, smtp://host:port or smtps://host:port");
}
