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
  /** Of the service: default of `?schema=`. */
  readonly name?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}
