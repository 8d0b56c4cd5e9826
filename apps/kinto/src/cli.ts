/** The command line of the application: serves it, or does one of the things beside and ends. */
import { parseArgs } from "node:util";
import { SettingsError, silentLogger } from "rouage";
import { dumpService, endWithOutput, loadIntoService } from "rouage/cli";
import { run } from "rouage/runtime/node";
import { supervise } from "rouage/workers";
import { createUser } from "./accounts/create-user.ts";
import { startKinto } from "./app.ts";
import { doctor } from "./doctor.ts";
import { help } from "./help.ts";
import { importCommand } from "./import/import-command.ts";
import { rebuildQuotas } from "./plugins/quotas/rebuild-quotas.ts";
import { loadSettings } from "./settings/load.ts";
import { settingsReader } from "./settings/reader.ts";
import { version } from "./version.ts";

/** Answers the exit code; 0 as well while the service goes on running. */
export async function main(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    if (values.help === true || values.version === true || beside.has(positionals[0] ?? "")) endWithOutput();
    if (values.help === true) return print(help);
    if (values.version === true) return print(`${version}\n`);
    const [first, ...rest] = positionals;
    const overrides = { host: values.host, port: values.port, workers: values.workers };
    if (first === "create-user") {
      const source = loadSettings(onlyFile(rest), environment, overrides);
      return print(
        await createUser(source, { name: values.username, password: values.password ?? environment.KINTO_PASSWORD }),
      );
    }
    if (first === "rebuild-quotas") {
      await using kinto = await startKinto(loadSettings(values.ini ?? onlyFile(rest), environment, overrides), {
        log: silentLogger,
        tasks: false,
      });
      const { buckets, collections } = await rebuildQuotas(kinto);
      return print(`counted ${buckets} buckets and ${collections} collections\n`);
    }
    if (first === "dump" || first === "load") {
      if ((first === "dump" ? values.in : values.out) !== undefined)
        throw new UsageError(`${first} takes --${first === "dump" ? "out" : "in"}`);
      await using kinto = await startKinto(loadSettings(values.ini ?? onlyFile(rest), environment, overrides), {
        log: silentLogger,
        tasks: false,
      });
      const { resources } = kinto.context;
      await (first === "dump"
        ? dumpService(kinto, resources, values.out)
        : loadIntoService(kinto, resources, values.in));
      return 0;
    }
    if (first === "doctor")
      return await doctor(
        () => loadSettings(values.ini ?? onlyFile(rest), environment, overrides),
        environment,
        values.json === true,
      );
    if (first === "import") {
      const [url, ...files] = rest;
      if (url === undefined) throw new UsageError("import needs the URL of a server, such as https://kinto.example/v1");
      await importCommand(loadSettings(values.ini ?? onlyFile(files), environment, overrides), {
        url,
        auth: values.auth ?? environment.KINTO_IMPORT_AUTH,
        authorization: environment.KINTO_IMPORT_AUTHORIZATION,
      });
      return 0;
    }
    // As in Kinto's own command line.
    const files = first === "start" ? rest : positionals;
    const source = loadSettings(values.ini ?? onlyFile(files), environment, overrides);
    const workers = settingsReader(source).native("workers");
    // What is no number of processes is told when the settings are read as a whole.
    if (Number.isInteger(workers) && supervise({ workers: Number(workers) })) return 0;
    await run(await startKinto(source));
    return 0;
  } catch (error) {
    return failed(error);
  }
}

/** What is no service, and ends. */
const beside: ReadonlySet<string> = new Set(["create-user", "rebuild-quotas", "dump", "load", "import", "doctor"]);

const options = {
  ini: { type: "string" },
  host: { type: "string" },
  port: { type: "string" },
  workers: { type: "string" },
  username: { type: "string", short: "u" },
  password: { type: "string", short: "p" },
  out: { type: "string" },
  in: { type: "string" },
  auth: { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
  version: { type: "boolean" },
} as const;

export class UsageError extends Error {
  override readonly name = "UsageError";
}

function onlyFile(files: readonly string[]): string | undefined {
  if (files.length > 1) throw new UsageError(`one file of settings is expected, not ${files.length}`);
  return files[0];
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

function failed(error: unknown): number {
  const isUsage =
    error instanceof UsageError ||
    (error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS"));
  const isExpected = isUsage || error instanceof SettingsError;
  process.stderr.write(`kinto: ${error instanceof Error ? error.message : String(error)}\n`);
  if (isUsage) process.stderr.write("kinto --help shows what can be said\n");
  return isExpected ? 2 : 1;
}
