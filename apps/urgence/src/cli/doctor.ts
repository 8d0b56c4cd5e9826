/** `doctor`: says in words what is wrong with the settings, the stores, the keys and what they stand on, and what to do. */
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Symptom } from "rouage/storage/tools";
import { demoFileOf, openPlace, type Place, storeNames } from "../place.ts";
import { readUrgenceSettings, type UrgenceSettings } from "../settings.ts";
import type { Command } from "./command.ts";
import { UsageError } from "./usage-error.ts";

export const doctorCommand: Command = {
  usage: "[--json]",
  summary:
    "Says what is wrong with settings, stores, keys, disk, cache and port, and what to do. Exit code 1 for an error.",
  options: { json: { type: "boolean" } },
  async run({ positionals, values, environment }) {
    if (positionals.length > 0) throw new UsageError("doctor takes no arguments");
    const { printReport } = await import("rouage/cli");
    const symptoms = await look(environment);
    return printReport("urgence", symptoms, values.json === true) > 0 ? 1 : 0;
  },
};

type Environment = Readonly<Record<string, string | undefined>>;

async function look(environment: Environment): Promise<readonly Symptom[]> {
  const { examine, unreadable } = await import("rouage/cli");
  const { examineStore } = await import("rouage/storage/tools");
  let settings: UrgenceSettings;
  try {
    settings = readUrgenceSettings(environment);
  } catch (error) {
    return unreadable(error, "the settings");
  }
  const place = await openPlace(settings);
  try {
    const { host, port, cache, log_level: logLevel } = settings;
    const [first = "accounts", ...others] = storeNames;
    const found = [
      ...(await examine({
        ...{ name: "urgence", storage: place.storage(first), ledger: place.ledger, host, port, cache, logLevel },
        environment,
      })),
    ];
    // What is wrong with a server or a disk is wrong for all of its stores alike.
    for (const name of others)
      for (const symptom of await examineStore(place.storage(name)))
        if (!found.some(({ message }) => message === symptom.message)) found.push(symptom);
    found.push(...(await keys(place)), ...production(settings, environment));
    return found.toSorted((a, b) => Number(a.level === "warning") - Number(b.level === "warning"));
  } finally {
    await place.release();
  }
}

/** Without its keys a store is of no use: nobody is found, and nobody can sign in. */
async function keys(place: Place): Promise<readonly Symptom[]> {
  const { examinePrivate } = await import("rouage/cli");
  const files = existsSync(place.keys) ? await readdir(place.keys) : [];
  const isUsed = storeNames.some((name) => existsSync(place.storage(name).replace(/^sqlite:/, "")));
  if (files.length === 0 && isUsed)
    return [
      {
        level: "error",
        about: "keys",
        message: `there are stores, but no keys in ${place.keys}: a start would make new ones, with which nobody is found`,
        remedy: "restore the keys of these stores, or name their folder in URGENCE_KEYS",
      },
    ];
  return [place.keys, ...files.map((name) => join(place.keys, name))].flatMap((path) =>
    examinePrivate(path, "keys-mode").map((symptom) => ({ ...symptom, level: "error" as const })),
  );
}

function production(settings: UrgenceSettings, environment: Environment): readonly Symptom[] {
  if (environment.NODE_ENV !== "production") return [];
  const symptoms: Symptom[] = [];
  const add = (level: Symptom["level"], about: string, message: string, remedy: string) =>
    symptoms.push({ level, about, message, remedy });
  if (settings.demo === true)
    add("error", "demo", "URGENCE_DEMO=true is refused with NODE_ENV=production", "leave URGENCE_DEMO out");
  const demo = demoFileOf(settings);
  if (demo !== undefined && existsSync(demo))
    add(
      "error",
      "demo",
      `the store has the demonstration's people, whose passwords are in ${demo}`,
      "begin with a store of its own",
    );
  if (settings.mail.startsWith("file:"))
    add(
      "warning",
      "mail",
      "mails are written to files instead of being sent: nobody gets a code",
      "set URGENCE_MAIL=smtps://…",
    );
  if (settings.public_origin === undefined)
    add("warning", "origin", "links and QR codes are made from each request's Host", "set URGENCE_PUBLIC_ORIGIN");
  if (settings.aml_secret === undefined)
    add(
      "warning",
      "aml",
      "anybody who reaches /aml can send positions for a number",
      "set URGENCE_AML_SECRET_FILE, or let only the gateway reach /aml",
    );
  return symptoms;
}
