/**
 * AML SMS version 1: `A"ML=1;lt=48.82639;lg=-2.36619;rd=52;top=20191112112928;lc=68;pm=G;si=…;ei=…;mcc=208;mnc=20;ml=126`.
 * The identifiers of SIM and handset are not read: nothing here needs them.
 */
import { type AttributeReader, sourceOf } from "./attributes.ts";
import { type AmlResult, rejected } from "./message.ts";

export function smsVersion1(message: string, attributes: AttributeReader): AmlResult {
  const length = attributes.number("ml", 0, 9999);
  // A message that lost a part on its way says so itself; what is left of it cannot be trusted.
  if (length !== undefined && length !== message.length)
    return rejected("length-mismatch", { attribute: "ml", description: "is not the message's length" });

  const source = sourceOf(attributes.text("pm"));
  if (source === "none")
    return rejected("no-position", { attribute: "pm", description: "says that there is no position" });
  const latitude = attributes.required("lt", -90, 90);
  const longitude = attributes.required("lg", -180, 180);
  // `N` and 0 mean that the radius is not known.
  const accuracy = /^n$/i.test(attributes.text("rd") ?? "") ? 0 : attributes.number("rd", 0, 20_037_508);
  const confidence = attributes.number("lc", 0, 100);
  const fixTime = timeOfPositioning(attributes);

  if (attributes.missing.length > 0) return rejected("missing-attribute", ...attributes.missing);
  if (attributes.problems.length > 0 || fixTime === undefined)
    return rejected("invalid-attribute", ...attributes.problems);
  return {
    kind: "message",
    message: {
      version: "sms-1",
      latitude,
      longitude,
      source,
      fixTime,
      ...(accuracy === undefined || accuracy === 0 ? {} : { accuracy }),
      ...(confidence === undefined || confidence === 0 ? {} : { confidence }),
    },
  };
}

/** `top` is `yyyyMMddHHmmss` in UTC; seconds or milliseconds of the epoch, which some handsets send, are told by their digits. */
function timeOfPositioning(attributes: AttributeReader): number | undefined {
  const top = attributes.text("top");
  if (top === undefined) return void attributes.absent("top");
  if (/^\d{10}$/.test(top)) return Number(top) * 1000;
  if (/^\d{13}$/.test(top)) return Number(top);
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(top);
  if (match === null) return attributes.problem("top", "is not yyyyMMddHHmmss");
  const [, year, month, day, hour, minute, second] = match;
  const wall = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  const time = Date.parse(`${wall}Z`);
  if (Number.isNaN(time) || new Date(time).toISOString().slice(0, 19) !== wall)
    return attributes.problem("top", "is no date and time");
  return time;
}
