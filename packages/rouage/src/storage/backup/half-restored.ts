/** How a restore that did not end is known again, for whoever is about to open what it was to restore. Loads next to nothing. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

export const stagingName = ".restoring";
export const readyName = "ready.json";

/** Of one service: several may have their stores in a folder. */
export function stagingOf(folder: string, service: string): string {
  return join(folder, `${stagingName}-${encodeURIComponent(service)}`);
}

/** True where a restore into this folder began to take the places and did not end: what is there may be half of it. */
export function isHalfRestored(folder: string, service: string): boolean {
  return existsSync(join(stagingOf(folder, service), readyName));
}

/** The services of whose restore into this folder that is so. */
export function halfRestored(folder: string): readonly string[] {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  const begun = readdirSync(folder).filter((name) => name.startsWith(`${stagingName}-`));
  return begun
    .map((name) => decodeURIComponent(name.slice(stagingName.length + 1)))
    .filter((service) => isHalfRestored(folder, service));
}
