/** What is wrong with a server of MongoDB's protocol, and with the store in its database. */
import type { Db, MongoClient } from "mongodb";
import { type ExamineOptions, error, messageOf, type Symptom, skewOf, warning } from "../symptom.ts";
import { optionsOf, version as wanted } from "./connect.ts";
import { type Driver, loadDriver } from "./driver.ts";
import { codeOf, isOfTheUrl } from "./failures.ts";
import { collectionsOf } from "./names.ts";
import { type MongoUrl, parseMongoUrl } from "./url.ts";

export async function examineDatabase(
  text: string,
  { name, now = Date.now }: ExamineOptions,
): Promise<readonly Symptom[]> {
  let url: MongoUrl;
  try {
    url = parseMongoUrl(text, name);
  } catch (cause) {
    const remedy = "correct the setting `storage`; docs/storage.md has its parameters";
    return [error("storage-url", messageOf(cause), remedy)];
  }
  let driver: Driver;
  try {
    driver = await loadDriver();
  } catch (cause) {
    return [error("driver", messageOf(cause), "npm install mongodb, where the service is installed")];
  }
  let client: MongoClient | undefined;
  try {
    client = new driver.MongoClient(url.connection, optionsOf(url));
    await client.connect();
    const database = client.db(url.database);
    return [...(await server(database)), ...(await state(database, now)), ...(await store(database, url))];
  } catch (cause) {
    if (cause instanceof Error && isOfTheUrl(cause)) {
      const remedy = "write special characters of user and password as %40 (@), %2F (/), %3A (:), …";
      return [error("storage-url", cause.message, remedy)];
    }
    return [refused(cause, url)];
  } finally {
    await client?.close();
  }
}

/** What the server's codes mean. */
const codes = { unauthorized: 13, authenticationFailed: 18, notWritablePrimary: 10_107 } as const;

function refused(cause: unknown, url: MongoUrl): Symptom {
  const place = placeOf(url);
  const message = messageOf(cause);
  switch (codeOf(cause)) {
    case codes.authenticationFailed:
      return error(
        "authentication",
        `${place} does not let this user in: ${message}`,
        "correct user and password in `storage`, or name the database that the user is of with ?authSource=",
      );
    case codes.unauthorized:
      return error(
        "rights",
        `the user may not use the database ${url.database}: ${message}`,
        `grant the role readWrite on ${url.database}`,
      );
    case codes.notWritablePrimary:
      return replica();
    case undefined: {
      const remedy = "start the server, or correct host and port in `storage`; a firewall between looks like a timeout";
      return error("server", `${place} cannot be reached: ${message}`, remedy);
    }
  }
  return error("storage", `the server answers with an error: ${message}`, "see the server's log");
}

/** Where it is, without user and password. */
function placeOf({ connection }: MongoUrl): string {
  const [, location = ""] = /^[^:]+:\/\/([^/]*)/.exec(connection) ?? [];
  return location.replace(/^.*@/, "");
}

async function server(database: Db): Promise<readonly Symptom[]> {
  const { version = "", ferretdbVersion } = await database.command({ buildInfo: 1 });
  const [major = 0, minor = 0] = String(version).split(".").map(Number);
  if (ferretdbVersion !== undefined) {
    const remedy = "use MongoDB; docs/storage.md says what is missing";
    return [warning("server", `the server is FerretDB ${ferretdbVersion}: for tests alone`, remedy)];
  }
  if (major > 4 || (major === 4 && minor >= 4)) return [];
  return [error("server", `MongoDB ${version} is too old`, "use version 4.4 or newer")];
}

async function state(database: Db, now: () => number): Promise<readonly Symptom[]> {
  const before = now();
  const { isWritablePrimary, localTime } = await database.command({ hello: 1 });
  const after = now();
  return [
    ...(isWritablePrimary === true ? [] : [replica()]),
    ...(localTime instanceof Date ? skewOf(localTime.getTime(), before, after) : []),
  ];
}

function replica(): Symptom {
  const remedy = "name all members of the replica set in `storage`, or take ?directConnection= out";
  return error("server", "the server takes no writes: it is no primary", remedy);
}

async function store(database: Db, { prefix }: MongoUrl): Promise<readonly Symptom[]> {
  const format = await collectionsOf(database, prefix).meta.findOne({ _id: "format" });
  const found = format?.version ?? 0;
  if (format === null || found === wanted) return [];
  const message = `the store ${prefix} was written by a newer version of Rouage (${found}; this one knows ${wanted})`;
  return [error("storage-version", message, "install that version")];
}
