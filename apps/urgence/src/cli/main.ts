/** Urgence's command line: starts it, or runs one command against its store and ends. */
import { parseArgs } from "node:util";
import { SettingsError } from "rouage";
import { version } from "../version.ts";
import { commands } from "./commands.ts";
import { help } from "./help.ts";
import { UsageError } from "./usage-error.ts";

/** Answers the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const isBare = args[0]?.startsWith("--workers") === true;
  const name = isBare ? "start" : (args[0] ?? "start");
  if (name !== "start") {
    const { endWithOutput } = await import("rouage/cli");
    endWithOutput();
  }
  if (name === "--help" || name === "-h" || name === "help") return print(help());
  if (name === "--version") return print(`${version}\n`);
  const command = commands[name];
  try {
    if (command === undefined) throw new UsageError(`there is no command ${name}`);
    const { values, positionals } = parseArgs({
      args: args.slice(isBare ? 0 : 1),
      options: command.options,
      allowPositionals: true,
    });
    return await command.run({ positionals, values, environment: process.env });
  } catch (error) {
    if (error instanceof UsageError || isParseError(error)) return fail(`${error.message}; see npm start -- --help`, 2);
    if (error instanceof SettingsError) return fail(error.message, 2);
    return fail(error instanceof Error ? error.message : String(error), 1);
  }
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

function fail(message: string, code: number): number {
  process.stderr.write(`urgence: ${message}\n`);
  return code;
}

function isParseError(error: unknown): error is Error {
  return error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
}
