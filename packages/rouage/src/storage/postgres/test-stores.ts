/** Fresh stores for tests, on the server that `ROUAGE_TEST_POSTGRES` names or on one of their own. */
import { randomBytes } from "node:crypto";
import { connect } from "./connection.ts";
import { loadDriver } from "./driver.ts";
import { identifier } from "./quote.ts";
import { startTestServer, type TestServer } from "./test-server.ts";
import { parsePostgresUrl } from "./url.ts";

export { withoutPostgres } from "./test-server.ts";

export interface TestStores extends AsyncDisposable {
  /** URL of a store that does not exist yet, and how to remove it. */
  fresh(parameters?: string): { readonly url: string; readonly schema: string; drop(): Promise<void> };
  /** Runs one statement outside of any store. */
  run(statement: string): Promise<readonly (readonly unknown[])[]>;
}

export async function startTestStores(): Promise<TestStores> {
  const given = process.env.ROUAGE_TEST_POSTGRES;
  // Tests lose no power: what is waited for is the disk's.
  const server: TestServer | undefined = given === undefined ? await startTestServer({ fsync: "off" }) : undefined;
  const url = given ?? server?.url ?? "";
  const admin = await connect(await loadDriver(), { url: parsePostgresUrl(url), setup: "SELECT 1" });
  return {
    fresh(parameters = "") {
      const schema = `test_${randomBytes(8).toString("hex")}`;
      return {
        schema,
        url: `${url}${url.includes("?") ? "&" : "?"}schema=${schema}${parameters}`,
        drop: async () => void (await admin.run(`DROP SCHEMA IF EXISTS ${identifier(schema)} CASCADE`)),
      };
    },
    run: async (statement) => (await admin.run(statement)).rows,
    async [Symbol.asyncDispose]() {
      await admin.end();
      await server?.[Symbol.asyncDispose]();
    },
  };
}
