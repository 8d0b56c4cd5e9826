/** Opens the database of a store, and makes sure that it is one that this version knows. */
import type { MongoClient, MongoClientOptions } from "mongodb";
import type { Driver } from "./driver.ts";
import { codeOf, duplicateKey } from "./failures.ts";
import { type Collections, collectionsOf, type MetaDocument } from "./names.ts";
import type { MongoUrl } from "./url.ts";

/** Of the collections and what is in them. */
export const version = 1;

export interface Connected {
  readonly client: MongoClient;
  readonly collections: Collections;
  /** When the store was made, in milliseconds since the epoch. */
  readonly created: number;
}

/** @param asFound Nothing is made: a database without a store is an error. */
export async function connect(
  { MongoClient }: Driver,
  url: MongoUrl,
  now: number,
  asFound: boolean,
): Promise<Connected> {
  const client = new MongoClient(url.connection, optionsOf(url));
  try {
    await client.connect();
    const collections = collectionsOf(client.db(url.database), url.prefix);
    const created = asFound ? await look(collections, url) : await migrate(collections, now);
    return { client, collections, created };
  } catch (error) {
    await client.close();
    throw error;
  }
}

/** What the URL leaves to the storage. */
export function optionsOf({ connection, connectTimeoutMs, statementTimeoutMs }: MongoUrl): MongoClientOptions {
  return {
    ...(/[?&]appName=/i.test(connection) ? {} : { appName: "rouage" }),
    serverSelectionTimeoutMS: connectTimeoutMs,
    connectTimeoutMS: connectTimeoutMs,
    waitQueueTimeoutMS: connectTimeoutMs,
    socketTimeoutMS: statementTimeoutMs,
    // Acknowledged is durable, on as many servers as elect the next primary.
    writeConcern: { w: "majority", journal: true },
    readPreference: "primary",
    // What has become of a write is found out by the journal, and who reads tries again; a server that is slow is not asked twice.
    retryWrites: false,
    retryReads: false,
    ignoreUndefined: true,
  };
}

async function migrate({ meta }: Collections, now: number): Promise<number> {
  const made = { _id: "format", version, created: now };
  await meta.insertOne(made).catch((error: unknown) => {
    if (codeOf(error) !== duplicateKey) throw error;
  });
  const found = (await meta.findOne({ _id: "format" })) ?? made;
  checkVersion(found);
  return found.created ?? 0;
}

async function look({ meta }: Collections, { database, prefix }: MongoUrl): Promise<number> {
  const found = await meta.findOne({ _id: "format" });
  if (found === null) throw new Error(`there is no store ${prefix} in the database ${database}`);
  checkVersion(found);
  return found.created ?? 0;
}

export function checkVersion(found: MetaDocument): void {
  if (found.version === version) return;
  throw new Error(`the store in MongoDB is of version ${found.version}; this version of Rouage knows ${version}`);
}
