/** `rouage copy`: a store into another, of whatever kind, with the proof that both hold the same. */
import { parseArgs } from "node:util";
import { consumerLists } from "../bus/consumer.ts";
import { retentionList } from "../bus/retention.ts";
import { systemClock } from "../clock.ts";
import { definitionOf } from "../operations/create-operations.ts";
import { compareStores } from "../storage/compare.ts";
import { type Copied, CopyError, copyStore } from "../storage/copy.ts";
import { openStorage } from "../storage/open.ts";
import type { ListDefinition, Storage } from "../storage/storage.ts";
import type { Command } from "./command.ts";
import { progressBar } from "./progress.ts";
import { type Target, targetOf } from "./target.ts";
import { UsageError } from "./usage-error.ts";

const options = {
  config: { type: "string" },
  set: { type: "string", multiple: true },
  update: { type: "boolean" },
} as const;

/** They tell how far the source's log was read, and the log is not copied. */
const ofTheLog: ReadonlySet<string> = new Set([consumerLists.positions, retentionList.resource]);

export const copy: Command = async (args, environment) => {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  const [source, destination, ...more] = positionals;
  if (destination === undefined || more.length > 0)
    throw new UsageError("copy takes two stores: from where, and to where; each a URL, or the file of a service");
  const [from, to] = [await targetOf(source, values, environment), await targetOf(destination, values, environment)];
  if (from.url === to.url) throw new UsageError("both are the same store");
  const service = to.service ?? from.service;
  const declared = await definitionsOf(service);

  await using sourceStore = await openStorage(from.url, { ...namedBy(from), asFound: true, queryBudgetMs: 0 });
  const resources = (await sourceStore.totals()).map(({ resource }) => resource).filter((name) => !ofTheLog.has(name));
  await using targetStore = await openTarget(to, to.service === undefined ? [] : declared, resources);
  const copied = await copyAndCompare(sourceStore, targetStore, {
    resources,
    withoutLogBodies: await withoutLogBodies(service, resources),
    update: values.update === true,
  });
  process.stderr.write(`${copied}\n`);
};

/** Answers what was done, in a sentence. @throws CopyError where somebody writes to the source, or the stores are not alike afterwards */
async function copyAndCompare(
  from: Storage,
  to: Storage,
  options: Parameters<typeof copyStore>[2] & { readonly resources: readonly string[] },
): Promise<string> {
  const bar = progressBar(process.stderr, { rate: true });
  const copied = await copyStore(from, to, { ...options, progress: bar.update });
  bar.finish(`copied ${words(copied)}`);
  if (copied.missed > 0)
    throw new CopyError(
      `the source was written to meanwhile (${copied.missed} entries of its log), so that the copy is of no one moment: stop its service, or start it with readonly=true, and copy again with --update, which writes only what differs`,
    );
  const second = progressBar(process.stderr, { rate: true });
  const compared = await compareStores(from, to, { resources: options.resources, progress: second.update });
  if (compared.different > 0)
    throw new CopyError(
      [`the stores differ in ${compared.different} places:`, ...compared.named.map((line) => `  ${line}`)].join("\n"),
    );
  second.finish(`compared ${compared.entries} entries of ${compared.lists} lists`);
  return `both stores hold the same: sha256 ${compared.digest}`;
}

function words({ objects, tombstones, lists, groups, written }: Copied): string {
  return `${objects} objects, ${tombstones} tombstones, ${lists} lists and ${groups} groups; ${written} were written`;
}

/** With what a service declares; what else the source has is made without indexes, or left as it is found. */
async function openTarget(
  target: Target,
  declared: readonly ListDefinition[],
  resources: readonly string[],
): Promise<Storage> {
  const storage = await openStorage(target.url, { ...namedBy(target), queryBudgetMs: 0 });
  try {
    await storage.define(declared);
    const known = new Set([
      ...declared.map(({ resource }) => resource),
      ...(await storage.totals()).map(({ resource }) => resource),
    ]);
    const missing = resources.filter((name) => !known.has(name));
    await storage.define(missing.map((resource) => ({ resource, indexes: [], unique: [] })));
    if (!storage.capabilities.durable) return storage;
  } catch (error) {
    await storage.close();
    throw error;
  }
  await storage.close();
  return openStorage(target.url, { ...namedBy(target), asFound: true, queryBudgetMs: 0 });
}

function namedBy({ service, name }: Target) {
  return { clock: systemClock, ...(service === undefined ? {} : { name }) };
}

async function definitionsOf(service: Target["service"]): Promise<readonly ListDefinition[]> {
  return (await resourcesOf(service)).map(definitionOf);
}

async function resourcesOf(service: Target["service"]) {
  if (service === undefined) return [];
  const { parcelsOf } = await import("../composition/parcels.ts");
  return parcelsOf(service.definition.declaration).resources;
}

/** Who copies without the service does not know which resources keep bodies out of the log: none does then. */
async function withoutLogBodies(
  service: Target["service"],
  resources: readonly string[],
): Promise<ReadonlySet<string>> {
  const declared = await resourcesOf(service);
  const keeping = new Set(declared.filter(({ options }) => options.logBodies !== false).map(({ name }) => name));
  return new Set(resources.filter((name) => !keeping.has(name)));
}
