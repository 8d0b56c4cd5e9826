/** Ids that the server makes: `{resource}_id_generator`, or `id_generator` for all. */
import { randomBytes, randomUUID } from "node:crypto";
import type { ObjectKind } from "./object-kind.ts";
import type { SettingsReader } from "./reader.ts";

/** Undefined: the toolkit's own. */
export type Generators = Readonly<Record<ObjectKind, (() => string) | undefined>>;

export function readGenerators(reader: SettingsReader): Generators {
  const general = reader.text("id_generator");
  const of = (kind: ObjectKind, initial: (() => string) | undefined) => {
    const key = `${kind}_id_generator`;
    const named = reader.text(key) ?? general;
    if (named === undefined) return initial;
    const generator = generators.find(({ names }) => names.test(named));
    if (generator !== undefined) return generator.make;
    reader.warn(`${key} ${named}: no such generator here; ids are made as if it were not set`);
    return initial;
  };
  return {
    bucket: of("bucket", shortName),
    collection: of("collection", shortName),
    group: of("group", shortName),
    // The toolkit's: UUIDs in the order of time, which fill pages of the index instead of splitting them.
    record: of("record", undefined),
  };
}

const generators: readonly { readonly names: RegExp; readonly make: () => string }[] = [
  { names: /(^|\.)UUID4$/i, make: randomUUID },
  { names: /(^|\.)(NameGenerator|RelaxedUUID)$/, make: shortName },
];

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** Eight random letters and digits. */
function shortName(): string {
  let name = "";
  while (name.length < 8)
    for (const byte of randomBytes(16)) {
      // Bytes beyond the last whole multiple would make the first letters more frequent.
      const letter = byte < 248 ? alphabet[byte % 62] : undefined;
      if (letter !== undefined && name.length < 8) name += letter;
    }
  return name;
}
