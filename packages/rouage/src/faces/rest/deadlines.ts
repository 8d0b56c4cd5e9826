/** Ends what takes too long, with one timer for everything under way: a timer for each request would cost as much as its access rules. */

/** Something under way. */
export interface Timed {
  /** Called once when it was not ended in time. */
  late(): void;
  /** Where it is kept meanwhile; not for the caller. */
  place?: number;
}

export interface Deadlines {
  begin(timed: Timed): void;
  end(timed: Timed): void;
}

/** As with a timer of its own for each, what is under way keeps the process alive. */
export function deadlines(milliseconds: number): Deadlines {
  // Places are used again. A Map makes itself anew after so many have come and gone, and each former table leads to the next one: once one
  // of them was old, all that is under way would seem to be in use to the collector of young objects, and grow old as well.
  const open: (Timed | undefined)[] = [];
  const dues: number[] = [];
  const free: number[] = [];
  let timer: NodeJS.Timeout | undefined;

  function sweep(): void {
    timer = undefined;
    const now = performance.now();
    let next = Number.POSITIVE_INFINITY;
    for (const [place, timed] of open.entries()) {
      if (timed === undefined) continue;
      const due = dues[place] ?? 0;
      // A timer may fire a moment early.
      if (due > now + 1) next = Math.min(next, due);
      else {
        leave(place);
        timed.late();
      }
    }
    if (next < Number.POSITIVE_INFINITY) arm(next - now);
  }

  function arm(delayMs: number): void {
    clearTimeout(timer);
    timer = setTimeout(sweep, Math.max(1, delayMs));
  }

  function leave(place: number): void {
    open[place] = undefined;
    free.push(place);
  }

  return {
    begin(timed) {
      const place = free.pop() ?? open.length;
      timed.place = place;
      open[place] = timed;
      dues[place] = performance.now() + milliseconds;
      if (timer === undefined) arm(milliseconds);
      else if (open.length === free.length + 1) timer.ref();
    },
    end(timed) {
      const { place } = timed;
      if (place === undefined || open[place] !== timed) return;
      leave(place);
      // It stays, for whoever comes next.
      if (open.length === free.length) timer?.unref();
    },
  };
}
