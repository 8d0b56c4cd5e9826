/** The secret of an installation that nobody gave one: made at its first start, and kept beside its store for its owner alone. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { randomSecret } from "rouage/auth";

/** @throws Error when the file can neither be read nor made */
export function ownSecret(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    if ((error as { readonly code?: unknown }).code !== "ENOENT") throw error;
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  try {
    writeFileSync(path, `${randomSecret()}\n`, { mode: 0o600, flag: "wx" });
  } catch (error) {
    // Another process was first.
    if ((error as { readonly code?: unknown }).code !== "EEXIST") throw error;
  }
  return readFileSync(path, "utf8").trim();
}
