/** What a backup says about itself: a file beside the copies, and the last to be written. */
import { readFile, stat } from "node:fs/promises";
import { isAbsolute, join, normalize } from "node:path";
import { type Static, Type } from "typebox";
import { Compile } from "typebox/compile";
import { checksum } from "./durable-files.ts";

const text = Type.String();
const whole = Type.Integer({ minimum: 0 });
const manifestSchema = Type.Object({
  kind: Type.Literal("rouage-backup"),
  /** Raised when older readers would misunderstand. */
  format: Type.Literal(1),
  service: text,
  version: text,
  /** When it was made, ISO 8601. */
  time: text,
  /** The same in milliseconds: what was erased behind it is erased again by a restore. */
  started: whole,
  /** The service notes erasures in a ledger, which a restore needs. */
  ledger: Type.Boolean(),
  stores: Type.Array(
    Type.Object({
      name: text,
      file: text,
      /** Version of the store's own tables. */
      schema: whole,
      /** Newest position of its log. */
      position: whole,
    }),
  ),
  /** Of all files, the stores' included, by their paths in the backup. */
  files: Type.Array(Type.Object({ path: text, bytes: whole, sha256: text })),
});

export type BackupManifest = Static<typeof manifestSchema>;

export const manifestName = "manifest.json";
const validator = Compile(manifestSchema);

/** @throws Error when there is none, or none that this version understands */
export async function readManifest(folder: string): Promise<BackupManifest> {
  const path = join(folder, manifestName);
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    throw new Error(`${folder} is no backup: ${manifestName} is missing or cannot be read`, { cause });
  }
  const format = (value as { readonly format?: unknown } | null)?.format;
  if (typeof format === "number" && format > 1)
    throw new Error(`${folder} has format ${format}; this version reads format 1`);
  if (!validator.Check(value)) throw new Error(`${path} is not the manifest of a backup`);
  const outside = value.files.find(({ path: file }) => isAbsolute(file) || normalize(file).startsWith(".."));
  if (outside !== undefined) throw new Error(`${path} names a file outside of the backup`);
  return value;
}

/** @throws Error naming every file that is missing or is not what was written */
export async function checkFiles(folder: string, { files }: BackupManifest): Promise<void> {
  const problems: string[] = [];
  for (const { path, bytes, sha256 } of files) {
    const file = join(folder, path);
    const size = (await stat(file).catch(() => undefined))?.size;
    if (size === undefined) problems.push(`${path} is missing`);
    else if (size !== bytes) problems.push(`${path} has ${size} bytes instead of ${bytes}`);
    else if ((await checksum(file)) !== sha256) problems.push(`${path} is not what was written: its checksum differs`);
  }
  if (problems.length > 0) throw new Error(`the backup ${folder} is damaged: ${problems.join("; ")}`);
}
