/** The logger of running services: JSON lines in batches, secrets hidden by name and by declared path. */
import { fstatSync } from "node:fs";
import pino from "pino";
import { type Clock, systemClock } from "../clock.ts";
import type { Logger, LogLevel } from "./log.ts";
import { redact } from "./redact.ts";
import { scrub } from "./scrub.ts";

export interface JsonLoggerOptions {
  /** Added to every line as `name`. */
  readonly name?: string;
  readonly level?: LogLevel | "silent";
  /** Paths hidden beside the well-known names, in pino's notation: `body.address`, `items[*].note`. */
  readonly redact?: readonly string[];
  /** Default: standard output. */
  readonly destination?: LogDestination;
  readonly clock?: Clock;
  /** Added to every line as `worker`, in one of several processes that share standard output; 0 is their supervisor. */
  readonly worker?: number | undefined;
}

/** Where lines go. Each text is one or more whole lines with their newlines. */
export interface LogDestination {
  write(lines: string): unknown;
  /** Resolves when everything written so far has been handed on. */
  flush?(): Promise<void>;
}

/** A logger with all of the optional methods. */
export type JsonLogger = Logger & Required<Pick<Logger, "line" | "writes" | "flush">>;

/**
 * Makes a logger. Levels are written as words, times as milliseconds since the epoch.
 * @example const log = jsonLogger({ name: "kittens", level: "info" });
 */
export function jsonLogger(options: JsonLoggerOptions = {}): JsonLogger {
  const { name, level = "info", clock = systemClock, worker } = options;
  const { destination = standardOutput(worker !== undefined) } = options;
  const instance = pino(
    {
      level,
      base: { ...(name === undefined ? {} : { name }), ...(worker === undefined ? {} : { worker }) },
      timestamp: () => `,"time":${clock.now()}`,
      formatters: { level: (label) => ({ level: label }) },
      // Errors are made fields by `redact`, whatever their key.
      serializers: { err: (shown) => shown },
      redact: { paths: [...(options.redact ?? [])], censor: "[redacted]" },
    },
    { write: (line) => destination.write(line) },
  );
  const declared = (options.redact ?? []).length > 0;
  const end = worker === undefined ? undefined : `,"worker":${worker}}\n`;
  return wrap(instance, { destination, declared, end });
}

interface Writing {
  readonly destination: LogDestination;
  /** Whether there are paths to hide, in finished lines as well. */
  readonly declared: boolean;
  /** What finished lines end with in the place of their brace; undefined: as they do. */
  readonly end: string | undefined;
}

function wrap(instance: pino.Logger, writing: Writing): JsonLogger {
  const { destination, declared, end } = writing;
  // Before pino sees them: it takes a missing message from `err`.
  const write = (level: LogLevel) => (fields: object, message?: string) => {
    if (instance.isLevelEnabled(level)) instance[level](redact(fields), message);
  };
  // Their messages may be those of errors.
  const writeTrouble = (level: LogLevel) => (fields: object, message?: string) => {
    if (instance.isLevelEnabled(level))
      instance[level](redact(fields), message === undefined ? undefined : scrub(message));
  };
  return {
    trace: write("trace"),
    debug: write("debug"),
    info: write("info"),
    warn: writeTrouble("warn"),
    error: writeTrouble("error"),
    fatal: writeTrouble("fatal"),
    child: (fields) => wrap(instance.child(redact(fields)), writing),
    line: (json) => {
      if (declared) relog(instance, json);
      else destination.write(end === undefined ? `${json}\n` : json.slice(0, -1) + end);
    },
    writes: (level) => instance.isLevelEnabled(level),
    flush: () => destination.flush?.() ?? Promise.resolve(),
  };
}

/** Takes a finished line apart, so that declared paths are hidden in it too. */
function relog(instance: pino.Logger, json: string): void {
  const { level, time: _time, name: _name, msg, ...fields } = JSON.parse(json) as Record<string, unknown>;
  if (level === "debug") instance.debug(fields, String(msg));
  else instance.info(fields, String(msg));
}

/** Most bytes kept in memory when standard output does not take them; beyond it lines are lost rather than the process. */
const maximumPending = 32 * 1024 * 1024;
const longestDelayMs = 100;
const longestFlushMs = 1000;
const largestBatch = 64 * 1024;
/** What a pipe takes as one piece of each process that writes to it (POSIX has at least 512, Linux and the BSDs have more: write(2), PIPE_BUF). */
const wholeInPipe = process.platform === "linux" ? 4096 : 512;

/** A SonicBoom in its buffer mode, which its types leave out. */
interface ByteStream {
  write(bytes: Uint8Array): boolean;
  flush(done: () => void): void;
  flushSync(): void;
  on(event: "error", listener: () => void): void;
}

let output: LogDestination | undefined;

/**
 * Standard output, in batches of 64 KiB or after 100 ms, written to the end when the process exits. There is one file descriptor 1
 * in a process, hence one buffer before it: the only state of the toolkit that services share. Lines are encoded as they come:
 * measured here 1 µs a line, against 5 µs where they are joined as text first.
 * @param isShared whether other processes write there too: into a pipe batches are then so small that none comes in between their lines
 */
export function standardOutput(isShared = false): LogDestination {
  if (output !== undefined) return output;
  const batchBytes = isShared && isPipe() ? wholeInPipe : largestBatch;
  const stream = pino.destination({
    dest: 1,
    sync: false,
    contentMode: "buffer",
    // Written at once, and `flush` waits for it.
    minLength: 1,
    maxWrite: batchBytes < largestBatch ? batchBytes : 4 * largestBatch,
    maxLength: maximumPending,
  }) as unknown as ByteStream;
  // A closed pipe (`| head`) must not end the service.
  stream.on("error", () => {});
  let batch = Buffer.allocUnsafeSlow(batchBytes);
  let length = 0;
  let timer: NodeJS.Timeout | undefined;

  function handOn(): void {
    clearTimeout(timer);
    timer = undefined;
    if (length === 0) return;
    const lines = batch.subarray(0, length);
    length = 0;
    // The stream keeps what it is given until it is written: a full buffer itself, of a nearly empty one a copy.
    if (lines.length < batchBytes / 2) stream.write(Buffer.from(lines));
    else {
      stream.write(lines);
      batch = Buffer.allocUnsafeSlow(batchBytes);
    }
  }

  process.on("exit", () => {
    try {
      handOn();
      stream.flushSync();
    } catch {
      // Nobody reads any more.
    }
  });
  output = {
    write(lines) {
      // The most bytes that this many UTF-16 units can become.
      const most = lines.length * 3;
      if (length + most > batchBytes) handOn();
      if (most > batchBytes) {
        stream.write(Buffer.from(lines));
        return;
      }
      length += batch.write(lines, length);
      timer ??= setTimeout(handOn, longestDelayMs).unref();
    },
    flush: () =>
      new Promise((resolve) => {
        handOn();
        // A reader that is gone or stuck must not keep the process from ending.
        const deadline = setTimeout(resolve, longestFlushMs);
        stream.flush(() => {
          clearTimeout(deadline);
          resolve();
        });
      }),
  };
  return output;
}

function isPipe(): boolean {
  try {
    const kind = fstatSync(1);
    return kind.isFIFO() || kind.isSocket();
  } catch {
    return false;
  }
}
