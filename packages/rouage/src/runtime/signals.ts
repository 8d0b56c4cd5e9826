/** The life of a main program: runs until it is told to end or breaks, then stops in order and says how it went. */
import type { Logger } from "../telemetry/log.ts";

export interface MainOptions {
  readonly log: Logger;
  /** Readiness fails from here on; requests are still answered. */
  drain(): void;
  /** How long to go on answering while load balancers take notice. */
  readonly drainMs: number;
  /** Finishes what runs, then closes. */
  stop(): Promise<void>;
  /** Calls when somebody other than the operating system wants it to end: the supervisor of a worker. */
  readonly told?: (end: (reason: string) => void) => void;
}

/** Exit codes: stopped in order; broken; ended by a second signal. */
export const exitCodes = { stopped: 0, failed: 1, forced: 130 } as const;

/**
 * Waits for SIGTERM, SIGINT or SIGHUP, then drains, stops, flushes the log and ends the process with code 0; a second signal ends it at once
 * with 130. An exception nobody caught is logged as fatal, and the process stops in order with code 1; a rejection nobody
 * handled is logged and the process lives: it belongs to one request or job.
 */
export function runUntilSignal({ log, drain, drainMs, stop, told }: MainOptions): void {
  const end = async (code: number): Promise<void> => {
    let exitCode = code;
    try {
      drain();
      if (drainMs > 0 && code === exitCodes.stopped) await new Promise((resolve) => setTimeout(resolve, drainMs));
      await stop();
      log.info({}, "stopped");
    } catch (error) {
      log.fatal({ err: error }, "stopping failed");
      exitCode = exitCodes.failed;
    }
    await log.flush?.();
    process.exit(exitCode);
  };
  untilSignal({ log: () => log, end: (code) => void end(code), ...(told === undefined ? {} : { told }) });
}

export interface SignalOptions extends Pick<MainOptions, "told"> {
  /** Asked for when there is something to say. */
  log(): Logger;
  /** Called once, with the exit code that it comes to where nothing else goes wrong. */
  end(code: number): void;
  /** Called before the process ends at once. */
  force?(): void;
}

/** What tells a process to end, and what breaks it. */
export function untilSignal({ log, end, force, told }: SignalOptions): void {
  let ending = false;
  /** A signal to a whole process group (Ctrl-C, a service manager) reaches a worker beside the word of its supervisor, which may be first. */
  let expected = false;

  const onSignal = (signal: NodeJS.Signals): void => {
    if (ending && expected) {
      expected = false;
      return;
    }
    if (ending) {
      log().warn({ signal }, "told to end again, ends at once");
      force?.();
      process.exit(exitCodes.forced);
    }
    ending = true;
    log().info({ signal }, "stopping");
    end(exitCodes.stopped);
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  // Its terminal is gone.
  process.on("SIGHUP", onSignal);
  told?.((reason) => {
    // The same as what the signal of a whole process group has said already.
    if (ending) return;
    ending = true;
    expected = true;
    log().info({ reason }, "stopping");
    end(exitCodes.stopped);
  });

  process.on("uncaughtException", (error) => {
    log().fatal({ err: error }, "uncaught exception");
    if (ending) return;
    ending = true;
    end(exitCodes.failed);
  });
  process.on("unhandledRejection", (reason) => {
    log().error({ err: reason }, "unhandled rejection");
  });
}
