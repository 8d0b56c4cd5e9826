/** What hello says about the file that the settings came from: clients notice by its hash that a service was configured anew. */
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { environmentPrefix } from "../settings/read.ts";

export interface ConfigFile {
  readonly path: string;
  /** SHA-256 of its bytes, hexadecimal. */
  readonly hash: string;
  /** ISO 8601. */
  readonly modified: string;
}

/** undefined where the settings came from no file. */
export function configFileOf(
  name: string,
  file: string | undefined,
  environment: Readonly<Record<string, string | undefined>> = {},
): ConfigFile | undefined {
  const path = file ?? environment[`${environmentPrefix(name)}CONFIG`];
  if (path === undefined || path === "") return undefined;
  const hash = createHash("sha256").update(readFileSync(path)).digest("hex");
  return { path, hash, modified: statSync(path).mtime.toISOString() };
}
