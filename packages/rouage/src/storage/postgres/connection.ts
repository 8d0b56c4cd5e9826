/** One connection, on which statements are sent without waiting for the answers to those before. Rows are arrays. */
import { createHash } from "node:crypto";
import type { Driver } from "./driver.ts";
import { ConnectionLost, sqlState } from "./failures.ts";
import type { PostgresUrl } from "./url.ts";

export type SqlValue = string | number | boolean | null | readonly (string | number | null)[];

export interface Statement {
  readonly text: string;
  readonly values?: readonly SqlValue[];
  /** Parsed and planned once for each connection; for texts of which there are few. */
  readonly prepared?: boolean;
  /** Longest wait for the answer; 0: no end. Default: the URL's. */
  readonly timeoutMs?: number;
}

export type Row = readonly unknown[];

export interface Answer {
  readonly rows: readonly Row[];
  readonly count: number;
  /** COMMIT, ROLLBACK, INSERT. */
  readonly command: string;
}

export interface Connection {
  /** @throws ConnectionLost, or what the server refused it with */
  run(statement: Statement | string): Promise<Answer>;
  readonly lost: boolean;
  /** Called for each NOTIFY, and when the connection is lost. */
  listen(wake: () => void): void;
  end(): Promise<void>;
}

export interface ConnectionOptions {
  readonly url: PostgresUrl;
  /** Run first. */
  readonly setup: string;
  /** Told the detail of what the server remarks. */
  readonly remark?: ((detail: string) => void) | undefined;
}

export async function connect(driver: Driver, { url, setup, remark }: ConnectionOptions): Promise<Connection> {
  const client = clientOf(driver, {
    connectionString: url.connection,
    connectionTimeoutMillis: url.connectTimeoutMs,
    keepAlive: true,
    application_name: `rouage ${url.schema}`.slice(0, 63),
    types: { getTypeParser: parserOf(driver) },
    ...{ pipeline: true },
  });
  let lost = false;
  let isLate = false;
  const wakers = new Set<() => void>();
  const wake = () => {
    for (const each of wakers) each();
  };
  const gone = () => {
    lost = true;
    wake();
  };
  client.on("error", gone);
  client.on("end", gone);
  client.on("notification", wake);
  if (remark !== undefined) client.on("notice", ({ detail }) => remark(detail ?? ""));

  async function run(asked: Statement | string): Promise<Answer> {
    const {
      text,
      values,
      prepared = false,
      timeoutMs = url.statementTimeoutMs,
    } = typeof asked === "string" ? { text: asked } : (asked as Statement);
    if (lost) throw new ConnectionLost("the connection to the database is lost", { isLate });
    const begun = performance.now();
    try {
      const answer: unknown = await client.query({
        text,
        ...(values === undefined ? {} : { values: values as unknown[] }),
        ...(prepared ? { name: nameOf(text) } : {}),
        rowMode: "array",
        ...{ query_timeout: timeoutMs },
      });
      const last = (Array.isArray(answer) ? answer.at(-1) : answer) as {
        rows: Row[];
        rowCount: number | null;
        command: string;
      };
      return { rows: last.rows, count: last.rowCount ?? 0, command: last.command };
    } catch (error) {
      const state = sqlState(error);
      // 57P..: the server goes down, or ends this session; 25P03: it was idle in a transaction for too long.
      if (state !== undefined && !state.startsWith("57P") && !state.startsWith("08") && state !== "25P03") throw error;
      if (state === undefined && !lost && timeoutMs > 0 && performance.now() - begun >= timeoutMs) isLate = true;
      gone();
      void client.end().catch(() => {});
      const message = isLate ? "the database does not answer in time" : "the connection to the database is lost";
      throw new ConnectionLost(message, { cause: error, isLate });
    }
  }

  const begun = performance.now();
  try {
    await client.connect();
  } catch (cause) {
    void client.end().catch(() => {});
    isLate = performance.now() - begun >= url.connectTimeoutMs;
    throw new ConnectionLost(
      `no connection to the database: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause, isLate },
    );
  }
  const connection: Connection = {
    run,
    get lost() {
      return lost;
    },
    listen: (each) => void wakers.add(each),
    async end() {
      wakers.clear();
      lost = true;
      await client.end().catch(() => {});
    },
  };
  try {
    await run(setup);
  } catch (error) {
    await connection.end();
    throw error;
  }
  return connection;
}

/** @throws Error without the URL, which may hold a password: what the driver throws quotes it */
function clientOf(driver: Driver, options: ConstructorParameters<Driver["Client"]>[0]): InstanceType<Driver["Client"]> {
  try {
    return new driver.Client(options);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new Error(
      "storage: not a URL of PostgreSQL; special characters of user and password are written as %40 (@), %2F (/), %3A (:), …",
    );
  }
}

const names = new Map<string, string>();

/** Names of prepared statements are the same for the same text, and short. */
function nameOf(text: string): string {
  let name = names.get(text);
  if (name === undefined) {
    name = createHash("sha256").update(text).digest("hex").slice(0, 24);
    names.set(text, name);
  }
  return name;
}

/** 64-bit integers are numbers: revisions and positions never come near 2^53. */
function parserOf(driver: Driver): (oid: number, format?: string) => (value: string) => unknown {
  return (oid, format) =>
    oid === 20 ? Number : driver.types.getTypeParser(oid, format === "binary" ? "binary" : "text");
}
