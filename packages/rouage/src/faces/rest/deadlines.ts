/** Ends what takes too long, with one timer for everything under way: a timer for each request would cost as much as its access rules. */

/** Something under way. */
export interface Timed {
  /** Called once when it was not ended in time. */
  late(): void;
}

export interface Deadlines {
  begin(timed: Timed): void;
  end(timed: Timed): void;
}

/** As with a timer of its own for each, what is under way keeps the process alive. */
export function deadlines(milliseconds: number): Deadlines {
  /** When each is late; in the order of their beginning, which is that of their deadlines. */
  const open = new Map<Timed, number>();
  let timer: NodeJS.Timeout | undefined;

  function sweep(): void {
    timer = undefined;
    const now = performance.now();
    for (const [timed, due] of open) {
      // A timer may fire a moment early.
      if (due > now + 1) break;
      open.delete(timed);
      timed.late();
    }
    const [next] = open.values();
    if (next !== undefined) arm(next - now);
  }

  function arm(delayMs: number): void {
    timer = setTimeout(sweep, Math.max(1, delayMs));
  }

  return {
    begin(timed) {
      open.set(timed, performance.now() + milliseconds);
      if (timer === undefined) arm(milliseconds);
      else if (open.size === 1) timer.ref();
    },
    end(timed) {
      open.delete(timed);
      // It stays, for whoever comes next.
      if (open.size === 0) timer?.unref();
    },
  };
}
