/** What a verification has found: violations up to a bound, each named once, and what could not be looked at. */
import type { ObjectKey, Violation } from "../storage.ts";

export interface Report {
  /** @throws Enough when there are as many as are wanted */
  add(violation: Violation): void;
  skip(message: string): void;
  readonly violations: readonly Violation[];
  readonly skipped: readonly string[];
  /** Takes back those for which `holds` says no. */
  recheck(holds: (violation: Violation) => Promise<boolean>): Promise<void>;
}

/** Nothing more is looked for. */
export class Enough extends Error {}

export function newReport(most: number): Report {
  const found = new Map<string, Violation>();
  const skipped = new Set<string>();
  return {
    add(violation) {
      const { rule, resource, parent, id, message } = violation;
      found.set(JSON.stringify([rule, resource, parent, id, rule === "state" ? "" : message]), violation);
      if (found.size >= most) throw new Enough();
    },
    skip: (message) => void skipped.add(message),
    get violations() {
      return [...found.values()];
    },
    get skipped() {
      return [...skipped];
    },
    async recheck(holds) {
      for (const [name, violation] of found) if (!(await holds(violation))) found.delete(name);
    },
  };
}

/** The violation, where it is one of an object's state. */
export function keyOf({ rule, resource, parent, id }: Violation): ObjectKey | undefined {
  if (rule !== "state" || resource === undefined || parent === undefined || id === undefined) return undefined;
  return { resource, parent, id };
}
