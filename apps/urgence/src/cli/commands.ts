/** The commands of Urgence, by name. */
import { backupCommand, restoreCommand } from "./backup.ts";
import type { Command } from "./command.ts";
import { demoCodeCommand } from "./demo-code.ts";
import { doctorCommand } from "./doctor.ts";
import { keysCommand } from "./keys.ts";
import { resetMfaCommand } from "./reset-mfa.ts";
import { restoredCommand } from "./restored.ts";
import { grantCommand, revokeCommand } from "./roles.ts";
import { startCommand } from "./start.ts";
import { verifyCommand } from "./verify.ts";

export const commands: Readonly<Record<string, Command | undefined>> = {
  start: startCommand,
  grant: grantCommand,
  revoke: revokeCommand,
  "reset-mfa": resetMfaCommand,
  verify: verifyCommand,
  doctor: doctorCommand,
  backup: backupCommand,
  restore: restoreCommand,
  restored: restoredCommand,
  keys: keysCommand,
  "demo-code": demoCodeCommand,
};
