/** `keys`: what keys there are, and a new active one for a purpose. A running Urgence takes rotated keys up at its next start. */
import { listKeys, rotateKeys } from "rouage/auth";
import { auditKeys } from "../app.ts";
import { openPlace } from "../place.ts";
import { rotatableKeys } from "../services/accounts/identity.ts";
import { readUrgenceSettings } from "../settings.ts";
import type { Command } from "./command.ts";
import { UsageError } from "./usage-error.ts";

const rotatable: readonly string[] = [...rotatableKeys, auditKeys];

export const keysCommand: Command = {
  usage: "[rotate PURPOSE]",
  summary: `Lists the keys, or makes a new active key for a purpose (${rotatable.join(", ")}).`,
  options: {},
  async run({ positionals, environment }) {
    const settings = readUrgenceSettings(environment);
    if (settings.storage === "memory:" && settings.keys === undefined) throw new Error("memory: keeps no keys");
    const place = await openPlace(settings);
    const [action = "list", purpose, ...rest] = positionals;
    if (action === "list" && purpose === undefined) {
      for (const { purpose: name, id, kind, state, created, retires = "" } of await listKeys({ folder: place.keys }))
        process.stdout.write(`${[name, id, kind, state, created, retires].join("\t").trimEnd()}\n`);
      return 0;
    }
    if (action !== "rotate" || purpose === undefined || rest.length > 0)
      throw new UsageError("expected nothing, list, or rotate PURPOSE");
    if (!rotatable.includes(purpose))
      throw new UsageError(`keys of ${purpose} cannot be rotated, only ${rotatable.join(", ")}`);
    // What the audit's old keys signed has to verify for ever.
    const keep = purpose === auditKeys ? { keepMs: Number.POSITIVE_INFINITY } : {};
    process.stdout.write(`${purpose} ${await rotateKeys({ folder: place.keys, purpose, ...keep })}\n`);
    return 0;
  },
};
