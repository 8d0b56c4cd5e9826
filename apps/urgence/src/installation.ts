/**
 * Which keys a store was made with. Phone numbers, addresses and cards are found by keyed hashes: with other keys nothing would be found and nobody could
 * sign in, and nothing would say why. So the store keeps a word of each key that never changes, and a start with another one is refused.
 */
import { keyedHash } from "rouage/auth";
import { CommitConflict, type Storage } from "rouage/storage";

const resource = "installation";
const key = { resource, parent: "", id: "keys" } as const;

/**
 * Compares the keys, by their purposes, with those that the store was made with; a store that knows none learns them.
 * @throws Error for the operator, naming the folder and the keys that are not the store's
 */
export async function claimStore(
  storage: Storage,
  keys: Readonly<Record<string, Uint8Array>>,
  folder: string,
): Promise<void> {
  const words = Object.fromEntries(
    Object.entries(keys).map(([purpose, secret]) => [purpose, keyedHash(secret, "installation")]),
  );
  const known = await claimed(storage);
  const strange = Object.keys(words).filter(
    (purpose) => known?.[purpose] !== undefined && known[purpose] !== words[purpose],
  );
  if (strange.length > 0)
    throw new Error(
      `the keys in ${folder} are not those that this store was made with (${strange.join(", ")}): all processes on a store need the same folder of keys; put it there, or name it in URGENCE_KEYS`,
    );
  if (Object.keys(words).every((purpose) => known?.[purpose] !== undefined)) return;
  try {
    await storage.commit([
      {
        kind: "put",
        key,
        body: JSON.stringify({ ...known, ...words }),
        expect: known === undefined ? { kind: "absent" } : { kind: "any" },
        logBody: false,
      },
    ]);
  } catch (error) {
    if (!(error instanceof CommitConflict)) throw error;
    // Another process was first.
    await claimStore(storage, keys, folder);
  }
}

/** What the store knows of its keys; undefined where Urgence has never run on it. */
export async function claimed(storage: Storage): Promise<Readonly<Record<string, string>> | undefined> {
  await storage.define([{ resource, indexes: [], unique: [] }]);
  const entry = await storage.get(key);
  return entry?.kind === "object" ? JSON.parse(entry.body) : undefined;
}
