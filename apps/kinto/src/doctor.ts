/** `kinto doctor`: says in words what is wrong with the settings, the store and what they stand on, and what to do. */
import { type Service, silentLogger, systemClock } from "rouage";
import { examine, examinePrivate, patientOf, printReport, unreadable } from "rouage/cli";
import { openStorage } from "rouage/storage";
import type { Symptom } from "rouage/storage/tools";
import { startKinto } from "./app.ts";
import { type SettingsSource, settingsReader } from "./settings/reader.ts";

/** Answers the exit code: 1 where there is an error. */
export async function doctor(
  load: () => SettingsSource,
  environment: Readonly<Record<string, string | undefined>>,
  asJson: boolean,
): Promise<number> {
  return printReport("kinto", await look(load, environment), asJson) > 0 ? 1 : 0;
}

async function look(
  load: () => SettingsSource,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<readonly Symptom[]> {
  let source: SettingsSource;
  let service: Service;
  await using nothing = await openStorage("memory:", { clock: systemClock });
  try {
    source = load();
    // Started where nothing is kept: all that the settings say is read, and the store is not touched.
    service = await startKinto(source, { storage: nothing, log: silentLogger, tasks: false });
  } catch (error) {
    return unreadable(error, "kinto");
  }
  await using running = service;
  const { settings } = running.context;
  const patient = patientOf(settings, { name: "kinto", environment, file: source.path, definitions: undefined });
  return [...(await examine(patient)), ...secrets(source, settings.storage)];
}

/** Shorter than this, or of a documentation, a secret is guessed. */
const shortest = 16;
const placeholders = /^(change[-_ ]?me|some[-_ ]?secret.*|secret|kinto|test)$/i;

function secrets(source: SettingsSource, storage: string): readonly Symptom[] {
  const symptoms = examinePrivate(`${storage.replace(/^sqlite:(\/\/)?/, "")}.secret`, "secret-mode");
  const secret = settingsReader(source).text("userid_hmac_secret");
  if (secret !== undefined && (secret.length < shortest || placeholders.test(secret)))
    symptoms.push({
      level: "warning",
      about: "secret",
      message: "userid_hmac_secret can be guessed, and with it everybody's identity",
      remedy: "set a random one of 32 characters before anybody has data: another one makes everybody somebody else",
    });
  return symptoms;
}
