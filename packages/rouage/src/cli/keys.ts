/** `rouage keys`: key files made, rotated and listed. */
import { parseArgs } from "node:util";
import { initKeys, type KeyKind, listKeys, rotateKeys } from "../auth/keys.ts";
import type { Command } from "./command.ts";
import { UsageError } from "./usage-error.ts";

const options = {
  dir: { type: "string" },
  purpose: { type: "string" },
  kind: { type: "string" },
  keep: { type: "string" },
} as const;

const kinds: readonly KeyKind[] = ["EdDSA", "ES256", "secret"];

export const keys: Command = async (args) => {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  const [action, ...more] = positionals;
  if (more.length > 0) throw new UsageError(`keys ${action} takes no argument ${more[0]}`);
  const folder = needed(values.dir, "--dir FOLDER");
  if (action === "init") {
    const kind = kinds.find((known) => known === (values.kind ?? "EdDSA"));
    if (kind === undefined) throw new UsageError(`--kind must be one of ${kinds.join(", ")}`);
    const file = await initKeys({ folder, purpose: needed(values.purpose, "--purpose NAME"), kind });
    process.stdout.write(`${file}\n`);
  } else if (action === "rotate") {
    const keep = values.keep === undefined ? undefined : Number(values.keep);
    if (keep !== undefined && !(keep >= 0)) throw new UsageError("--keep must be a number of seconds");
    const purpose = needed(values.purpose, "--purpose NAME");
    const id = await rotateKeys({ folder, purpose, ...(keep === undefined ? {} : { keepMs: keep * 1000 }) });
    process.stdout.write(`${purpose} ${id}\n`);
  } else if (action === "list") {
    for (const { purpose, id, kind, state, created, retires = "" } of await listKeys({ folder }))
      process.stdout.write(`${[purpose, id, kind, state, created, retires].join("\t").trimEnd()}\n`);
  } else throw new UsageError("keys needs one of init, rotate, list");
};

function needed(value: string | undefined, option: string): string {
  if (value === undefined || value === "") throw new UsageError(`${option} is needed`);
  return value;
}
