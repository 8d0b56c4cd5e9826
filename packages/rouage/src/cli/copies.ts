/** `rouage dump` and `rouage load`: a whole store to lines of JSON and back. */
import { createReadStream, createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import type { Resource } from "../resource.ts";
import type { Service } from "../service.ts";
import { dumpLines } from "../storage/dump.ts";
import { loadLines } from "../storage/load.ts";
import { silentLogger } from "../telemetry/log.ts";
import type { Command } from "./command.ts";
import { loadService, settingSources } from "./load.ts";
import { progressBar } from "./progress.ts";
import { UsageError } from "./usage-error.ts";

const options = {
  config: { type: "string" },
  set: { type: "string", multiple: true },
  out: { type: "string" },
  in: { type: "string" },
} as const;

export const dump: Command = async (args, environment) => {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  if (values.in !== undefined) throw new UsageError("dump writes: name the file with --out");
  const { service, resources } = await opened(positionals, values, environment);
  await using _ = service;
  await dumpService(service, resources, values.out);
};

export const load: Command = async (args, environment) => {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  if (values.out !== undefined) throw new UsageError("load reads: name the file with --in");
  const { service, resources } = await opened(positionals, values, environment);
  await using _ = service;
  await loadIntoService(service, resources, values.in);
};

/**
 * Writes the dump of a service's store to a file (mode 0600; it appears when it is whole), or to standard output.
 * @param service started without its tasks
 */
export async function dumpService(service: Service, resources: readonly Resource[], file?: string): Promise<void> {
  const { storage, name, version, context } = service;
  const bar = progressBar(process.stderr);
  let count = 0;
  const lines = dumpLines(storage, {
    ...{ service: name, version, now: context.clock.now(), resources: resources.map((resource) => resource.name) },
    progress(done, total) {
      count = done;
      bar.update(done, total);
    },
  });
  await written(lines, file);
  bar.finish(`dumped ${count} objects and tombstones of ${name}${file === undefined ? "" : ` to ${file}`}`);
}

/**
 * Fills the empty store of a service from a dump in a file or on standard input.
 * @throws LoadError naming what is wrong with the dump; nothing of it is left then
 */
export async function loadIntoService(service: Service, resources: readonly Resource[], file?: string): Promise<void> {
  const bar = progressBar(process.stderr);
  const loaded = await loadLines(linesOf(file), service.storage, {
    resources: resources.map(({ name }) => name),
    withoutLogBodies: new Set(resources.filter(({ options }) => options.logBodies === false).map(({ name }) => name)),
    progress: bar.update,
  });
  bar.finish(`loaded ${loaded.objects} objects and ${loaded.tombstones} tombstones of ${loaded.service}`);
}

/** Opened when the first line is asked for. What cannot be opened or read is thrown to whoever asks. */
async function* linesOf(file: string | undefined): AsyncIterable<string> {
  const input: Readable = file === undefined ? process.stdin : createReadStream(file);
  let begun = "";
  for await (const text of input.setEncoding("utf8")) {
    const lines = `${begun}${text}`.split("\n");
    begun = lines.pop() ?? "";
    yield* lines;
  }
  if (begun !== "") yield begun;
}

async function opened(
  positionals: readonly string[],
  values: { readonly config?: string | undefined; readonly set?: readonly string[] | undefined },
  environment: Parameters<Command>[1],
): Promise<{ readonly service: Service; readonly resources: readonly Resource[] }> {
  if (positionals.length > 1) throw new UsageError(`one file is expected, not ${positionals.length}`);
  const definition = await loadService(positionals[0]);
  const { parcelsOf } = await import("../composition/parcels.ts");
  const service = await definition.start({
    ...settingSources(definition, values, environment),
    log: silentLogger,
    tasks: false,
  });
  return { service, resources: parcelsOf(definition.declaration).resources };
}

async function written(lines: AsyncIterable<string>, file: string | undefined): Promise<void> {
  const source = Readable.from(withLineEnds(lines));
  if (file === undefined) return pipeline(source, process.stdout as Writable, { end: false });
  const partial = `${file}.partial`;
  try {
    await pipeline(source, createWriteStream(partial, { mode: 0o600 }));
    await rename(partial, file);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

async function* withLineEnds(lines: AsyncIterable<string>): AsyncIterable<string> {
  for await (const line of lines) yield `${line}\n`;
}
