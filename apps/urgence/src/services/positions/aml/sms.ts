/** The SMS forms of AML, versions 1 and 2. Total: any text gives a message or a named rejection. */
import { amlLimit, attributeReader, smsAttributes } from "./attributes.ts";
import { type AmlResult, rejected } from "./message.ts";
import { smsVersion1 } from "./sms-v1.ts";
import { smsVersion2 } from "./sms-v2.ts";

/** How every AML SMS begins. */
export const smsHeader = 'A"ML=';

export function parseSms(text: string): AmlResult {
  if (text.length > amlLimit) return rejected("too-large");
  // Gateways may add blanks and line breaks of their own; they are no part of the message's length.
  const message = text.trim();
  if (!message.startsWith(smsHeader)) return rejected("malformed", { attribute: smsHeader, description: "is missing" });
  const end = message.indexOf(";");
  const version = message.slice(smsHeader.length, end < 0 ? undefined : end).trim();
  const attributes = smsAttributes(end < 0 ? "" : message.slice(end + 1));
  if (attributes === undefined)
    return rejected("malformed", { attribute: smsHeader, description: "too many attributes" });
  if (version === "1") return smsVersion1(message, attributeReader(attributes));
  if (version === "2") return smsVersion2(attributeReader(attributes));
  return rejected("unsupported-version", { attribute: smsHeader, description: "must be 1 or 2" });
}
