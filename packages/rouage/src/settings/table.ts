/** The settings as a table, for `--help` and the documentation. */
import type { TObject, TSchema } from "typebox";
import { expectation } from "./read.ts";
import { settingsSchema } from "./schema.ts";

export interface SettingRow {
  readonly key: string;
  /** What values are accepted, in words. */
  readonly expected: string;
  /** Default as JSON; undefined: none. */
  readonly initial: string | undefined;
  readonly description: string;
}

/** One row for each setting of the schema, in its order. */
export function settingsTable(schema: TObject = settingsSchema): readonly SettingRow[] {
  return Object.entries<TSchema>(schema.properties).map(([key, property]) => {
    const { default: initial, description = "" } = property as { default?: unknown; description?: string };
    return {
      key,
      expected: expectation(property),
      initial: initial === undefined ? undefined : JSON.stringify(initial),
      description,
    };
  });
}

/** The same as a Markdown table. */
export function settingsMarkdown(schema: TObject = settingsSchema): string {
  const rows = settingsTable(schema).map(
    ({ key, expected, initial, description }) =>
      `| \`${key}\` | ${cell(expected.replace(/ matching (.+)$/, " matching `$1`"))} | ${initial === undefined ? "" : `\`${cell(initial)}\``} | ${cell(description)} |`,
  );
  return ["| setting | value | default | meaning |", "|---|---|---|---|", ...rows].join("\n");
}

const cell = (text: string): string => text.replaceAll("|", "\\|");
