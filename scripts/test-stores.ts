/**
 * What the tests of the applications store in. `ROUAGE_TEST_STORAGE` names one storage for all of them; without it they run on the two that need no
 * server. A database server is the one that `ROUAGE_TEST_POSTGRES` or `ROUAGE_TEST_MONGODB` names, or one of this process's own. Each test has a store of its own.
 */
import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Db } from "mongodb";
import { loadDriver as loadMongo } from "../packages/rouage/src/storage/mongodb/driver.ts";
import { startTestServer as startMongo, withoutMongo } from "../packages/rouage/src/storage/mongodb/test-server.ts";
import { type Connection, connect } from "../packages/rouage/src/storage/postgres/connection.ts";
import { loadDriver } from "../packages/rouage/src/storage/postgres/driver.ts";
import { identifier, literal } from "../packages/rouage/src/storage/postgres/quote.ts";
import { startTestServer, withoutPostgres } from "../packages/rouage/src/storage/postgres/test-server.ts";
import { parsePostgresUrl } from "../packages/rouage/src/storage/postgres/url.ts";

export const storageKinds = ["memory", "sqlite", "postgres", "mongodb"] as const;
export type StorageKind = (typeof storageKinds)[number];

/** Those that are servers: a whole run of the suites each, see scripts/test-storages.ts. */
export const serverKinds: readonly StorageKind[] = ["postgres", "mongodb"];

/** True where the server for tests is slow whatever is asked: fewer rounds have to do, and what is about speed proves nothing. */
export const isSlow = (kind: StorageKind): boolean => kind === "mongodb";

/** Settings of a test server: tests lose no power, and many of them connect at the same time. */
export const testServerSettings = { fsync: "off", full_page_writes: "off", max_connections: "400" } as const;

/** What runs on one storage alone, whichever is named, and why. `npm run test:storages` prints it. */
export const exceptions: readonly { readonly file: string; readonly on: string; readonly because: string }[] = [
  {
    file: "apps/urgence/tests/backup.test.ts",
    on: "sqlite",
    because: "the commands backup and restore are for files; databases have tools of their own",
  },
  {
    file: "apps/urgence/tests/instances.test.ts",
    on: "each that is a server",
    because: "two instances behind nothing are a matter of servers",
  },
  {
    file: "apps/kinto/tests/permissions-endpoint.test.ts, the one that measures",
    on: "memory, sqlite and postgres",
    because: "FerretDB, which stands for MongoDB, looks at whole collections: it is slow however well it is asked",
  },
  {
    file: "apps/kinto/tests/process.test.ts, one of its tests",
    on: "sqlite",
    because: "it is about the store that is made where no settings are",
  },
  {
    file: "apps/kinto/tests/migration-page.test.ts, kinto-page.test.ts",
    on: "memory",
    because: "they start what the pages show, and ask it nothing",
  },
  {
    file: "searches of bytes",
    on: "sqlite and postgres",
    because: "what MongoDB leaves on its disks is not promised: its collections are searched instead",
  },
  {
    file: "apps/urgence/src/web, apps/urgence/src/shared",
    on: "memory",
    because: "the pages have no store, and calls between services are tested with services that keep nothing",
  },
];

const chosen = chosenStorage(process.env.ROUAGE_TEST_STORAGE);

/** Storages that tests of behaviour run on, each of them. */
export const testStorages: readonly StorageKind[] = chosen === undefined ? ["memory", "sqlite"] : [chosen];
/** The one for tests of several instances on a server. */
export const serverStorage: StorageKind = chosen !== undefined && serverKinds.includes(chosen) ? chosen : "postgres";
/** Why those are skipped; false: they are not. */
export const withoutServer: string | false = serverStorage === "mongodb" ? withoutMongo() : withoutPostgres();
/** The one for tests that run once. */
export const anyStorage: StorageKind = chosen ?? "memory";
/** The one for tests that run once and start again on what they have written. */
export const durableStorage: StorageKind = chosen === undefined || chosen === "memory" ? "sqlite" : chosen;

export interface TestStore extends AsyncDisposable {
  readonly kind: StorageKind;
  /** For the setting `storage`. */
  readonly url: string;
  /** Names of the store's files that contain one of these, of MongoDB's collections; none where nothing is written to a disk. */
  filesWith(needles: readonly (string | Buffer)[]): Promise<readonly string[]>;
  /** Has values kept as they are, not compressed, so that a search of bytes finds what is there; to be called before anything is written. */
  legible(): Promise<void>;
  /** Makes everything in the part of the store that this service has unusable. */
  break(service: string): Promise<void>;
}

/** A store that does not exist yet. `path`: file or folder of SQLite's, in a folder that the caller removes. */
export async function testStore(kind: StorageKind, path: string): Promise<TestStore> {
  if (kind === "postgres") return postgresStore();
  if (kind === "mongodb") return mongoStore();
  return {
    kind,
    url: kind === "memory" ? "memory:" : `sqlite:${path}`,
    filesWith: async (needles) => (kind === "memory" ? [] : filesWith(await filesBeside(path), needles)),
    legible: async () => {},
    break: (service) => breakTables(join(path, `${service}.db`)),
    [Symbol.asyncDispose]: async () => {},
  };
}

/** Nobody finds the tables of this database of SQLite any more, or those whose names begin so. */
async function breakTables(file: string, beginning = ""): Promise<void> {
  const { DatabaseSync } = await import("node:sqlite");
  // FerretDB's indexes have such literals.
  using database = new DatabaseSync(file, { enableDoubleQuotedStringLiterals: true });
  const tables = database
    .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    .all();
  for (const { name } of tables) {
    if (String(name).startsWith(beginning)) database.exec(`ALTER TABLE "${name}" RENAME TO "broken_${name}"`);
  }
}

/** Those of these files that contain one of the texts. A file that goes meanwhile contains nothing. */
export async function filesWith(
  files: readonly string[],
  needles: readonly (string | Buffer)[],
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const file of files) {
    const bytes = await readFile(file).catch((error) => {
      if (error.code === "ENOENT") return Buffer.alloc(0);
      throw error;
    });
    if (needles.some((needle) => bytes.includes(needle))) found.push(file);
  }
  return found;
}

/** All files in a folder and below; where a name is given, only those whose names begin with it. */
export async function filesIn(folder: string, named = ""): Promise<readonly string[]> {
  return (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name.startsWith(named))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Of a folder all files in it, of a file those whose names begin with its own. */
function filesBeside(path: string): Promise<readonly string[]> {
  return filesIn(path).catch(() => filesIn(dirname(path), basename(path)));
}

let server: Promise<string> | undefined;

/** URL of the server; one that is started here goes with this process. */
async function postgresServer(): Promise<string> {
  const named = process.env.ROUAGE_TEST_POSTGRES;
  if (named !== undefined) return named;
  const own = await startTestServer(testServerSettings);
  process.once("exit", own.remove);
  return own.url;
}

async function postgresStore(): Promise<TestStore> {
  server ??= postgresServer();
  const base = await server;
  const schema = `test_${randomBytes(8).toString("hex")}`;
  // Where several services share the database, each has a schema whose name begins with this one.
  const isOurs = `(nspname = ${literal(schema)} OR nspname LIKE ${literal(`${schema}\\_%`)})`;
  return {
    kind: "postgres",
    url: `${base}${base.includes("?") ? "&" : "?"}schema=${schema}`,
    filesWith: (needles) =>
      withServer(base, async (ask) => {
        await ask("CHECKPOINT");
        const [[folder] = []] = await ask("SHOW data_directory");
        const paths = await ask(`
          WITH own AS (SELECT c.oid, reltoastrelid FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE ${isOurs}),
            whole AS (SELECT oid FROM own UNION SELECT reltoastrelid FROM own UNION SELECT indexrelid FROM pg_index JOIN own ON indrelid = reltoastrelid)
          SELECT pg_relation_filepath(oid) FROM whole WHERE pg_relation_filepath(oid) IS NOT NULL`);
        // Each relation has several files, whose names begin alike.
        const files = await Promise.all(paths.map(([path]) => filesBeside(join(String(folder), String(path)))));
        return filesWith([...new Set(files.flat())], needles);
      }),
    legible: () =>
      withServer(base, async (ask) => {
        const tables = await ask(`
          SELECT nspname, relname, string_agg(format('ALTER %I SET STORAGE EXTERNAL', attname), ', ')
          FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace
          WHERE ${isOurs} AND relkind = 'r' AND attnum > 0 AND attstorage = 'x' AND NOT attisdropped GROUP BY 1, 2`);
        for (const [name, table, changes] of tables)
          await ask(`ALTER TABLE ${identifier(String(name))}.${identifier(String(table))} ${changes}`);
      }),
    break: (service) =>
      withServer(base, async (ask) => {
        await ask(`ALTER SCHEMA ${identifier(`${schema}_${service}`)} RENAME TO ${identifier(`${schema}_broken`)}`);
      }),
    [Symbol.asyncDispose]: () =>
      withServer(base, async (ask) => {
        for (const [name] of await ask(`SELECT nspname FROM pg_namespace WHERE ${isOurs}`))
          await ask(`DROP SCHEMA ${identifier(String(name))} CASCADE`);
      }),
  };
}

interface MongoServer {
  readonly url: string;
  /** Of its files; undefined where it is somebody else's. */
  readonly folder: string | undefined;
}

let mongo: Promise<MongoServer> | undefined;

async function mongoServer(): Promise<MongoServer> {
  const { ROUAGE_TEST_MONGODB: url, ROUAGE_TEST_MONGODB_FOLDER: folder } = process.env;
  if (url !== undefined) return { url, folder };
  const own = await startMongo();
  process.once("exit", own.remove);
  return own;
}

async function mongoStore(): Promise<TestStore> {
  mongo ??= mongoServer();
  const { url: address, folder } = await mongo;
  const url = new URL(address);
  const database = `test_${randomBytes(8).toString("hex")}`;
  url.pathname = `/${database}`;
  // Whatever opens it, and by whichever name, means the same collections.
  url.searchParams.set("prefix", "test");
  const withDatabase = async (work: (database: Db) => Promise<unknown>) => {
    const { MongoClient } = await loadMongo();
    const client = await new MongoClient(address).connect();
    try {
      await work(client.db(database));
    } finally {
      await client.close();
    }
  };
  return {
    kind: "mongodb",
    url: url.href,
    // What is left on disks is the server's matter, nothing is promised: what anybody can read is looked through instead.
    async filesWith(needles) {
      const wanted = needles.flatMap((needle) => [needle, turnedRound(needle)]);
      const found: string[] = [];
      await withDatabase(async (db) => {
        for (const { name } of await db.listCollections().toArray())
          for await (const document of db.collection(name).find())
            if (wanted.some((needle) => Buffer.from(JSON.stringify(document)).includes(needle))) found.push(name);
      });
      return found;
    },
    legible: async () => {},
    async break(service) {
      // No command of the protocol does it: behind the back of FerretDB, which keeps each database in a file of SQLite.
      if (folder === undefined) throw new Error("ROUAGE_TEST_MONGODB_FOLDER is to name the folder of FerretDB's files");
      await breakTables(join(folder, "data", `${database}.sqlite`), `test_${service}`);
    },
    [Symbol.asyncDispose]: () => withDatabase((db) => db.dropDatabase()),
  };
}

/** As the texts that a store in MongoDB orders values by hold it. */
function turnedRound(needle: string | Buffer): string {
  return Buffer.from(Buffer.from(needle).map((byte) => ~byte & 0xff)).toString("hex");
}

/** Through a connection of its own, so that none that is open keeps the process from ending. */
async function withServer<T>(
  url: string,
  work: (ask: (statement: string) => Promise<readonly (readonly unknown[])[]>) => Promise<T>,
): Promise<T> {
  const connection: Connection = await connect(await loadDriver(), { url: parsePostgresUrl(url), setup: "SELECT 1" });
  try {
    return await work(async (statement) => (await connection.run(statement)).rows);
  } finally {
    await connection.end();
  }
}

function chosenStorage(name: string | undefined): StorageKind | undefined {
  if (name === undefined || name === "") return undefined;
  const kind = storageKinds.find((known) => known === name);
  if (kind === undefined) throw new Error(`ROUAGE_TEST_STORAGE is one of ${storageKinds.join(", ")}, not ${name}`);
  return kind;
}
