/** The commands of Urgence, by name. */
import type { ParseArgsOptionsConfig } from "node:util";
import { demoCodeCommand } from "./demo-code.ts";
import { keysCommand } from "./keys.ts";
import { grantCommand, revokeCommand } from "./roles.ts";
import { startCommand } from "./start.ts";
import { verifyCommand } from "./verify.ts";

export interface Invocation {
  readonly positionals: readonly string[];
  readonly values: Readonly<Record<string, unknown>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface Command {
  /** Arguments and options, for the help. */
  readonly usage: string;
  readonly summary: string;
  readonly options: ParseArgsOptionsConfig;
  /** Answers the exit code. @throws UsageError, SettingsError, or an Error whose message is for the operator */
  run(invocation: Invocation): Promise<number>;
}

export const commands: Readonly<Record<string, Command | undefined>> = {
  start: startCommand,
  grant: grantCommand,
  revoke: revokeCommand,
  verify: verifyCommand,
  keys: keysCommand,
  "demo-code": demoCodeCommand,
};
