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

export function progressBar(
  output: ProgressOutput,
  now: () => number = performance.now.bind(performance),
): ProgressBar {
  let drawn = Number.NEGATIVE_INFINITY;
  return {
    update(done, total) {
      if (output.isTTY !== true || (now() - drawn < interval && done < total)) return;
      drawn = now();
      const share = total === 0 ? 1 : Math.min(1, done / total);
      const full = Math.round(share * width);
      const bar = "#".repeat(full) + "-".repeat(width - full);
      output.write(`\r[${bar}] ${String(Math.floor(share * 100)).padStart(3)} %  ${done} of ${total}`);
    },
    finish(message) {
      output.write(`${drawn === Number.NEGATIVE_INFINITY ? "" : "\n"}${message}\n`);
    },
  };
}
