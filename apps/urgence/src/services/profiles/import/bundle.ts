/** A FHIR bundle, indexed: its resources, and references between them by full URL, relative id or containment. */
import { at, type Node, node, nodes, token, words } from "./json.ts";

export interface Entry {
  readonly resource: Node;
  readonly type: string;
  /** How the resource is called in reports: `Condition/c64139e7…`, else its full URL, else its place. */
  readonly source: string;
}

export interface BundleIndex {
  readonly bundle: Node;
  readonly entries: readonly Entry[];
  /** Entries that were not read because the bundle has too many. */
  readonly skipped: number;
  /** The resource that a Reference (or its text) of `from` means. */
  resolve(reference: unknown, from?: Node): Node | undefined;
}

/** More entries than any real record summary has; the body limit of the route bounds the bytes. */
export const maxEntries = 10_000;

/** Indexes a Bundle; undefined when the value is none. */
export function indexBundle(value: unknown): BundleIndex | undefined {
  const bundle = findBundle(value);
  const list = at(bundle, "entry");
  if (bundle === undefined || !Array.isArray(list)) return undefined;
  const byReference = new Map<string, Node>();
  const entries: Entry[] = [];
  for (const raw of list.slice(0, maxEntries)) {
    const resource = node(at(raw, "resource"));
    const type = token(at(resource, "resourceType"));
    if (resource === undefined || type === undefined) continue;
    const id = token(at(resource, "id"), 128);
    const fullUrl = token(at(raw, "fullUrl"), 512);
    const relative = id === undefined ? undefined : `${type}/${id}`;
    for (const key of [fullUrl, relative])
      if (key !== undefined && !byReference.has(key)) byReference.set(key, resource);
    entries.push({ resource, type, source: relative ?? fullUrl ?? `${type} (entry ${entries.length + 1})` });
  }
  const resolve = (reference: unknown, from?: Node) => {
    const text = typeof reference === "string" ? reference : at(reference, "reference");
    if (typeof text !== "string" || text.length > 1024) return undefined;
    if (text.startsWith("#")) return nodes(at(from, "contained")).find((inner) => at(inner, "id") === text.slice(1));
    // Absolute, versioned and relative forms of the same reference.
    const bare = text.replace(/\/_history\/[^/]*$/, "");
    return byReference.get(bare) ?? byReference.get(bare.split("/").slice(-2).join("/")) ?? byUuid(bare);
  };
  const byUuid = (text: string) => {
    const id = /^(?:[A-Za-z]+\/|urn:uuid:)([0-9a-f-]{36})$/i.exec(text)?.[1];
    return id === undefined ? undefined : byReference.get(`urn:uuid:${id}`);
  };
  return { bundle, entries, skipped: Math.max(0, list.length - maxEntries), resolve };
}

/** The bundle itself, or the one inside Urgence's own export. */
function findBundle(value: unknown): Node | undefined {
  for (const candidate of [value, at(value, "ips"), at(value, "data", "ips")]) {
    if (at(candidate, "resourceType") === "Bundle") return node(candidate);
  }
  return undefined;
}

export interface Coding {
  readonly system: string;
  readonly code: string;
  readonly display?: string;
}

/** The usable codings of a CodeableConcept or Coding, at most 20. */
export function codings(concept: unknown): readonly Coding[] {
  const list = at(concept, "coding") === undefined ? nodes(concept) : nodes(at(concept, "coding"));
  return list.slice(0, 20).flatMap((coding) => {
    const system = token(at(coding, "system"), 256);
    const code = token(at(coding, "code"), 64);
    const display = words(at(coding, "display"), 300);
    if (system === undefined || code === undefined) return [];
    return [display === undefined ? { system, code } : { system, code, display }];
  });
}

/** The words of a CodeableConcept: its text, else the first display. SNOMED CT's semantic tags are left off. */
export function conceptText(concept: unknown, max = 500): string | undefined {
  const said =
    words(at(concept, "text"), max) ??
    nodes(at(concept, "coding"))
      .slice(0, 20)
      .map((coding) => words(at(coding, "display"), max))
      .find((display) => display !== undefined) ??
    words(at(concept, "display"), max);
  if (said === undefined) return undefined;
  return words(said.replace(semanticTag, ""), max) ?? said;
}

const semanticTag =
  / \((disorder|finding|situation|procedure|substance|product|medicinal product|clinical drug|physical object|morphologic abnormality|event|observable entity)\)$/;

/** Only the codes of a concept that says something about its status (`clinicalStatus`). */
export function statusCode(concept: unknown): string | undefined {
  return typeof concept === "string" ? token(concept) : codings(concept)[0]?.code;
}
