/** A JSON Schema as a TypeScript type. What a type cannot say (lengths, patterns) is left out; what is not understood is `unknown`. */

type Values = Readonly<Record<string, unknown>>;

export function typeOf(schema: unknown, indent = ""): string {
  if (typeof schema !== "object" || schema === null) return schema === false ? "never" : "unknown";
  const values = schema as Values;
  if ("const" in values) return JSON.stringify(values.const);
  if (Array.isArray(values.enum)) return union(values.enum.map((value) => JSON.stringify(value)));
  const alternatives = values.anyOf ?? values.oneOf;
  if (Array.isArray(alternatives)) return union(alternatives.map((each) => typeOf(each, indent)));
  if (Array.isArray(values.allOf)) return values.allOf.map((each) => `(${typeOf(each, indent)})`).join(" & ");
  if (Array.isArray(values.type)) return union(values.type.map((type) => typeOf({ ...values, type }, indent)));
  switch (values.type) {
    case "string":
      return "string";
    case "integer":
    case "number":
      return "number";
    case "boolean":
      return "boolean";
    case "null":
      return "null";
    case "array":
      return arrayType(values, indent);
    case "object":
      return objectType(values, indent);
    default:
      return values.properties === undefined ? "unknown" : objectType(values, indent);
  }
}

/** The body of an interface or object type, braces included. */
export function objectType(schema: Values, indent = ""): string {
  const properties = Object.entries((schema.properties ?? {}) as Values);
  const required = new Set((schema.required ?? []) as readonly string[]);
  const inner = `${indent}  `;
  const lines = properties.flatMap(([name, property]) => [
    ...comment(property, inner),
    `${inner}readonly ${key(name)}${required.has(name) ? "" : "?"}: ${typeOf(property, inner)};`,
  ]);
  const [pattern] = Object.values((schema.patternProperties ?? {}) as Values);
  const { additionalProperties: more } = schema;
  if (pattern !== undefined && properties.length === 0)
    lines.push(`${inner}readonly [key: string]: ${typeOf(pattern, inner)};`);
  else if (more === true || pattern !== undefined || (typeof more === "object" && properties.length > 0))
    lines.push(`${inner}readonly [key: string]: unknown;`);
  else if (typeof more === "object") lines.push(`${inner}readonly [key: string]: ${typeOf(more, inner)};`);
  if (lines.length > 0) return `{\n${lines.join("\n")}\n${indent}}`;
  // An empty object type would take anything that is not null.
  return more === false ? "Readonly<Record<string, never>>" : "Readonly<Record<string, unknown>>";
}

/** A description as a comment in front of what it describes. */
export function comment(schema: unknown, indent: string): readonly string[] {
  const { description } = (typeof schema === "object" && schema !== null ? schema : {}) as Values;
  if (typeof description !== "string" || description === "") return [];
  return [`${indent}/** ${description.replaceAll("*/", "*\\/").replaceAll(/\s+/g, " ")} */`];
}

function arrayType({ items, prefixItems, additionalItems }: Values, indent: string): string {
  const tuple = prefixItems ?? (Array.isArray(items) ? items : undefined);
  if (!Array.isArray(tuple)) return `readonly ${bracketed(typeOf(items, indent))}[]`;
  const rest = prefixItems === undefined ? additionalItems : items;
  const open = rest === false || rest === undefined ? [] : [`...${bracketed(typeOf(rest, indent))}[]`];
  return `readonly [${[...tuple.map((item) => typeOf(item, indent)), ...open].join(", ")}]`;
}

function bracketed(type: string): string {
  return /^[\w"]+$/.test(type) || type.startsWith("{") ? type : `(${type})`;
}

function union(types: readonly string[]): string {
  const distinct = [...new Set(types)];
  if (distinct.includes("unknown")) return "unknown";
  return distinct.length === 0
    ? "never"
    : distinct.map((type) => (type.includes("=>") ? `(${type})` : type)).join(" | ");
}

function key(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}
