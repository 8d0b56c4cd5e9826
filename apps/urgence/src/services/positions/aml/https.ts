/**
 * The HTTPS form of AML: `application/x-www-form-urlencoded` with `v=1`. Device model, SIM, handset and network are not read:
 * nothing here needs them. Total: any text gives a message or a named rejection.
 */
import { type AmlAttributes, amlLimit, attributeLimit, attributeReader, sourceOf } from "./attributes.ts";
import { type AmlResult, rejected } from "./message.ts";

export function parseHttps(body: string): AmlResult {
  if (body.length > amlLimit) return rejected("too-large");
  const attributes = formAttributes(body);
  if (attributes === undefined) return rejected("malformed", { attribute: "v", description: "too many attributes" });
  return httpsVersion1(attributes);
}

/** Names and values of a form; the first of equal names wins. Undefined: there are too many. */
export function formAttributes(body: string): AmlAttributes | undefined {
  const attributes = new Map<string, string>();
  let seen = 0;
  for (const [name, value] of new URLSearchParams(body)) {
    if (++seen > attributeLimit) return undefined;
    if (value.trim() !== "" && !attributes.has(name)) attributes.set(name, value.trim());
  }
  return attributes;
}

export function httpsVersion1(form: AmlAttributes): AmlResult {
  const attributes = attributeReader(form);
  if (!/^1(\.\d+)?$/.test(attributes.text("v") ?? "1"))
    return rejected("unsupported-version", { attribute: "v", description: "must be 1" });
  const source = sourceOf(attributes.text("location_source"));
  if (source === "none" || !(attributes.has("location_latitude") || attributes.has("location_longitude")))
    return rejected("no-position", { attribute: "location_latitude", description: "is missing" });
  const latitude = attributes.required("location_latitude", -90, 90);
  const longitude = attributes.required("location_longitude", -180, 180);
  const fixTime = attributes.required("location_time", 0, 99_999_999_999_999);
  const accuracy = attributes.number("location_accuracy", 0, 20_037_508);
  const altitude = attributes.number("location_altitude", -12_000, 100_000);
  const verticalAccuracy = attributes.number("location_vertical_accuracy", 0, 20_037_508);
  // Per cent in `certainty`, a fraction in the later `confidence`.
  const fraction = attributes.number("location_confidence", 0, 1);
  const confidence = fraction === undefined ? attributes.number("location_certainty", 0, 100) : fraction * 100;
  const bearing = attributes.number("location_bearing", 0, 360);
  const speed = attributes.number("location_speed", 0, 20_000);
  const phone = attributes.text("device_number");

  if (attributes.missing.length > 0) return rejected("missing-attribute", ...attributes.missing);
  if (attributes.problems.length > 0) return rejected("invalid-attribute", ...attributes.problems);
  return {
    kind: "message",
    message: {
      version: "https-1",
      latitude,
      longitude,
      source,
      fixTime: Math.round(fixTime),
      ...(accuracy === undefined || accuracy === 0 ? {} : { accuracy }),
      ...(altitude === undefined ? {} : { altitude }),
      ...(verticalAccuracy === undefined || verticalAccuracy === 0 ? {} : { verticalAccuracy }),
      ...(confidence === undefined || confidence === 0 ? {} : { confidence }),
      ...(bearing === undefined ? {} : { bearing }),
      ...(speed === undefined ? {} : { speed }),
      ...(phone === undefined ? {} : { phone }),
    },
  };
}
