/** What is wrong with the configuration of a service: everything that can be found out without starting it. */
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, resolve, sep } from "node:path";
import { openCache } from "../../cache/open.ts";
import { systemClock } from "../../clock.ts";
import type { Settings } from "../../settings.ts";
import { examineStore } from "../../storage/examine.ts";
import { planStore } from "../../storage/plan.ts";
import type { ListDefinition } from "../../storage/storage.ts";
import type { Symptom } from "../../storage/symptom.ts";
import type { Environment } from "../command.ts";

/** What can be examined of a whole; each part may be absent. */
export interface Patient {
  /** Of the service; undefined where only a store is examined. */
  readonly name?: string | undefined;
  readonly storage: string;
  readonly workers?: number | undefined;
  readonly cache?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  /** File that the settings come from. */
  readonly file?: string | undefined;
  readonly ledger?: string | undefined;
  readonly logLevel?: string | undefined;
  /** What the service declares, where it is known. */
  readonly definitions?: readonly ListDefinition[] | undefined;
  readonly environment: Environment;
}

export function patientOf(
  settings: Settings,
  more: Pick<Patient, "name" | "definitions" | "environment" | "file">,
): Patient {
  const { storage, workers, cache, host, port, erasure_ledger: ledger, log_level: logLevel } = settings;
  return { storage, workers, cache, host, port, ledger, logLevel, ...more };
}

/** @returns all symptoms, errors first */
export async function examine(patient: Patient): Promise<readonly Symptom[]> {
  const found = await Promise.all([
    examineRuntime(process.version),
    examineStore(patient.storage, patient.name === undefined ? {} : { name: patient.name }),
    workers(patient),
    indexes(patient),
    cache(patient),
    port(patient),
    production(patient),
    settingsFile(patient),
    ledger(patient),
  ]);
  const all = found.flat();
  return [...all.filter(({ level }) => level === "error"), ...all.filter(({ level }) => level === "warning")];
}

const oldestRuntime = 26;

export function examineRuntime(version: string): readonly Symptom[] {
  if (Number(/^v(\d+)/.exec(version)?.[1]) >= oldestRuntime) return [];
  const message = `Node.js ${version} is older than ${oldestRuntime}`;
  return [
    { level: "error", about: "runtime", message, remedy: `npm install node@${oldestRuntime}, or the system's package` },
  ];
}

async function indexes({ storage, name, definitions = [] }: Patient): Promise<readonly Symptom[]> {
  // What keeps the store from being looked at is said by its own examination.
  const plan = await planStore(storage, definitions, name).catch(() => undefined);
  if (plan === undefined || plan.version === 0) return [];
  return plan.indexes.map(({ words, rows }) => ({
    level: "warning",
    about: "indexes",
    message: `the store's indexes are not those that are declared: ${words}${rows === 0 ? "" : ` (${rows} rows)`}`,
    remedy: "rouage migrate does it; so does a start, unless migrate=check",
  }));
}

function workers({ storage, workers: number }: Patient): readonly Symptom[] {
  if (!storage.startsWith("memory:") || number === undefined || number === 1) return [];
  return [
    {
      level: "error",
      about: "workers",
      message: "the storage memory: is in one process alone, and several workers are set",
      remedy: "set storage=sqlite:PATH or a database, or workers=1",
    },
  ];
}

async function cache({ cache: url, name }: Patient): Promise<readonly Symptom[]> {
  if (url === undefined || name === undefined) return [];
  try {
    await using opened = await openCache(url, { clock: systemClock, name });
    await opened.check();
    return [];
  } catch (error) {
    const message = `the cache cannot be used: ${innermost(error)}`;
    return [{ level: "error", about: "cache", message, remedy: "start its server, or correct the setting `cache`" }];
  }
}

async function port({ host, port: number }: Patient): Promise<readonly Symptom[]> {
  if (number === undefined || number === 0) return [];
  const server = createServer();
  const failure = await new Promise<NodeJS.ErrnoException | undefined>((done) => {
    server.once("error", done);
    server.listen(number, host, () => server.close(() => done(undefined)));
  });
  switch (failure?.code) {
    case undefined:
      return [];
    case "EADDRINUSE":
      return [
        {
          level: "warning",
          about: "port",
          message: `somebody listens on port ${number} of ${host} already`,
          remedy: "nothing, where that is the service itself; else end it, or set another port",
        },
      ];
    case "EACCES":
      return [
        {
          level: "error",
          about: "port",
          message: `this user may not listen on port ${number}`,
          remedy: "set a port from 1024, behind a reverse proxy",
        },
      ];
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return [
        {
          level: "error",
          about: "port",
          message: `${host} is no address of this machine`,
          remedy: "set host to one, 127.0.0.1 or 0.0.0.0",
        },
      ];
    default:
      return [
        {
          level: "error",
          about: "port",
          message: `${host}:${number} cannot be listened on: ${failure?.message}`,
          remedy: "set another host or port",
        },
      ];
  }
}

async function production({ environment, storage, logLevel }: Patient): Promise<readonly Symptom[]> {
  if (environment.NODE_ENV !== "production") return [];
  const symptoms: Symptom[] = [];
  if (storage.startsWith("memory:"))
    symptoms.push({
      level: "error",
      about: "storage",
      message: "with NODE_ENV=production everything is kept in memory, and gone with the process",
      remedy: "set storage=sqlite:PATH or a database",
    });
  if (logLevel === "trace" || logLevel === "debug")
    symptoms.push({
      level: "warning",
      about: "log",
      message: `with NODE_ENV=production the log is at level ${logLevel}`,
      remedy: "set log_level=info",
    });
  return symptoms;
}

/** Settings with something in them that opens a door. */
const secret = /secret|password|token|:\/\/[^/\s@]+:[^/\s@]+@/i;

async function settingsFile({ file }: Patient): Promise<readonly Symptom[]> {
  if (file === undefined || (statSync(file).mode & 0o004) === 0 || !secret.test(readFileSync(file, "utf8"))) return [];
  return [
    {
      level: "warning",
      about: "settings-mode",
      message: `everybody on this machine may read ${file}, which has secrets`,
      remedy: `chmod 600 ${file}, or give them as files (…_FILE)`,
    },
  ];
}

async function ledger({ ledger: folder, storage }: Patient): Promise<readonly Symptom[]> {
  if (folder === undefined) return [];
  const symptoms = examinePrivate(folder, "ledger-mode");
  if (!isWritable(resolve(folder)))
    symptoms.push({
      level: "error",
      about: "ledger",
      message: `the erasure ledger ${folder} cannot be written`,
      remedy: "set erasure_ledger to a folder that the service may make, or write to",
    });
  const store = storage.startsWith("sqlite:") ? dirname(resolve(storage.slice("sqlite:".length))) : undefined;
  if (store !== undefined && `${resolve(folder)}${sep}`.startsWith(`${store}${sep}`))
    symptoms.push({
      level: "warning",
      about: "ledger",
      message: `the erasure ledger ${folder} is in the folder of the store, and is lost with it`,
      remedy: "move it to another disk and set erasure_ledger",
    });
  return symptoms;
}

/** Of a folder that is not there, whether it could be made. */
function isWritable(folder: string): boolean {
  try {
    const found = statSync(folder, { throwIfNoEntry: false });
    if (found === undefined) return folder !== dirname(folder) && isWritable(dirname(folder));
    accessSync(folder, constants.W_OK | constants.X_OK);
    return found.isDirectory();
  } catch {
    return false;
  }
}

/** A file or folder that only its owner may look into. */
export function examinePrivate(path: string, about: string): Symptom[] {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined || (found.mode & 0o077) === 0) return [];
  const mode = (found.mode & 0o777).toString(8);
  return [
    {
      level: "warning",
      about,
      message: `others may look into ${path} (mode ${mode})`,
      remedy: `chmod ${found.isDirectory() ? "700" : "600"} ${path}`,
    },
  ];
}

function innermost(error: unknown): string {
  if (error instanceof AggregateError) return innermost(error.errors[0]);
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? innermost(error.cause) : error.message;
}
