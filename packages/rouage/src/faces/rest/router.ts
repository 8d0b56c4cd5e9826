/**
 * Finds what is registered for a method and a path. A trie over path segments, matched on the percent-decoded text; knows
 * nothing of what it finds. Measured against rou3 on this job: 1.4 to 2 times as fast, and `%2F` stays inside its segment.
 */

export interface Router<T> {
  /** `path` starts with `/` and may hold `{name}` parameters, alone in a segment or beside text (`{id}@{time}`). */
  add(method: string, path: string, value: T): void;
  /** Literal text wins over parameters, segment by segment from the left. */
  find(method: string, path: string): Match<T> | undefined;
  /** What is registered for this path under any method; the first match of each method. */
  all(path: string): ReadonlyMap<string, T>;
}

export interface Match<T> {
  readonly value: T;
  /** Decoded path parameters. */
  readonly params: Readonly<Record<string, string>>;
}

export function createRouter<T>(): Router<T> {
  const root = createNode<T>();

  return {
    add(method, path, value) {
      const names: string[] = [];
      let node = root;
      for (const segment of path.split("/").slice(1)) node = childFor(node, segment, names);
      const existing = node.methods?.get(method);
      if (existing !== undefined) throw new Error(`${method} ${path} is registered twice`);
      node.methods ??= new Map();
      node.methods.set(method, { value, names });
    },

    find(method, path) {
      const text = path.includes("%") ? decodePath(path) : path;
      const values: string[] = [];
      const entry = walk(root, text, 1, method, values);
      return entry === undefined ? undefined : { value: entry.value, params: paramsOf(entry.names, values) };
    },

    all(path) {
      const found = new Map<string, T>();
      collect(root, path.includes("%") ? decodePath(path) : path, 1, found);
      return found;
    },
  };
}

/** The path with each segment decoded; a decoded slash becomes a NUL (which no path may hold), so that it does not split. */
function decodePath(path: string): string {
  return path
    .split("/")
    .map((segment) => decodeURIComponent(segment).replaceAll("/", "\0"))
    .join("/");
}

interface Entry<T> {
  readonly value: T;
  readonly names: readonly string[];
}

interface Node<T> {
  readonly literals: Map<string, Node<T>>;
  readonly patterns: { readonly source: string; readonly regexp: RegExp; readonly node: Node<T> }[];
  parameter: Node<T> | undefined;
  methods: Map<string, Entry<T>> | undefined;
}

function createNode<T>(): Node<T> {
  return { literals: new Map(), patterns: [], parameter: undefined, methods: undefined };
}

const noParams: Readonly<Record<string, string>> = Object.freeze({});

function childFor<T>(node: Node<T>, segment: string, names: string[]): Node<T> {
  if (!segment.includes("{")) {
    const child = node.literals.get(segment) ?? createNode<T>();
    node.literals.set(segment, child);
    return child;
  }
  const found = [...segment.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? "");
  for (const name of found) {
    if (names.includes(name)) throw new Error(`parameter {${name}} appears twice in a path`);
    names.push(name);
  }
  if (/^\{\w+\}$/.test(segment)) {
    node.parameter ??= createNode();
    return node.parameter;
  }
  const source = segment
    .split(/\{\w+\}/)
    .map((text) => RegExp.escape(text))
    .join("(.+)");
  let pattern = node.patterns.find((candidate) => candidate.source === source);
  if (pattern === undefined) {
    pattern = { source, regexp: new RegExp(`^${source}$`, "s"), node: createNode() };
    node.patterns.push(pattern);
  }
  return pattern.node;
}

function walk<T>(node: Node<T>, path: string, from: number, method: string, values: string[]): Entry<T> | undefined {
  if (from > path.length) return node.methods?.get(method);
  const slash = path.indexOf("/", from);
  const end = slash === -1 ? path.length : slash;
  const segment = path.slice(from, end);
  // Looking a long id up in an empty map would still hash it.
  const literal = node.literals.size === 0 ? undefined : node.literals.get(segment);
  if (literal !== undefined) {
    const entry = walk(literal, path, end + 1, method, values);
    if (entry !== undefined) return entry;
  }
  if (segment === "") return undefined;
  for (const { regexp, node: next } of node.patterns) {
    const match = regexp.exec(segment);
    if (match === null) continue;
    const before = values.length;
    for (let index = 1; index < match.length; index++) values.push(match[index] ?? "");
    const entry = walk(next, path, end + 1, method, values);
    if (entry !== undefined) return entry;
    values.length = before;
  }
  if (node.parameter === undefined) return undefined;
  values.push(segment);
  const entry = walk(node.parameter, path, end + 1, method, values);
  if (entry === undefined) values.pop();
  return entry;
}

function collect<T>(node: Node<T>, path: string, from: number, found: Map<string, T>): void {
  if (from > path.length) {
    for (const [method, { value }] of node.methods ?? []) if (!found.has(method)) found.set(method, value);
    return;
  }
  const slash = path.indexOf("/", from);
  const end = slash === -1 ? path.length : slash;
  const segment = path.slice(from, end);
  const literal = node.literals.get(segment);
  if (literal !== undefined) collect(literal, path, end + 1, found);
  if (segment === "") return;
  for (const { regexp, node: next } of node.patterns) if (regexp.test(segment)) collect(next, path, end + 1, found);
  if (node.parameter !== undefined) collect(node.parameter, path, end + 1, found);
}

function paramsOf(names: readonly string[], values: readonly string[]): Readonly<Record<string, string>> {
  if (names.length === 0) return noParams;
  const params: Record<string, string> = {};
  for (let index = 0; index < names.length; index++) {
    const value = values[index] ?? "";
    params[names[index] ?? ""] = value.includes("\0") ? value.replaceAll("\0", "/") : value;
  }
  return params;
}
