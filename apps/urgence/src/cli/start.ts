/** `start`: runs Urgence until it is told to stop, with the demonstration on an empty store. */
import { rm } from "node:fs/promises";
import { systemClock } from "rouage";
import { run } from "rouage/runtime/node";
import { supervise, workerNumber } from "rouage/workers";
import { startUrgence, type Urgence } from "../app.ts";
import {
  type Demo,
  demoCode,
  describeDemo,
  forgetDemoWith,
  isComplete,
  loadDemo,
  makeDemo,
  saveDemo,
} from "../demo.ts";
import { demoFileOf } from "../place.ts";
import { readUrgenceSettings, type UrgenceSettings } from "../settings.ts";
import type { Command } from "./command.ts";
import { UsageError } from "./usage-error.ts";

export const startCommand: Command = {
  usage: "[--workers N]",
  summary: "Runs Urgence (the default).",
  options: { workers: { type: "string" } },
  async run({ positionals, values, environment }) {
    if (positionals.length > 0) throw new UsageError("start takes no arguments");
    const { workers } = values;
    const settings = readUrgenceSettings(
      typeof workers === "string" ? { ...environment, URGENCE_WORKERS: workers } : environment,
    );
    if (supervise(settings)) return 0;
    // The first worker makes it before the others start.
    const isDemo = wantsDemo(settings, environment) && (workerNumber() ?? 1) === 1;
    const urgence = await startUrgence(settings);
    const demo = isDemo ? await openDemo(urgence, settings).catch((error) => abandon(urgence, error)) : undefined;
    const { origin } = await run(stoppingAll(urgence, demo?.close));
    if (demo !== undefined)
      process.stderr.write(describeDemo(demo.demo, settings.public_origin ?? origin, demoCode(demo.demo, systemClock)));
    return 0;
  },
};

/** Made-up people with printed passwords have no place beside real ones. */
function wantsDemo({ demo }: UrgenceSettings, environment: Readonly<Record<string, string | undefined>>): boolean {
  const isProduction = environment.NODE_ENV === "production";
  if (isProduction && demo === true)
    throw new UsageError("URGENCE_DEMO=true is refused with NODE_ENV=production: the demonstration prints passwords");
  return demo ?? !isProduction;
}

/** The demonstration of an earlier start, or a new one when the store is empty; undefined beside real people. */
async function openDemo(
  urgence: Urgence,
  settings: UrgenceSettings,
): Promise<{ readonly demo: Demo; readonly close: () => Promise<void> } | undefined> {
  const file = demoFileOf(settings);
  const kept = file === undefined ? undefined : await keptDemo(urgence, file);
  if (kept === undefined && (await urgence.service("accounts").storage.position()) > 0) return undefined;
  const demo = kept ?? (await makeDemo(urgence, systemClock));
  if (file === undefined) return { demo, close: async () => {} };
  if (kept === undefined) await saveDemo(file, demo);
  return { demo, close: forgetDemoWith(urgence, file, demo) };
}

/** What an earlier start wrote down, as long as its people are there. */
async function keptDemo(urgence: Urgence, file: string): Promise<Demo | undefined> {
  const demo = await loadDemo(file);
  if (demo === undefined || (await isComplete(urgence, demo))) return demo;
  await rm(file, { force: true });
  return undefined;
}

async function abandon(urgence: Urgence, error: unknown): Promise<never> {
  await urgence.stop();
  throw error;
}

/** The door, whose stop ends everything. */
function stoppingAll({ door, stop }: Urgence, closeDemo: (() => Promise<void>) | undefined): Parameters<typeof run>[0] {
  return {
    name: door.name,
    version: door.version,
    context: door.context,
    handle: door.handle,
    metrics: door.metrics,
    drain: door.drain,
    async stop() {
      await closeDemo?.();
      await stop();
    },
  };
}
