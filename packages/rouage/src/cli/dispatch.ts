/** Finds the command that the arguments name, and says in one or two lines what is wrong where something is. */
import { applicationOf, runApplication } from "./application.ts";
import { backup, restore, restored } from "./backup.ts";
import { client } from "./client.ts";
import { endWithOutput } from "./closed-output.ts";
import type { Command, Environment } from "./command.ts";
import { dump, load } from "./copies.ts";
import { copy } from "./copy.ts";
import { doctor } from "./doctor/doctor.ts";
import { helpText } from "./help.ts";
import { keys } from "./keys.ts";
import { NotLoaded } from "./load.ts";
import { migrate } from "./migrate.ts";
import { openapi } from "./openapi.ts";
import { purge } from "./purge.ts";
import { dev, start } from "./start.ts";
import { UsageError } from "./usage-error.ts";
import { verify } from "./verify.ts";

/** Exit codes: done; the command failed; the command was called wrongly. */
export const exits = { done: 0, failed: 1, usage: 2 } as const;

const commands: Readonly<Record<string, Command>> = {
  start,
  dev,
  openapi,
  client,
  dump,
  load,
  verify,
  doctor,
  migrate,
  copy,
  backup,
  restore,
  restored,
  purge,
  keys,
};

export async function dispatch(args: readonly string[], environment: Environment): Promise<number> {
  const [name, ...rest] = args;
  const application = name === undefined || Object.hasOwn(commands, name) ? undefined : applicationOf(name);
  if (application !== undefined) return runApplication(application, rest, environment);
  if (name !== "start" && name !== "dev") endWithOutput();
  if (name === undefined || name === "help" || args.includes("--help") || args.includes("-h")) {
    process.stdout.write(helpText());
    return name === undefined ? exits.usage : exits.done;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  try {
    if (command === undefined)
      throw new UsageError(
        `there is no command ${name}, and no package ${name}-app is installed here; the commands are ${Object.keys(commands).join(", ")}`,
      );
    await command(rest, environment);
    return exits.done;
  } catch (error) {
    process.stderr.write(`rouage: ${messageOf(error)}\n`);
    if (isUsage(error)) process.stderr.write("rouage --help shows every command, option and setting\n");
    return isUsage(error) ? exits.usage : exits.failed;
  }
}

function isUsage(error: unknown): boolean {
  if (error instanceof UsageError) return true;
  const code = (error as { readonly code?: unknown } | null)?.code;
  return typeof code === "string" && code.startsWith("ERR_PARSE_ARGS");
}

/** Messages of our own are meant to be read, and what servers and the system say; where a program is the matter, its stack helps. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (error instanceof NotLoaded) return `${error.message}\n${stackOf(cause)}`;
  if (isDefect(error)) return stackOf(error);
  if (cause === undefined) return error.message;
  if (isDefect(cause)) return `${error.message}\n${stackOf(cause)}`;
  const why = messageOf(cause);
  return error.message.includes(why) ? error.message : `${error.message}\n${why}`;
}

function isDefect(error: unknown): boolean {
  return defects.some((defect) => error instanceof defect) && !isUsage(error);
}

const defects = [TypeError, ReferenceError, RangeError, SyntaxError];

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
