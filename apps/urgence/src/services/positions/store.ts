/** Positions in the service's store: how one is written with its event, which is the last, and what retention removes for good. */
import type { Clock } from "rouage";
import { type Change, type EraseScope, parseEntry, type Storage } from "rouage/storage";
import type { StoredPosition } from "./geojson.ts";
import { latestPosition, withAge } from "./latest.ts";
import type { Position } from "./position.ts";

export const positionsList = "positions";

/** The position and its event, for one commit. */
export function positionChanges(person: string, id: string, position: Position): readonly Change[] {
  return [
    {
      kind: "put",
      key: { resource: positionsList, parent: person, id },
      body: JSON.stringify(position),
      expect: { kind: "any" },
      owner: person,
      logBody: false,
    },
    positionEvent(person, id, position),
  ];
}

/** Identifiers only: whoever may see the position asks for it. */
export function positionEvent(person: string, id: string, { incident, origin }: Position): Change {
  return {
    kind: "event",
    key: { resource: positionsList, parent: person, id },
    type: "position.reported",
    data: { person, position: id, origin, ...(incident === undefined ? {} : { incident }) },
  };
}

/** Reports looked at to find the last position. */
const recentLimit = 50;

export async function lastPosition(
  storage: Storage,
  clock: Clock,
  person: string,
): Promise<(StoredPosition & { readonly age_seconds: number }) | undefined> {
  const recent = await storage.list(
    { resource: positionsList, parent: person },
    { sort: [{ field: "last_modified", direction: "descending" }], limit: recentLimit },
  );
  const positions = recent.flatMap((entry) =>
    entry.kind === "object" ? [parseEntry(entry) as unknown as StoredPosition] : [],
  );
  const now = clock.now();
  const latest = latestPosition(positions, now);
  return latest === undefined ? undefined : withAge(latest, now);
}

/** Erases for good what has expired, and the tombstones of what was deleted. Answers how many positions went. */
export async function eraseExpired(storage: Storage, clock: Clock): Promise<number> {
  const now = new Date(clock.now()).toISOString();
  let count = 0;
  let scopes: EraseScope[] = [];
  const erase = async () => {
    if (scopes.length > 0) count += (await storage.erase(scopes)).objects;
    scopes = [];
  };
  // `expires_at` is always written by toISOString, so text order is time order.
  const expired = storage.scan(positionsList, {
    filter: { kind: "compare", field: "expires_at", operator: "le", value: now },
  });
  for await (const { parent, id } of expired) {
    scopes.push({ resource: positionsList, parent, id });
    if (scopes.length >= 500) await erase();
  }
  await erase();
  return count;
}
