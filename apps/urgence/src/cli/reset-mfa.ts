/** `reset-mfa`: for whoever lost the authenticator and the recovery codes, once the operator knows who is asking. */
import { startUrgence } from "../app.ts";
import { readUrgenceSettings } from "../settings.ts";
import type { Command } from "./command.ts";
import { UsageError } from "./usage-error.ts";

export const resetMfaCommand: Command = {
  usage: "EMAIL",
  summary:
    "Takes the second factor off an account whose owner lost it, ends every session and tells the owner by mail. Make sure who is asking first. Their roles wait until they enrol again.",
  options: {},
  async run({ positionals, environment }) {
    const [email, ...rest] = positionals;
    if (email === undefined || rest.length > 0) throw new UsageError("expected an e-mail address");
    const settings = readUrgenceSettings({ ...environment, URGENCE_LOG_LEVEL: "warn" });
    await using urgence = await startUrgence(settings, { tasks: false });
    const account = await urgence.admin.findAccount(email);
    if (account === undefined) throw new Error("no account has this e-mail address");
    const { reset } = await urgence.admin.resetMfa(account.id);
    process.stdout.write(reset ? "the second factor is off\n" : "there was no second factor\n");
    return 0;
  },
};
