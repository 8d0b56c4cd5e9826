/** `create-user`: an account made beside the service, by whoever can reach its storage. */
import { anonymous, operationContext, ServiceError, SettingsError, silentLogger } from "rouage";
import { startKinto } from "../app.ts";
import type { SettingsSource } from "../settings/reader.ts";
import { asSystem } from "../system.ts";

/** @returns what to tell the operator */
export async function createUser(
  source: SettingsSource,
  { name, password }: { readonly name: string | undefined; readonly password: string | undefined },
): Promise<string> {
  if (name === undefined || name === "") throw missing("username");
  if (password === undefined || password === "") throw missing("password");
  await using kinto = await startKinto(source, { tasks: false, log: silentLogger });
  const accounts = kinto.operations.get("account");
  if (accounts === undefined)
    throw new Error("the settings include no accounts: add kinto.plugins.accounts to kinto.includes");
  try {
    const { kind } = await accounts.replace(
      operationContext(kinto.context, asSystem(anonymous)),
      { params: {}, id: name },
      { data: { password } },
    );
    return kind === "created" ? `account ${name} created\n` : `account ${name} has the new password\n`;
  } catch (error) {
    throw ServiceError.is(error) ? new Error(error.message) : error;
  }
}

function missing(option: string): SettingsError {
  return new SettingsError([{ key: `--${option}`, source: "command line", problem: "is required" }]);
}
