/** What a command of Urgence is. */
import type { ParseArgsOptionsConfig } from "node:util";

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
