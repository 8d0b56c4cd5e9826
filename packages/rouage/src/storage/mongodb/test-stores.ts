/** Fresh stores for tests, on the server that `ROUAGE_TEST_MONGODB` names or on one of their own; or on one that has change streams. */
import { randomBytes } from "node:crypto";
import { after, before, describe } from "node:test";
import type { Db } from "mongodb";
import { loadDriver } from "./driver.ts";
import { startStreamingServer, withoutStreams } from "./streaming-server.ts";
import { startTestServer, withoutMongo } from "./test-server.ts";

export { withoutMongo } from "./test-server.ts";

export interface TestStores extends AsyncDisposable {
  /** URL of a store that does not exist yet, its database for a look from outside, and how to remove it. */
  fresh(parameters?: string): { readonly url: string; readonly database: Db; drop(): Promise<void> };
}

interface Server extends AsyncDisposable {
  readonly url: string;
}

const given = process.env.ROUAGE_TEST_MONGODB;

/** All that the adapter is tested on. */
const servers: readonly { readonly name: string; readonly skip: string | false; start(): Promise<Server> }[] = [
  { name: given === undefined ? "FerretDB" : "the server that is named", skip: withoutMongo(), start: startOrNamed },
  { name: "mongo-java-server", skip: withoutStreams(), start: startStreamingServer },
];

async function startOrNamed(): Promise<Server> {
  if (given === undefined) return startTestServer();
  return { url: given, [Symbol.asyncDispose]: async () => {} };
}

/** Describes something once for each server. `fresh` is for use within tests. */
export function describeOnServers(what: string, tests: (fresh: TestStores["fresh"]) => void): void {
  for (const { name, skip, start } of servers) {
    describe(`${what} (${name})`, { skip }, () => {
      let stores: TestStores | undefined;
      before(async () => {
        stores = await startTestStores(start);
      });
      after(() => stores?.[Symbol.asyncDispose]());
      tests((parameters) => {
        if (stores === undefined) throw new Error("there is no server yet");
        return stores.fresh(parameters);
      });
    });
  }
}

export async function startTestStores(start: () => Promise<Server> = startOrNamed): Promise<TestStores> {
  const server = await start();
  const url = new URL(server.url);
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
      await server[Symbol.asyncDispose]();
    },
  };
}
