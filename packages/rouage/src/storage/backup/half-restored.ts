/** How a restore that did not end is known again, for whoever is about to open what it was to restore. Loads next to nothing. */
import { existsSync, readdirSync } from "node:fs";
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
  return namesIn(folder)
    .filter((name) => name.startsWith(`${stagingName}-`) && existsSync(join(folder, name, readyName)))
    .map((name) => decodeURIComponent(name.slice(stagingName.length + 1)));
}

/** Of a folder that is not there, or that this user may not look into, none. */
function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
