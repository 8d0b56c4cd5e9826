/** What a schema is, without opening it as a store: nothing is made or migrated. */
import type { ResourceLook, StoreLook } from "../store-look.ts";
import { connect } from "./connection.ts";
import { loadDriver } from "./driver.ts";
import { migrations, migrationWords, newerVersion, version as versionOf } from "./migrations.ts";
import { identifier } from "./quote.ts";
import { tableOf } from "./resources.ts";
import { parsePostgresUrl } from "./url.ts";

/** @throws Error when the schema is of something else or of a newer version, or the server cannot be reached */
export async function lookAtSchema(text: string, name: string | undefined): Promise<StoreLook> {
  const url = parsePostgresUrl(text, name);
  const { schema } = url;
  const connection = await connect(await loadDriver(), { url, setup: `SET search_path TO ${identifier(schema)}` });
  try {
    const { run } = connection;
    const wanted = migrations.length;
    const version = await versionOf(run, schema);
    if (version > wanted) throw newerVersion(schema, version, wanted);
    if (version === 0) return { version, wanted, steps: [], resources: new Map() };
    const count = async (table: string): Promise<number> =>
      Number((await run({ text: `SELECT count(*) FROM ${table}`, timeoutMs: 0 })).rows[0]?.[0]);
    const steps: { readonly words: string; readonly rows: number }[] = [];
    for (const { words, table } of migrationWords.slice(version))
      steps.push({ words, rows: table === undefined ? 0 : await count(table) });
    const resources = new Map<string, ResourceLook>();
    const { rows } = await run(
      "SELECT name, number FROM resources WHERE to_regclass('objects_' || number) IS NOT NULL ORDER BY name",
    );
    for (const [resource, number] of rows) {
      const table = tableOf(Number(number));
      const found = await run({
        text: "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema() AND tablename = $1",
        values: [table],
      });
      const indexes = found.rows.map(([index]) => String(index)).filter((index) => index.startsWith(`${table}_f_`));
      resources.set(String(resource), { table, rows: await count(table), indexes });
    }
    return { version, wanted, steps, resources };
  } finally {
    await connection.end();
  }
}
