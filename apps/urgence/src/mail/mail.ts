/** Sending mail, whatever carries it. Knows nothing of accounts; what is sent and when to try again is the caller's. */

export interface MailMessage {
  /** One bare address. */
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html?: string;
  /** Language of the text, for `Content-Language`. */
  readonly language: "fr" | "en";
}

export interface Mailer extends AsyncDisposable {
  /** Resolves when the carrier has taken the mail. @throws MailError */
  send(message: MailMessage, signal?: AbortSignal): Promise<void>;
  /** Removes every copy of mails to this address that the carrier itself keeps; answers how many. */
  forget(address: string): Promise<number>;
}

/** A mail was not taken. The message never contains an address. */
export class MailError extends Error {
  override readonly name = "MailError";
  /** False: the carrier refused this mail for good. */
  readonly retry: boolean;

  constructor(message: string, retry: boolean) {
    super(message);
    this.retry = retry;
  }
}
