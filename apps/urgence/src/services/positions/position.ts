/**
 * A position report: what a person's phone or an Advanced Mobile Location message said about where the person is. Pure: knows
 * no storage, no HTTP. URGENCE positions are WGS 84 in float64, longitude first (RFC 7946).
 */
import { invalid, type Violation } from "rouage";
import { type Static, Type } from "typebox";
import { isWgs84 } from "./crs.ts";

export const positionSources = ["gnss", "wifi", "cell", "manual", "unknown"] as const;
export type PositionSource = (typeof positionSources)[number];

/** A fix at most this far in the future is taken for a clock that runs a little fast. */
export const futureSkewMs = 30_000;
/** A fix older than this is flagged `stale`. */
export const staleAfterMs = 5 * 60_000;
export const defaultLifetimeMs = 24 * 3_600_000;
/** Longest life of a position, and the life of one that belongs to an incident. */
export const maximumLifetimeMs = 7 * 24 * 3_600_000;

const nullable = (options: { minimum: number; maximum: number; description: string }) =>
  Type.Optional(Type.Union([Type.Number(options), Type.Null()]));

export const positionSchema = Type.Object({
  coordinates: Type.Array(Type.Number(), {
    minItems: 2,
    maxItems: 3,
    description: "[longitude, latitude] or [longitude, latitude, altitude], WGS 84, degrees and metres",
  }),
  accuracy: nullable({ minimum: 0, maximum: 20_037_508, description: "Radius of the circle of uncertainty in metres" }),
  altitude_accuracy: nullable({ minimum: 0, maximum: 20_037_508, description: "Vertical uncertainty in metres" }),
  confidence: nullable({ minimum: 0, maximum: 100, description: "Per cent probability that the circle is right" }),
  source: Type.Optional(Type.Enum([...positionSources])),
  speed: nullable({ minimum: 0, maximum: 20_000, description: "Metres per second over ground" }),
  heading: nullable({ minimum: 0, maximum: 360, description: "Course over ground in degrees from north" }),
  orientation: nullable({ minimum: 0, maximum: 360, description: "Where the device faces, degrees from north" }),
  fix_time: Type.Optional(
    Type.String({ maxLength: 40, description: "Time of the fix, RFC 3339; default: on receipt" }),
  ),
  device: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
  incident: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
  expires_at: Type.Optional(Type.String({ maxLength: 40, description: "RFC 3339, at most seven days ahead" })),
  crs: Type.Optional(Type.String({ maxLength: 200, description: "Accepted when it names WGS 84; not stored" })),
  stale: Type.Optional(
    Type.Boolean({ description: "The fix was older than five minutes on receipt; set by the server" }),
  ),
  received_at: Type.Optional(Type.String({ maxLength: 40, description: "Set by the server" })),
  origin: Type.Optional(
    Type.Union([Type.Literal("person"), Type.Literal("aml")], { description: "Who sent it; set by the server" }),
  ),
  authenticated: Type.Optional(
    Type.Boolean({ description: "The sender proved who it is (token, AML signature); set by the server" }),
  ),
});

/** What clients send, and the shape of what is stored. */
export type PositionInput = Static<typeof positionSchema>;

/** A position as it is stored: every derived field present. */
export interface Position {
  readonly coordinates: readonly number[];
  readonly accuracy?: number | null;
  readonly altitude_accuracy?: number | null;
  readonly confidence?: number | null;
  readonly source: PositionSource;
  readonly speed?: number | null;
  readonly heading?: number | null;
  readonly orientation?: number | null;
  readonly fix_time: string;
  readonly device?: string;
  readonly incident?: string;
  readonly expires_at: string;
  readonly stale: boolean;
  readonly received_at: string;
  readonly origin: "person" | "aml";
  readonly authenticated: boolean;
}

export interface Receipt {
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly origin: Position["origin"];
  readonly authenticated: boolean;
}

/**
 * Completes a report whose types are right: ranges, times, reference system and expiry. What clients say about the fields that the
 * server sets is ignored.
 * @throws ServiceError `invalid-parameters` with every violation
 */
export function completePosition(input: PositionInput, receipt: Receipt): Position {
  const { position, violations } = checkPosition(input, receipt);
  if (position === undefined) throw invalid(...violations);
  return position;
}

/** Like `completePosition`, with the violations as a value. */
export function checkPosition(
  input: PositionInput,
  { now, origin, authenticated }: Receipt,
): { readonly position: Position | undefined; readonly violations: readonly Violation[] } {
  const violations: Violation[] = [...coordinateViolations(input.coordinates)];
  if (input.crs !== undefined && !isWgs84(input.crs))
    violations.push(violation("crs", "Only WGS 84 (EPSG:4326, CRS84) is accepted", "unsupported-crs"));

  const fix = input.fix_time === undefined ? now : parseTime(input.fix_time);
  if (fix === undefined) violations.push(violation("fix_time", "Not a date and time of RFC 3339", "format"));
  else if (fix > now + futureSkewMs) violations.push(violation("fix_time", "Lies in the future", "future"));

  const lifetime = input.incident === undefined ? defaultLifetimeMs : maximumLifetimeMs;
  const expires = input.expires_at === undefined ? now + lifetime : parseTime(input.expires_at);
  if (expires === undefined) violations.push(violation("expires_at", "Not a date and time of RFC 3339", "format"));
  else if (expires <= now) violations.push(violation("expires_at", "Lies in the past", "past"));
  else if (expires > now + maximumLifetimeMs)
    violations.push(violation("expires_at", "Lies more than seven days ahead", "maximum"));

  if (violations.length > 0 || fix === undefined || expires === undefined) return { position: undefined, violations };
  const { crs: _, coordinates, ...rest } = input;
  return {
    violations,
    position: {
      ...rest,
      coordinates: coordinates.map((value) => (Object.is(value, -0) ? 0 : value)),
      source: input.source ?? "unknown",
      fix_time: new Date(fix).toISOString(),
      expires_at: new Date(expires).toISOString(),
      stale: now - fix > staleAfterMs,
      received_at: new Date(now).toISOString(),
      origin,
      authenticated,
    },
  };
}

const rfc3339 = /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/;

/** Milliseconds of an RFC 3339 time; undefined for anything else, also for a date that no calendar has. */
export function parseTime(text: string): number | undefined {
  const match = rfc3339.exec(text);
  if (match === null) return undefined;
  const [, date = "", time = "", fraction = "", zone = ""] = match;
  const wall = Date.parse(`${date}T${time}Z`);
  // Date.parse turns 30 February into 1 March on some inputs: what it read must be what was written.
  if (Number.isNaN(wall) || new Date(wall).toISOString().slice(0, 19) !== `${date}T${time}`) return undefined;
  const parsed = Date.parse(`${date}T${time}${fraction.slice(0, 4)}${zone.toUpperCase()}`);
  return Number.isNaN(parsed) ? undefined : parsed;
}

function coordinateViolations([
  longitude = Number.NaN,
  latitude = Number.NaN,
  altitude = 0,
]: readonly number[]): Violation[] {
  const found: Violation[] = [];
  const check = (index: number, what: string, value: number, limit: readonly [number, number]) => {
    if (!(value >= limit[0] && value <= limit[1]))
      found.push(violation(`coordinates.${index}`, `${what} must lie between ${limit[0]} and ${limit[1]}`, "range"));
  };
  check(0, "Longitude", longitude, [-180, 180]);
  check(1, "Latitude", latitude, [-90, 90]);
  check(2, "Altitude", altitude, [-12_000, 100_000]);
  return found;
}

function violation(name: string, description: string, code: string): Violation {
  return { location: "body", name, description, code };
}
