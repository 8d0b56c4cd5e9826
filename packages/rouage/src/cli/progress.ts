/** A bar on a terminal that says how far a long piece of work is; where there is no terminal, one line at its end. */

export interface ProgressBar {
  update(done: number, total: number): void;
  /** Ends the bar and says what was done. */
  finish(message: string): void;
}

export interface ProgressOutput {
  readonly isTTY?: boolean | undefined;
  write(text: string): unknown;
}

const width = 30;
/** Drawing costs more than many objects do. */
const interval = 100;

export interface ProgressOptions {
  /** Milliseconds. Default: since the process began. */
  readonly now?: () => number;
  /** Says how many a second, and how long the rest takes. */
  readonly rate?: boolean;
}

export function progressBar(output: ProgressOutput, options: ProgressOptions = {}): ProgressBar {
  const { now = performance.now.bind(performance), rate = false } = options;
  let drawn = Number.NEGATIVE_INFINITY;
  let began: number | undefined;
  return {
    update(done, total) {
      began ??= now();
      if (output.isTTY !== true || (now() - drawn < interval && done < total)) return;
      drawn = now();
      const share = total === 0 ? 1 : Math.min(1, done / total);
      const full = Math.round(share * width);
      const bar = "#".repeat(full) + "-".repeat(width - full);
      output.write(
        `\r[${bar}] ${String(Math.floor(share * 100)).padStart(3)} %  ${done} of ${total}${rate ? pace(done, total, now() - began) : ""}`,
      );
    },
    finish(message) {
      output.write(`${drawn === Number.NEGATIVE_INFINITY ? "" : "\n"}${message}\n`);
    },
  };
}

/** Blanks behind it overwrite what was longer before. */
function pace(done: number, total: number, elapsedMs: number): string {
  if (elapsedMs < 1000) return "";
  const each = elapsedMs / done;
  return `, ${Math.round(1000 / each)} a second, ${duration(((total - done) * each) / 1000)} left      `;
}

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
