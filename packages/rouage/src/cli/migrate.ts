/** `rouage migrate`: says what a store needs before this version of a service can use it, and does it step by step. */
import { parseArgs } from "node:util";
import { systemClock } from "../clock.ts";
import { openStorage } from "../storage/open.ts";
import { planStore, planWords } from "../storage/plan.ts";
import type { Command } from "./command.ts";
import { progressBar } from "./progress.ts";
import { targetOf } from "./target.ts";
import { UsageError } from "./usage-error.ts";

const options = {
  config: { type: "string" },
  set: { type: "string", multiple: true },
  "dry-run": { type: "boolean" },
} as const;

export const migrate: Command = async (args, environment) => {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  if (positionals.length > 1) throw new UsageError(`one store is expected, not ${positionals.length}`);
  const target = await targetOf(positionals[0], values, environment);
  const { service, name, url } = target;
  const { declaredLists } = await import("../composition/declared-lists.ts");
  const definitions = service === undefined ? [] : await declaredLists(service.definition, service.sources);
  const named = service === undefined ? undefined : name;
  const plan = await planStore(url, definitions, named);
  if (plan === undefined) return say("this storage has nothing to migrate");
  const lines = planWords(plan);
  const indexes = service === undefined ? "; which indexes it needs the service's file would tell" : "";
  if (lines.length === 0) return say(`the store is up to date (version ${plan.version})${indexes}`);
  for (const line of lines) process.stdout.write(`${line}\n`);
  if (values["dry-run"] === true) return say(`nothing was done: this was a dry run${indexes}`);

  // Each step and each resource is a transaction of its own: what is interrupted between two of them goes on with the next run.
  await using storage = await openStorage(url, { clock: systemClock, ...(named === undefined ? {} : { name: named }) });
  const bar = progressBar(process.stderr);
  for (const [index, definition] of definitions.entries()) {
    bar.update(index, definitions.length);
    await storage.define([definition]);
  }
  const after = await planStore(url, definitions, named);
  const left = after === undefined ? [] : planWords(after);
  if (left.length > 0)
    throw new Error(`not everything was done, another version of the service may be running:\n${left.join("\n")}`);
  bar.finish(`the store is up to date (version ${plan.wanted})`);
};

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
