/** Fills an empty store from the lines of a dump, with the same ids, revisions, owners, permissions and groups. */
import { type Static, Type } from "typebox";
import { Compile } from "typebox/compile";
import { type Change, CommitConflict, type Storage } from "./storage.ts";

export interface LoadOptions {
  /** Names of the resources that the dump may hold; they must be defined. */
  readonly resources: readonly string[];
  /** Those whose log entries do not keep bodies. */
  readonly withoutLogBodies?: ReadonlySet<string>;
  /** Called after every commit. */
  readonly progress?: (done: number, total: number) => void;
}

export interface Loaded {
  readonly service: string;
  readonly objects: number;
  readonly tombstones: number;
}

/** The dump is not one, is cut off, or holds what this store cannot take. Nothing of it is left in the store. */
export class LoadError extends Error {
  override readonly name = "LoadError";
  constructor(line: number, problem: string, cause?: unknown) {
    super(line === 0 ? problem : `line ${line}: ${problem}`, cause === undefined ? undefined : { cause });
  }
}

/**
 * Every object becomes an entry `create` of the log, so that what follows the log sees it.
 * @throws LoadError naming the line
 */
export async function loadLines(
  lines: AsyncIterable<string> | Iterable<string>,
  storage: Storage,
  options: LoadOptions,
): Promise<Loaded> {
  const totals = await storage.totals();
  const filled = totals.find(({ objects, tombstones }) => objects + tombstones > 0);
  if (filled !== undefined)
    throw new LoadError(0, `the store is not empty: it has ${filled.objects} objects of ${filled.resource}`);
  try {
    return await fill(lines, storage, options);
  } catch (error) {
    // It was empty before: a part of a dump is worth less than none.
    await storage.flush();
    throw error;
  }
}

/** One commit takes at most so many lines, and characters. */
const largestCommit = { changes: 500, size: 4_000_000 };

async function fill(
  lines: AsyncIterable<string> | Iterable<string>,
  storage: Storage,
  { resources, withoutLogBodies = new Set(), progress }: LoadOptions,
): Promise<Loaded> {
  const known = new Set(resources);
  const counts = { object: 0, tombstone: 0 };
  let header: (Static<typeof dumpLine> & { readonly kind: "header" }) | undefined;
  let end: (Static<typeof dumpLine> & { readonly kind: "end" }) | undefined;
  let changes: Change[] = [];
  let size = 0;
  let number = 0;

  const flush = async (): Promise<void> => {
    try {
      if (changes.length > 0) await storage.commit(changes);
    } catch (error) {
      if (!(error instanceof CommitConflict)) throw error;
      const change = changes[error.change];
      const what = change !== undefined && "key" in change && "id" in change.key ? ` (${change.key.id})` : "";
      throw new LoadError(number, `${error.message}${what}`, error);
    }
    changes = [];
    size = 0;
    if (header !== undefined) progress?.(counts.object + counts.tombstone, header.objects + header.tombstones);
  };

  for await (const text of lines) {
    number++;
    if (text.trim() === "") continue;
    if (end !== undefined) throw new LoadError(number, "something follows the end of the dump");
    const line = parsed(text, number);
    if (header === undefined) {
      if (line.kind !== "header") throw new LoadError(number, "a dump begins with its header");
      header = line;
      continue;
    }
    if ("resource" in line && !known.has(line.resource))
      throw new LoadError(number, `the service has no resource ${line.resource}`);
    if (line.kind === "end") end = line;
    else if (line.kind === "header") throw new LoadError(number, "a second header");
    else {
      if (line.kind === "object" || line.kind === "tombstone") counts[line.kind]++;
      changes.push(changeOf(line, withoutLogBodies));
      size += text.length;
      if (changes.length >= largestCommit.changes || size >= largestCommit.size) await flush();
    }
  }
  if (header === undefined) throw new LoadError(0, "there is nothing to load");
  if (end === undefined) throw new LoadError(0, `the dump is cut off after line ${number}`);
  if (end.objects !== counts.object || end.tombstones !== counts.tombstone)
    throw new LoadError(
      number,
      `${counts.object + counts.tombstone} entries came, ${end.objects + end.tombstones} were announced`,
    );
  await flush();
  return { service: header.service, objects: counts.object, tombstones: counts.tombstone };
}

const text = Type.String();
const whole = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const place = { resource: text, parent: text };
const dumpLine = Type.Union([
  Type.Object({
    kind: Type.Literal("header"),
    format: Type.Literal(1),
    service: text,
    version: text,
    time: text,
    objects: whole,
    tombstones: whole,
  }),
  Type.Object({ kind: Type.Literal("list"), ...place, revision: whole, purged: whole }),
  Type.Object({
    kind: Type.Literal("object"),
    ...place,
    id: text,
    revision: whole,
    owner: Type.Optional(text),
    permissions: Type.Optional(Type.Record(text, Type.Array(text))),
    body: Type.Record(text, Type.Unknown()),
  }),
  Type.Object({ kind: Type.Literal("tombstone"), ...place, id: text, revision: whole }),
  Type.Object({ kind: Type.Literal("group"), group: text, members: Type.Array(text) }),
  Type.Object({ kind: Type.Literal("end"), objects: whole, tombstones: whole }),
]);
const validator = Compile(dumpLine);

function parsed(text: string, number: number): Static<typeof dumpLine> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new LoadError(number, "not JSON", error);
  }
  if (validator.Check(value)) return value;
  const format = (value as { readonly format?: unknown } | null)?.format;
  if (typeof format === "number" && format !== 1)
    throw new LoadError(number, `the dump has format ${format}; this version reads format 1`);
  throw new LoadError(number, "not a line of a dump");
}

function changeOf(
  line: Exclude<Static<typeof dumpLine>, { readonly kind: "header" | "end" }>,
  withoutLogBodies: ReadonlySet<string>,
): Change {
  switch (line.kind) {
    case "list":
      return {
        kind: "list",
        key: { resource: line.resource, parent: line.parent },
        revision: line.revision,
        purged: line.purged,
      };
    case "tombstone":
      return {
        kind: "tombstone",
        key: { resource: line.resource, parent: line.parent, id: line.id },
        revision: line.revision,
      };
    case "group":
      return { kind: "members", group: line.group, members: line.members };
    case "object":
      return {
        kind: "put",
        key: { resource: line.resource, parent: line.parent, id: line.id },
        body: JSON.stringify(line.body),
        expect: { kind: "absent" },
        revision: line.revision,
        ...(line.owner === undefined ? {} : { owner: line.owner }),
        ...(line.permissions === undefined ? {} : { permissions: line.permissions }),
        ...(withoutLogBodies.has(line.resource) ? { logBody: false } : {}),
      };
  }
}
