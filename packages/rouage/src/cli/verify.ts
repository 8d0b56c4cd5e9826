/** `rouage verify`: proves that a store is whole, and names what is not. */
import { parseArgs } from "node:util";
import { systemClock } from "../clock.ts";
import { definitionOf } from "../operations/create-operations.ts";
import { openStorage } from "../storage/open.ts";
import type { ListDefinition, Violation } from "../storage/storage.ts";
import { type Verified, verifyStorage } from "../storage/verify/verify.ts";
import type { Command } from "./command.ts";
import { progressBar } from "./progress.ts";
import { type Target, targetOf } from "./target.ts";
import { UsageError } from "./usage-error.ts";

const options = {
  config: { type: "string" },
  set: { type: "string", multiple: true },
  most: { type: "string" },
  json: { type: "boolean" },
} as const;

export const verify: Command = async (args, environment) => {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  if (positionals.length > 1) throw new UsageError(`one store is expected, not ${positionals.length}`);
  const most = values.most === undefined ? 100 : Number(values.most);
  if (!Number.isInteger(most) || most < 1) throw new UsageError("--most is a whole number above 0");
  const target = await targetOf(positionals[0], values, environment);
  const definitions = await definitionsOf(target);
  // Nothing may be given up for taking too long: nobody waits for an answer.
  await using storage = await openStorage(target.url, {
    ...{ clock: systemClock, asFound: true, queryBudgetMs: 0 },
    ...(target.service === undefined ? {} : { name: target.name }),
  });
  await storage.define(definitions);
  const bar = progressBar(process.stderr);
  const verified = await verifyStorage(storage, { definitions, most, progress: bar.update });
  bar.finish(summary(verified));
  if (values.json === true) process.stdout.write(`${JSON.stringify(verified, undefined, 2)}\n`);
  else {
    for (const violation of verified.violations) process.stdout.write(`${line(violation)}\n`);
    for (const message of verified.skipped) process.stderr.write(`not looked at: ${message}\n`);
  }
  const { length } = verified.violations;
  if (length > 0)
    throw new Error(
      verified.complete ? `violations: ${length}` : `violations: ${length}, and there may be more (--most)`,
    );
};

async function definitionsOf({ service }: Target): Promise<readonly ListDefinition[]> {
  if (service === undefined) return [];
  const { parcelsOf } = await import("../composition/parcels.ts");
  return parcelsOf(service.definition.declaration).resources.map(definitionOf);
}

function summary({ objects, tombstones, lists, groups, logEntries, violations }: Verified): string {
  const seen = `${objects} objects and ${tombstones} tombstones in ${lists} lists, ${groups} groups, ${logEntries} entries of the log`;
  return `${seen}: ${violations.length === 0 ? "all as they should be" : "not all as they should be"}`;
}

/** `things "p/1" "a": what is wrong`: texts as JSON, so that nothing in them is taken for something else. */
function line({ resource, parent, id, message }: Violation): string {
  const where = [resource, ...[parent, id].map((text) => (text === undefined ? undefined : JSON.stringify(text)))];
  const place = where.filter((part) => part !== undefined).join(" ");
  return place === "" ? message : `${place}: ${message}`;
}
