/** Makes one AsyncAPI description of several. */

type Named = Readonly<Record<string, unknown>>;
type Document = {
  readonly info: unknown;
  readonly servers?: unknown;
  readonly channels: Named;
  readonly operations: Named;
  readonly components: Readonly<Record<string, Named>>;
};

export interface AsyncapiPart {
  /** Name of the service described; put before the names of what is called alike elsewhere. */
  readonly source: string;
  readonly document: Readonly<Record<string, unknown>>;
}

/** Channels, operations and components united under the first document's `info` and servers. */
export function mergeAsyncapi(parts: readonly AsyncapiPart[]): Readonly<Record<string, unknown>> {
  const [first] = parts;
  const channels: Record<string, unknown> = {};
  const operations: Record<string, unknown> = {};
  const components: Record<string, Record<string, unknown>> = {};
  for (const part of parts) {
    const isTaken = Object.keys((part.document as Document).channels).some((name) => Object.hasOwn(channels, name));
    const document = isTaken ? renamed(part) : (part.document as Document);
    Object.assign(channels, document.channels);
    Object.assign(operations, document.operations);
    for (const [kind, named] of Object.entries(document.components))
      components[kind] = { ...components[kind], ...named };
  }
  return { ...first?.document, channels, operations, components };
}

/** Every channel, operation, message and schema of the document with the service's name before its own; security schemes mean the same everywhere. */
function renamed({ source, document }: AsyncapiPart): Document {
  const text = JSON.stringify(document).replaceAll(
    /"#\/(channels|components\/messages|components\/schemas)\//g,
    `"#/$1/${source}.`,
  );
  const { channels, operations, components, ...rest } = JSON.parse(text) as Document;
  const prefixed = (named: Named = {}) =>
    Object.fromEntries(Object.entries(named).map(([name, value]) => [`${source}.${name}`, value]));
  return {
    ...rest,
    channels: prefixed(channels),
    operations: prefixed(operations),
    components: { ...components, messages: prefixed(components.messages), schemas: prefixed(components.schemas) },
  };
}
