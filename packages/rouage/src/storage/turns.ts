/** Work that must not overlap, in the order of its coming: at once where nothing is under way. */

export interface Turns {
  /** Runs `work` when everything before it has settled; without a promise in between where there is nothing before it. */
  run<T>(work: () => T | Promise<T>): Promise<T>;
  /** Resolves when nothing is under way; never rejects. */
  idle(): Promise<void>;
}

export function turns(): Turns {
  let last: Promise<void> | undefined;

  function hold<T>(result: Promise<T>): Promise<T> {
    const settled = result.then(
      () => {},
      () => {},
    );
    last = settled;
    settled.then(() => {
      if (last === settled) last = undefined;
    });
    return result;
  }

  return {
    async run(work) {
      if (last !== undefined) return hold(last.then(work));
      const result = work();
      return result instanceof Promise ? hold(result) : result;
    },
    async idle() {
      while (last !== undefined) await last;
    },
  };
}
