/** `verify`: checks the whole audit chain, its signatures and its daily roots. */
import { existsSync } from "node:fs";
import { systemClock } from "rouage";
import { openSigningKeys } from "rouage/auth";
import { openStorage } from "rouage/storage";
import { auditKeys } from "../app.ts";
import { claimed } from "../installation.ts";
import { openPlace } from "../place.ts";
import { verifyAudit } from "../services/access/verify-audit.ts";
import { readUrgenceSettings } from "../settings.ts";
import type { Command } from "./command.ts";
import { UsageError } from "./usage-error.ts";

export const verifyCommand: Command = {
  usage: "",
  summary: "Checks the audit chain; the exit code is 1 when anything in it was changed. Urgence may be running.",
  options: {},
  async run({ positionals, environment }) {
    if (positionals.length > 0) throw new UsageError("verify takes no arguments");
    const settings = readUrgenceSettings(environment);
    if (settings.storage === "memory:") throw new Error("memory: keeps nothing that could be verified");
    const place = await openPlace(settings);
    const url = place.storage("access");
    const file = url.startsWith("sqlite:") ? url.slice("sqlite:".length) : undefined;
    if (file !== undefined && !existsSync(file)) throw new Error(`there is no audit: ${file} does not exist`);
    if (!existsSync(place.keys))
      throw new Error(`there is no audit: it is signed, and there are no keys in ${place.keys}`);
    const keys = await openSigningKeys({ folder: place.keys, purpose: auditKeys });
    await using storage = await openStorage(url, { clock: systemClock });
    if (file === undefined && (await claimed(storage)) === undefined)
      throw new Error("there is no audit: Urgence has never run on this database and schema");
    const report = await verifyAudit(storage, keys.jwks());
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    return report.ok ? 0 : 1;
  },
};
