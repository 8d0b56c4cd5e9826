/** Which file a storage URL stands for, where it stands for one. */

/** @throws Error when the store is not the embedded one */
export function storeFile(url: string): string {
  if (url.startsWith("sqlite:")) return url.slice("sqlite:".length).replace(/^\/\//, "");
  const scheme = /^[a-z][a-z0-9+.-]*:/.exec(url)?.[0] ?? "";
  const instead: Readonly<Record<string, string>> = {
    "memory:": "keeps nothing",
    "postgres:": "is backed up by its own tools (pg_dump, pg_basebackup)",
    "postgresql:": "is backed up by its own tools (pg_dump, pg_basebackup)",
    "mongodb:": "is backed up by its own tools (mongodump)",
    "mongodb+srv:": "is backed up by its own tools (mongodump)",
  };
  throw new Error(`backup and restore are for the embedded store; ${scheme} ${instead[scheme] ?? "is none"}`);
}
