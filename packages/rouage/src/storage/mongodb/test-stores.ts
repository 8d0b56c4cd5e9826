/** Fresh stores for tests, on the server that `ROUAGE_TEST_MONGODB` names or on one of their own. */
import { randomBytes } from "node:crypto";
import type { Db } from "mongodb";
import { loadDriver } from "./driver.ts";
import { startTestServer, type TestServer } from "./test-server.ts";

export { withoutMongo } from "./test-server.ts";

export interface TestStores extends AsyncDisposable {
  /** URL of a store that does not exist yet, its database for a look from outside, and how to remove it. */
  fresh(parameters?: string): { readonly url: string; readonly database: Db; drop(): Promise<void> };
}

export async function startTestStores(): Promise<TestStores> {
  const given = process.env.ROUAGE_TEST_MONGODB;
  const server: TestServer | undefined = given === undefined ? await startTestServer() : undefined;
  const url = new URL(given ?? server?.url ?? "");
  const { MongoClient } = await loadDriver();
  const client = await new MongoClient(url.href).connect();
  return {
    fresh(parameters = "") {
      const name = `test_${randomBytes(8).toString("hex")}`;
      const own = new URL(url);
      own.pathname = `/${name}`;
      return {
        url: `${own.href}${own.search === "" && parameters !== "" ? `?${parameters.slice(1)}` : parameters}`,
        database: client.db(name),
        drop: async () => void (await client.db(name).dropDatabase()),
      };
    },
    async [Symbol.asyncDispose]() {
      await client.close();
      await server?.[Symbol.asyncDispose]();
    },
  };
}
