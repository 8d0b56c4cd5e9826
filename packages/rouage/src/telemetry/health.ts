/** Health of a service from the checks of its parts: run together, bounded in time, judged by moving averages. */

/** Over the service level, or with a part that is not there, a service still works: degraded. */
export type HealthState = "healthy" | "degraded" | "unhealthy";

export interface HealthCheck {
  readonly name: string;
  /** Without it the service is of no use (its storage): failing makes it unhealthy instead of degraded. */
  readonly vital: boolean;
  /** Resolves when the part is usable, throws when it is not. */
  check(signal: AbortSignal): Promise<void>;
}

export interface CheckResult {
  readonly ok: boolean;
  /** Duration of this run. */
  readonly ms: number;
}

export interface HealthReport {
  readonly state: HealthState;
  readonly checks: Readonly<Record<string, CheckResult>>;
}

export interface HealthOptions {
  readonly checks: readonly HealthCheck[];
  /** Longest a check may take; then it counts as failed. */
  readonly timeoutMs: number;
  /** Average duration of a check beyond which the service is degraded. */
  readonly serviceLevelMs: number;
  /** Told about every change of state. */
  readonly onChange?: (state: HealthState, failing: readonly string[]) => void;
}

export interface Health {
  /** Runs every check; callers that meet share one run, so that asking cannot load the parts. */
  report(): Promise<HealthReport>;
  /** Judgement of the last run; healthy before the first. */
  state(): HealthState;
}

/** Weight of the newest run in the averages: two failures in a row flip the state, a single one does not. */
const newest = 0.4;
const failingShare = 0.5;

export function createHealth(options: HealthOptions): Health {
  const averages = new Map<string, { failures: number; ms: number }>();
  let state: HealthState = "healthy";
  let running: Promise<HealthReport> | undefined;

  async function run(): Promise<HealthReport> {
    const results = await Promise.all(options.checks.map((check) => measure(check, options.timeoutMs)));
    const checks: Record<string, CheckResult> = {};
    const failing: string[] = [];
    let judged: HealthState = "healthy";
    for (const [index, { name, vital }] of options.checks.entries()) {
      const result = results[index];
      if (result === undefined) continue;
      checks[name] = result;
      const failed = result.ok ? 0 : 1;
      const before = averages.get(name);
      const average =
        before === undefined
          ? { failures: failed, ms: result.ms }
          : {
              failures: before.failures + newest * (failed - before.failures),
              ms: before.ms + newest * (result.ms - before.ms),
            };
      averages.set(name, average);
      if (average.failures > failingShare) {
        failing.push(name);
        if (vital) judged = "unhealthy";
      }
      const isSlow = average.ms > options.serviceLevelMs;
      if (judged === "healthy" && (isSlow || average.failures > failingShare)) judged = "degraded";
    }
    if (judged !== state) {
      state = judged;
      options.onChange?.(state, failing);
    }
    return { state, checks };
  }

  return {
    report: () => {
      running ??= run().finally(() => {
        running = undefined;
      });
      return running;
    },
    state: () => state,
  };
}

async function measure(check: HealthCheck, timeoutMs: number): Promise<CheckResult> {
  const start = performance.now();
  const signal = AbortSignal.timeout(timeoutMs);
  const expired = new Promise<boolean>((resolve) => {
    signal.addEventListener("abort", () => resolve(false), { once: true });
  });
  const done = Promise.resolve()
    .then(() => check.check(signal))
    .then(
      () => true,
      () => false,
    );
  const ok = await Promise.race([done, expired]);
  return { ok, ms: Math.round((performance.now() - start) * 100) / 100 };
}
