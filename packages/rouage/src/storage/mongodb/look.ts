/** What a database has of a store, without opening it as one: nothing is made. */
import type { ResourceLook, StoreLook } from "../store-look.ts";
import { checkVersion, optionsOf, version as wanted } from "./connect.ts";
import { loadDriver } from "./driver.ts";
import { translated } from "./failures.ts";
import { collectionsOf } from "./names.ts";
import { indexesOf, table } from "./resources.ts";
import { parseMongoUrl } from "./url.ts";

/** @throws Error when the store is of another version, or the server cannot be reached */
export async function lookAtDatabase(text: string, name: string | undefined): Promise<StoreLook> {
  const url = parseMongoUrl(text, name);
  const { MongoClient } = await loadDriver();
  const client = new MongoClient(url.connection, optionsOf(url));
  try {
    await client.connect();
    const collections = collectionsOf(client.db(url.database), url.prefix);
    const format = await collections.meta.findOne({ _id: "format" });
    if (format === null) return { version: 0, wanted, steps: [], resources: new Map() };
    checkVersion(format);
    const resources = new Map<string, ResourceLook>();
    for await (const { _id: resource } of collections.resources.find({}, { sort: { _id: 1 } })) {
      const objects = collections.objects(resource);
      const indexes = [...(await indexesOf(objects))].filter((index) => index.startsWith(`${table}_f_`));
      resources.set(resource, { table, rows: await objects.estimatedDocumentCount(), indexes });
    }
    return { version: wanted, wanted, steps: [], resources };
  } catch (error) {
    throw translated(error);
  } finally {
    await client.close();
  }
}
