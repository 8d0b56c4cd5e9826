/** `rouage doctor`: says in words what is wrong with the configuration of a service or with a store, and what to do. */
import { parseArgs } from "node:util";
import { environmentPrefix, SettingsError } from "../../settings/read.ts";
import type { Symptom } from "../../storage/symptom.ts";
import { withoutPassword } from "../../storage/without-password.ts";
import type { Command, Environment } from "../command.ts";
import type { SettingFlags } from "../load.ts";
import { targetOf } from "../target.ts";
import { UsageError } from "../usage-error.ts";
import { examine, examineRuntime, patientOf } from "./examine-service.ts";
import { reportOf, reportText } from "./report.ts";

const options = {
  config: { type: "string" },
  set: { type: "string", multiple: true },
  json: { type: "boolean" },
} as const;

export const doctor: Command = async (args, environment) => {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  const [what, ...more] = positionals;
  if (what === undefined || more.length > 0) throw new UsageError("doctor takes one service, or the URL of one store");
  const { name, symptoms } = await look(what, values, environment);
  const errors = printReport(name, symptoms, values.json === true);
  if (errors > 0) throw new Error(`errors: ${errors}`);
};

/** Writes what was found to standard output; answers how many errors are among it. */
export function printReport(name: string, symptoms: readonly Symptom[], asJson: boolean): number {
  const report = reportOf(name, symptoms);
  process.stdout.write(asJson ? `${JSON.stringify(report, undefined, 2)}\n` : reportText(report));
  return symptoms.filter(({ level }) => level === "error").length;
}

async function look(
  what: string,
  flags: SettingFlags,
  environment: Environment,
): Promise<{ readonly name: string; readonly symptoms: readonly Symptom[] }> {
  let target: Awaited<ReturnType<typeof targetOf>>;
  try {
    target = await targetOf(what, flags, environment);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    return { name: what, symptoms: [...examineRuntime(process.version), ...unreadable(error, what)] };
  }
  const { name, url, service } = target;
  if (service === undefined) {
    // Where the URL does not say which store of the database is meant, it is the one that every other command takes.
    return { name: withoutPassword(what), symptoms: await examine({ storage: url, environment }) };
  }
  const { declaredLists } = await import("../../composition/declared-lists.ts");
  const unstartable: Symptom[] = [];
  const definitions = await declaredLists(service.definition, service.sources).catch((error: unknown) => {
    unstartable.push({
      level: "error",
      about: "service",
      message: `the service does not start: ${messageOf(error)}`,
      remedy: "correct its declaration",
    });
    return undefined;
  });
  const file = flags.config ?? environment[`${environmentPrefix(name)}CONFIG`];
  const patient = patientOf(service.settings, { name, definitions, environment, ...(file ? { file } : {}) });
  return { name, symptoms: [...unstartable, ...(await examine(patient))] };
}

/** One symptom for each bad setting. */
export function unreadable(error: unknown, what: string): readonly Symptom[] {
  if (error instanceof SettingsError)
    return error.problems.map(({ key, source, problem }) => ({
      level: "error",
      about: "settings",
      message: `${key} (${source}): ${problem}`,
      remedy: "correct it where it comes from; docs/settings.md has every setting",
    }));
  return [
    {
      level: "error",
      about: "service",
      message: `${what}: ${messageOf(error)}`,
      remedy: "correct that, or name another file",
    },
  ];
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (!(error.cause instanceof Error) || error.message.includes(error.cause.message)) return error.message;
  return `${error.message}: ${error.cause.message}`;
}
