/**
 * AML SMS version 2: `A"ML=2;en=112;et=1593187189;lo=-37.42175,-122.08461,2000.1;lt=-9999;lc=68;lz=-100.1,100.1;ls=G;…;lg=en-US`.
 * Two names of version 1 mean other things here: `lt` is the age of the position relative to the call, `lg` a language.
 */
import { type AttributeReader, checked, sourceOf } from "./attributes.ts";
import { type AmlResult, rejected } from "./message.ts";

export function smsVersion2(attributes: AttributeReader): AmlResult {
  const source = sourceOf(attributes.text("ls"));
  if (source === "none" || !attributes.has("lo"))
    return rejected("no-position", {
      attribute: source === "none" ? "ls" : "lo",
      description: "says that there is no position",
    });
  // lo: latitude, longitude, radius in metres (0: unknown). lz: altitude, vertical accuracy.
  const [latitude = Number.NaN, longitude = Number.NaN, accuracy] = numbers(attributes, "lo", 2, [
    [-90, 90],
    [-180, 180],
    [0, 20_037_508],
  ]);
  const [altitude, verticalAccuracy] = numbers(attributes, "lz", 1, [
    [-12_000, 100_000],
    [0, 20_037_508],
  ]);
  const confidence = attributes.number("lc", 0, 100);
  // et: start of the call, seconds of the epoch. lt: seconds from there to the fix; -9999 is its lowest value, the fix may be older.
  const callTime = attributes.required("et", 0, 99_999_999_999);
  const offset = attributes.number("lt", -9999, 9999) ?? 0;

  if (attributes.missing.length > 0) return rejected("missing-attribute", ...attributes.missing);
  if (attributes.problems.length > 0) return rejected("invalid-attribute", ...attributes.problems);
  return {
    kind: "message",
    message: {
      version: "sms-2",
      latitude,
      longitude,
      source,
      fixTime: Math.round((callTime + offset) * 1000),
      ...(accuracy === undefined || accuracy === 0 ? {} : { accuracy }),
      ...(altitude === undefined ? {} : { altitude }),
      ...(verticalAccuracy === undefined || verticalAccuracy === 0 ? {} : { verticalAccuracy }),
      ...(confidence === undefined || confidence === 0 ? {} : { confidence }),
    },
  };
}

function numbers(
  attributes: AttributeReader,
  name: string,
  least: number,
  limits: readonly (readonly [number, number])[],
): (number | undefined)[] {
  const text = attributes.text(name);
  if (text === undefined) return [];
  const parts = text.split(",").slice(0, limits.length);
  if (parts.length < least) {
    attributes.problem(name, `must hold at least ${least} numbers`);
    return [];
  }
  return parts.map((part, index) => {
    const [minimum, maximum] = limits[index] ?? [0, 0];
    // A part at the end may be left empty.
    return part.trim() === "" && index >= least ? undefined : checked(attributes, name, part.trim(), minimum, maximum);
  });
}
