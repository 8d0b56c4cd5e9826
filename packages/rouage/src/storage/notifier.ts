/** Wakes those who wait for something new in the log. */

export interface Notifier {
  /** Wakes everybody who waits now. */
  notify(): void;
  /** Resolves at the next `notify`, when `signal` aborts, or after `timeoutMs`, whichever comes first; never rejects. */
  wait(signal?: AbortSignal, timeoutMs?: number): Promise<void>;
  /** How many wait. */
  readonly waiting: number;
}

export function notifier(): Notifier {
  const waiters = new Set<() => void>();
  return {
    get waiting() {
      return waiters.size;
    },
    notify() {
      for (const wake of [...waiters]) wake();
    },
    wait(signal, timeoutMs) {
      if (signal?.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const timer = timeoutMs === undefined ? undefined : setTimeout(wake, timeoutMs);
        function wake() {
          waiters.delete(wake);
          signal?.removeEventListener("abort", wake);
          clearTimeout(timer);
          resolve();
        }
        waiters.add(wake);
        signal?.addEventListener("abort", wake, { once: true });
      });
    },
  };
}
