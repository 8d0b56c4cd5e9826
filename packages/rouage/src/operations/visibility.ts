/** What a caller sees of an object: everything but write-only fields and fields closed to them. Decided once, in one place. */
import { invalid } from "../errors.ts";
import type { Principal } from "../principal.ts";
import { define, holderOf, isPlainObject } from "../schema/fields.ts";
import type { Fields } from "../schema/shape.ts";
import type { Filter, Sort } from "../storage/filter.ts";
import { renderEntry, renderObject, type StoredEntry, type StoredObject } from "../storage/storage.ts";
import { decide } from "./access.ts";
import { type FieldRules, objectOf, type Plan, subjectOf } from "./plan.ts";
import { allows } from "./rules.ts";

export interface Visibility {
  /** Nothing is ever hidden: the stored text can be sent as it is. */
  readonly isTransparent: boolean;
  /** JSON text of the entry as this caller may see it; with `fields`, only those and the meta fields. */
  render(stored: StoredEntry, principal: Principal, fields?: readonly string[]): string;
  /** Removes what this caller may not see, in place. */
  hide(object: Fields, stored: StoredObject, principal: Principal): void;
  /** True when this caller may not see the field of this object. */
  isHidden(field: string, stored: StoredObject, principal: Principal): boolean;
  /** Refuses fields that are unknown, or hidden from this caller on any object. */
  assertQueryable(query: QueriedFields, principal: Principal): void;
}

export interface QueriedFields {
  readonly filter?: Filter | undefined;
  readonly sort?: readonly Sort[] | undefined;
  readonly fields?: readonly string[] | undefined;
}

export function visibilityOf({ fieldRules, shape }: Plan): Visibility {
  const guarded = fieldRules.filter((rules) => rules.read !== undefined);
  const { writeOnly } = shape;
  const isTransparent = writeOnly.length === 0 && guarded.length === 0;
  const isClosed = shape.unknownFields !== "keep";

  const visibility: Visibility = {
    isTransparent,

    render(stored, principal, fields) {
      if (stored.kind === "tombstone") return renderEntry(stored);
      if (isTransparent && fields === undefined) return renderObject(stored);
      const object = objectOf(stored);
      visibility.hide(object, stored, principal);
      return JSON.stringify(fields === undefined ? object : project(object, ["id", "last_modified", ...fields]));
    },

    hide(object, stored, principal) {
      for (const path of writeOnly) {
        const holder = holderOf(object, path);
        if (holder !== undefined) delete holder[path.at(-1) ?? ""];
      }
      for (const rules of guarded) if (isClosedTo(rules, stored, principal)) delete object[rules.field];
    },

    isHidden(field, stored, principal) {
      return (
        writeOnly.some((path) => path.length === 1 && path[0] === field) ||
        guarded.some((rules) => rules.field === field && isClosedTo(rules, stored, principal))
      );
    },

    assertQueryable({ filter, sort = [], fields = [] }, principal) {
      // An "object" decision hides too: a filter would tell the field's value on objects where it is closed.
      const closed = guarded.filter(({ read = [] }) => decide(read, principal) !== true).map(({ field }) => field);
      const hidden = [...writeOnly.map((path) => path.join(".")), ...closed];
      const isUnknown = (field: string) =>
        isClosed && !shape.known.has(field.split(".", 1)[0] ?? "") && !shape.known.has(field);
      const refused = (field: string) =>
        !metaFields.has(field) && (isUnknown(field) || hidden.some((other) => overlaps(field, other)));
      const complain = (name: string, what: string) =>
        invalid({ location: "querystring", name, description: `Unknown ${what} field`, code: "unknown-field" });
      for (const field of filteredFields(filter)) if (refused(field)) throw complain(field, "filter");
      for (const { field } of sort) if (refused(field)) throw complain(field, "sort");
      for (const field of fields) if (refused(field)) throw complain("_fields", "projected");
    },
  };
  return visibility;
}

const metaFields: ReadonlySet<string> = new Set(["id", "last_modified", "deleted"]);

function isClosedTo({ read = [] }: FieldRules, stored: StoredObject, principal: Principal): boolean {
  return !allows(read, subjectOf(principal, stored));
}

function overlaps(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}.`) || b.startsWith(`${a}.`);
}

function* filteredFields(filter: Filter | undefined): Iterable<string> {
  if (filter === undefined || filter.kind === "owner" || filter.kind === "shared") return;
  if (filter.kind === "and" || filter.kind === "or") for (const inner of filter.filters) yield* filteredFields(inner);
  else if (filter.kind === "not") yield* filteredFields(filter.filter);
  else yield filter.field;
}

/** The object with these dotted paths only; a literal key with dots wins over nesting. */
export function project(object: Fields, paths: readonly string[]): Fields {
  const result: Fields = {};
  for (const path of paths) copyPath(object, path, result);
  return result;
}

function copyPath(from: Fields, path: string, to: Fields): void {
  if (Object.hasOwn(from, path)) {
    define(to, path, from[path]);
    return;
  }
  const dot = path.indexOf(".");
  if (dot === -1) return;
  const head = path.slice(0, dot);
  const inner = Object.hasOwn(from, head) ? from[head] : undefined;
  if (!isPlainObject(inner)) return;
  const target = Object.hasOwn(to, head) ? to[head] : {};
  if (!isPlainObject(target) || target === inner) return;
  copyPath(inner, path.slice(dot + 1), target);
  if (!Object.hasOwn(to, head)) define(to, head, target);
}
