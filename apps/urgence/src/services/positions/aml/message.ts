/** Advanced Mobile Location (ETSI TS 103 625): what a message says, whichever of its three forms it came in, or why it was rejected. */
import type { PositionSource } from "../position.ts";

export type AmlVersion = "sms-1" | "sms-2" | "https-1";

export interface AmlMessage {
  readonly version: AmlVersion;
  /** Degrees, WGS 84. */
  readonly latitude: number;
  readonly longitude: number;
  /** Metres. */
  readonly altitude?: number;
  /** Radius in metres; absent when the handset does not know. */
  readonly accuracy?: number;
  readonly verticalAccuracy?: number;
  /** Per cent. */
  readonly confidence?: number;
  readonly source: PositionSource;
  /** Milliseconds since the epoch. */
  readonly fixTime: number;
  /** Degrees from north, and metres per second (HTTPS only). */
  readonly bearing?: number;
  readonly speed?: number;
  /** The handset's number as written in the message (HTTPS only); the SMS forms leave it to the carrier of the SMS. */
  readonly phone?: string;
}

export type AmlRejection =
  | "malformed"
  | "too-large"
  | "unsupported-version"
  | "length-mismatch"
  | "invalid-attribute"
  | "missing-attribute"
  | "no-position"
  | "time-in-future"
  | "unsigned"
  | "wrong-signature"
  | "rate-limited"
  | "unavailable";

/** One thing that is wrong; `attribute` is the name used in the message, never its value. */
export interface AmlProblem {
  readonly attribute: string;
  readonly description: string;
}

export interface AmlRejected {
  readonly kind: "rejected";
  readonly reason: AmlRejection;
  readonly problems: readonly AmlProblem[];
}

export type AmlResult = { readonly kind: "message"; readonly message: AmlMessage } | AmlRejected;

export function rejected(reason: AmlRejection, ...problems: readonly AmlProblem[]): AmlRejected {
  return { kind: "rejected", reason, problems };
}
