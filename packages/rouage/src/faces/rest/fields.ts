/** What a resource's schema says about fields named in a query: which exist, and which may not be asked about. */
import { decide } from "../../operations/access.ts";
import type { Principal } from "../../principal.ts";
import type { Resource } from "../../resource.ts";

export interface Fields {
  /**
   * Whether the caller may filter, sort and project on this path. A field that is never sent to the caller is treated like one that does
   * not exist: a filter on it would tell its value.
   */
  usable(path: string, principal: Principal): boolean;
  /** The schema has a field of exactly this name. */
  declared(name: string): boolean;
}

/** Prepared once at start. */
export function fieldsOf(resource: Resource): Fields {
  const { schema, unknownFields, fieldAccess } = resource.options;
  const root = schema as Shape;
  const properties = root.properties ?? {};
  const shape: Shape = { properties, additionalProperties: unknownFields === "keep" };
  const guarded = new Map(
    Object.entries(fieldAccess ?? {}).flatMap(([name, { read } = {}]) => (read ? [[name, read]] : [])),
  );
  const known = new Map<string, boolean>();

  function isKnown(path: string): boolean {
    let answer = known.get(path);
    if (answer === undefined) {
      answer = resolve(shape, path);
      if (known.size < rememberedPaths) known.set(path, answer);
    }
    return answer;
  }

  return {
    declared: (name) => Object.hasOwn(properties, name),
    usable(path, principal) {
      if (path === "id" || path === "last_modified" || path === "deleted") return true;
      if (!isKnown(path)) return false;
      if (guarded.size === 0) return true;
      for (const [name, rules] of guarded)
        if ((path === name || path.startsWith(`${name}.`)) && decide(rules, principal) !== true) return false;
      return true;
    },
  };
}

const rememberedPaths = 1000;

/** The parts of a JSON Schema that matter here. */
interface Shape {
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly additionalProperties?: boolean | Shape;
  readonly writeOnly?: boolean;
}

function resolve(shape: Shape, path: string): boolean {
  const properties = shape.properties;
  if (properties === undefined) return !hides(shape);
  // A literal key with dots wins over nesting, the longest first.
  for (let end = path.length; end > 0; end = path.lastIndexOf(".", end - 1)) {
    const key = path.slice(0, end);
    if (!Object.hasOwn(properties, key)) continue;
    const property = properties[key];
    if (property === undefined || property.writeOnly === true) return false;
    return end === path.length ? !hides(property) : resolve(property, path.slice(end + 1));
  }
  return shape.additionalProperties !== false && !hides({ additionalProperties: shape.additionalProperties ?? true });
}

/** True when some part of the schema is write-only. */
function hides(schema: unknown, depth = 0): boolean {
  if (typeof schema !== "object" || schema === null || depth > 64) return false;
  if ((schema as Shape).writeOnly === true) return true;
  return Object.values(schema).some((part) => hides(part, depth + 1));
}
