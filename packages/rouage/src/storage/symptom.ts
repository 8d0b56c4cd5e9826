/** Something that is wrong with where a service keeps things, or soon will be, in words. */
export interface Symptom {
  /** `error`: the service does not start, or loses something. */
  readonly level: "error" | "warning";
  /** What it is about: a stable name. */
  readonly about: string;
  readonly message: string;
  /** What to do. */
  readonly remedy: string;
}

export interface ExamineOptions {
  /** Of the service: default of `?schema=` or `?prefix=`. */
  readonly name?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

export function error(about: string, message: string, remedy: string): Symptom {
  return { level: "error", about, message, remedy };
}

export function warning(about: string, message: string, remedy: string): Symptom {
  return { level: "warning", about, message, remedy };
}

/** Of what was tried to reach a server, the innermost says the most. */
export function messageOf(cause: unknown): string {
  const inner = cause instanceof AggregateError ? cause.errors[0] : cause;
  if (!(inner instanceof Error)) return String(inner);
  return inner.cause instanceof Error ? messageOf(inner.cause) : inner.message;
}

/** More than this, and revisions look like times of another day. */
const skewMs = 5_000;

/** @param theirs by the database's clock, asked for between `before` and `after` by ours, all in milliseconds since the epoch */
export function skewOf(theirs: number, before: number, after: number): readonly Symptom[] {
  const skew = Math.round(theirs - (before + after) / 2);
  if (Math.abs(skew) < skewMs) return [];
  const message = `the clock of this machine is ${Math.abs(Math.round(skew / 1000))} s ${skew > 0 ? "behind" : "ahead of"} the database's`;
  return [warning("clock", message, "let both follow a time server")];
}
