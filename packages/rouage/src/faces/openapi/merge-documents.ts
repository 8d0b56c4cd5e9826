/** Makes one API description of several. */
import { uniqueIds } from "./names.ts";
import type { Paths } from "./types.ts";

export interface Part {
  /** Name of the service described; put before the names of schemas that mean something else elsewhere. */
  readonly source: string;
  readonly document: Readonly<Record<string, unknown>>;
}

type Components = Record<string, Record<string, unknown>>;

interface Parsed {
  readonly paths: Paths;
  readonly components: Components;
  readonly tags: readonly { readonly name: string }[];
  readonly servers: unknown;
}

/** Paths and components united; of a path described twice, the first description counts. `servers` are the first document's. */
export function mergeDocuments(
  info: { readonly name: string; readonly version: string; readonly summary?: string | undefined },
  parts: readonly Part[],
): Readonly<Record<string, unknown>> {
  const paths: Paths = {};
  const components: Components = {};
  const tags = new Map<string, unknown>();
  let servers: unknown;
  for (const part of parts) {
    const document = renamed(part, components.schemas ?? {});
    servers ??= document.servers;
    for (const [path, operations] of Object.entries(document.paths)) paths[path] ??= operations;
    for (const [kind, named] of Object.entries(document.components))
      components[kind] = { ...named, ...components[kind] };
    for (const tag of document.tags) if (!tags.has(tag.name)) tags.set(tag.name, tag);
  }
  uniqueIds(paths);
  return {
    openapi: "3.1.1",
    info: {
      title: info.name,
      version: info.version,
      ...(info.summary === undefined ? {} : { description: info.summary }),
    },
    servers: servers ?? [{ url: "/" }],
    tags: [...tags.values()],
    paths,
    components,
  };
}

/** A copy of the document in which no schema has the name of another one that differs. */
function renamed({ source, document }: Part, taken: Readonly<Record<string, unknown>>): Parsed {
  let text = JSON.stringify(document);
  const { components } = JSON.parse(text) as Parsed;
  const schemas = components.schemas ?? {};
  const names = Object.keys(schemas).filter(
    (name) => Object.hasOwn(taken, name) && JSON.stringify(taken[name]) !== JSON.stringify(schemas[name]),
  );
  for (const name of names)
    text = text.replaceAll(`"#/components/schemas/${name}"`, `"#/components/schemas/${source}.${name}"`);
  const parsed = JSON.parse(text) as Parsed;
  const own = parsed.components.schemas ?? {};
  for (const name of names) {
    own[`${source}.${name}`] = own[name];
    delete own[name];
  }
  return parsed;
}
