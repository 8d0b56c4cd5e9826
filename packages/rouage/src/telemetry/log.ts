/** The logger's interface: one JSON line an event, to standard output unless configured otherwise. */

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal";

export interface Logger {
  trace(fields: object, message?: string): void;
  debug(fields: object, message?: string): void;
  info(fields: object, message?: string): void;
  warn(fields: object, message?: string): void;
  error(fields: object, message?: string): void;
  fatal(fields: object, message?: string): void;
  /** A logger that adds `fields` to every line. */
  child(fields: object): Logger;
  /**
   * Writes one finished line of JSON, without its newline: the hot path of request summaries. The writer answers for its being
   * valid and free of secrets, and asks `writes("info")` before building it. Absent: use the methods above.
   */
  line?(json: string): void;
  /** Whether lines of this level are written. Absent: yes. */
  writes?(level: LogLevel): boolean;
  /** Resolves when everything logged so far has been handed to the operating system. */
  flush?(): Promise<void>;
}

/** A logger that drops everything. */
export const silentLogger: Logger = {
  trace() {},
  debug() {},
  info() {},
  warn() {},
  error() {},
  fatal() {},
  child: () => silentLogger,
  line() {},
  writes: () => false,
};
