/** Turns what a client sent into the object to store: policies on fields, defaults, validation, computed fields, in this order. */
import { invalid, ServiceError, type Violation, violationError } from "../errors.ts";
import type { Principal } from "../principal.ts";
import { define, holderOf, isPlainObject, isSame, valueAt } from "../schema/fields.ts";
import type { Fields } from "../schema/shape.ts";
import { isWithinDepth, textViolations } from "../schema/text.ts";
import { maxViolations } from "../schema/validator.ts";
import type { StoredObject } from "../storage/storage.ts";
import { type AccessSubject, decide, type Rule } from "./access.ts";
import type { Plan } from "./plan.ts";
import { objectOf, subjectOf } from "./plan.ts";
import { allows } from "./rules.ts";
import type { Visibility } from "./visibility.ts";
import { usableWish } from "./wish.ts";

/** What a body says beside the object's fields. */
export interface Posted {
  readonly fields: Fields;
  /** As sent; undefined when absent. */
  readonly id: unknown;
  /** A revision the client wishes; undefined when absent or not usable. */
  readonly revision: number | undefined;
}

export interface InputOptions {
  readonly principal: Principal;
  readonly id: string;
  readonly stored: StoredObject | undefined;
  /** True: fields absent from a replacement that the client could not have sent keep their value. */
  readonly keep: boolean;
  /** What else is wrong with the request. Default: nothing. */
  readonly violations?: readonly Violation[];
}

export interface Prepared {
  readonly next: Fields;
  readonly body: string;
}

export interface Input {
  /** Splits posted data. @throws ServiceError `invalid-parameters` when it is not an object */
  split(data: unknown): Posted;
  /** The object to store, checked. @throws ServiceError `invalid-parameters` with every violation, `body-too-large` */
  prepare(fields: Fields, options: InputOptions): Prepared;
  /** An object that a hook made of an accepted one, checked like a client's but free of the client's limits on fields. */
  accept(object: Fields, accepted: Fields, id: string): Prepared;
}

export function inputOf(plan: Plan, visibility: Visibility): Input {
  const { shape, dependencies, fieldRules } = plan;
  const { clock } = dependencies;
  const writeRules = fieldRules.filter((rules) => rules.write !== undefined);

  function finish(next: Fields, id: string, earlier: readonly Violation[]): Prepared {
    const violations = [...earlier, ...shape.violations(next)];
    if (violations.length === 0) violations.push(...shape.compute(next, { id, now: clock.now() }));
    if (violations.length > 0) throw invalid(...violations.slice(0, maxViolations));
    const body = JSON.stringify(next);
    const unfit = textViolations(body, next);
    if (unfit.length > 0) throw violationError("invalid-parameters", unfit);
    if (body.length > plan.bodyLimit) throw new ServiceError("body-too-large");
    return { next, body };
  }

  /** Unknown fields by policy; what the object already had may come back as it was. */
  function sift(fields: Fields, previous: Fields | undefined, violations: Violation[]): Fields {
    const next: Fields = {};
    for (const key of Object.keys(fields)) {
      const value = fields[key];
      if (value === undefined) continue;
      if (key === "deleted" && shape.unknownFields === "keep")
        violations.push({
          location: "body",
          name: key,
          description: "deleted is reserved for tombstones",
          code: "field-name",
        });
      else if (shape.known.has(key) || shape.unknownFields === "keep") define(next, key, value);
      else if (shape.unknownFields === "reject") {
        if (previous !== undefined && Object.hasOwn(previous, key) && isSame(previous[key], value))
          define(next, key, value);
        else if (violations.length < maxViolations)
          violations.push({ location: "body", name: key, description: "Unknown field", code: "unknown-field" });
      }
    }
    return next;
  }

  return {
    split(data) {
      if (!isPlainObject(data))
        throw invalid({ location: "body", name: "data", description: "Must be an object", code: "type" });
      if (!isWithinDepth(data, plan.bodyDepth))
        throw invalid({ location: "body", name: null, description: "Nested too deeply", code: "max-depth" });
      const { id, last_modified: wished, ...fields } = data;
      return { fields, id, revision: usableWish(wished, clock.now()) };
    },

    prepare(fields, { principal, id, stored, keep, violations: earlier = [] }) {
      const violations: Violation[] = [...earlier];
      const previous = stored === undefined ? undefined : objectOf(stored);
      let next = sift(fields, previous, violations);

      const supplied = [...shape.computed]
        .filter((field) => Object.hasOwn(next, field))
        .map((field) => [field, next[field]]);
      for (const field of shape.computed) delete next[field];

      const subject = stored === undefined ? undefined : subjectOf(principal, stored);
      for (const { field, write = [] } of writeRules) {
        // Rules on objects see a new object when it is known to fit its type.
        const decision = decide(write, principal);
        if (subject === undefined ? decision !== false : isAllowed(write, subject)) continue;
        const isUnseen = stored !== undefined && visibility.isHidden(field, stored, principal);
        const isUntouched = !isUnseen && previous !== undefined && isSame(next[field], previous[field]);
        if (Object.hasOwn(next, field) ? !isUntouched : !keep && !isUnseen && previous?.[field] !== undefined)
          violations.push(readOnly(field));
      }

      if (stored !== undefined && previous !== undefined) {
        for (const path of shape.writeOnly) restore(next, previous, path);
        for (const { field } of fieldRules)
          if (visibility.isHidden(field, stored, principal)) restore(next, previous, [field]);
        if (keep) {
          for (const path of shape.readOnly) restore(next, previous, path);
          for (const { field, write = [] } of writeRules)
            if (subject !== undefined && !isAllowed(write, subject)) restore(next, previous, [field]);
        }
      }
      // Before defaults: a read-only field that the schema gained later gets its default without a complaint.
      if (previous !== undefined)
        for (const path of shape.readOnly)
          if (!shape.computed.has(path[0] ?? "") && !isSame(valueAt(next, path), valueAt(previous, path)))
            violations.push(readOnly(path.join(".")));
      next = shape.withDefaults(next);
      for (const field of shape.computed) delete next[field];

      const prepared = finish(next, id, violations);
      for (const [field, value] of supplied as [string, unknown][])
        if (!isSame(value, next[field]) && !(previous !== undefined && isSame(value, previous[field])))
          violations.push(readOnly(field));
      if (stored === undefined) {
        const created = { principal, id, owner: principal.id, object: prepared.next };
        for (const { field, write = [] } of writeRules)
          if (Object.hasOwn(fields, field) && !isAllowed(write, created)) violations.push(readOnly(field));
      }
      if (violations.length > 0) throw violationError("invalid-parameters", violations);
      return prepared;
    },

    accept(object, accepted, id) {
      const violations: Violation[] = [];
      const { fields } = this.split(object);
      const next = sift(fields, accepted, violations);
      for (const field of shape.computed) delete next[field];
      return finish(next, id, violations);
    },
  };
}

function isAllowed(rules: readonly Rule[], subject: AccessSubject<Fields>): boolean {
  const decision = decide(rules, subject.principal);
  return decision === "object" ? allows(rules, subject) : decision;
}

/** Puts a field back that the new object lacks, where the object around it is still there. */
function restore(next: Fields, previous: Fields, path: readonly string[]): void {
  const key = path.at(-1) ?? "";
  const before = holderOf(previous, path);
  const holder = holderOf(next, path);
  if (before === undefined || holder === undefined) return;
  if (Object.hasOwn(before, key) && !Object.hasOwn(holder, key)) define(holder, key, before[key]);
}

function readOnly(field: string): Violation {
  return { location: "body", name: field, description: `Cannot modify ${field}`, code: "read-only" };
}
