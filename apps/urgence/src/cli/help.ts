/** `--help`: the commands, and every setting from the settings' own schema. */
import { urgenceSettingsSchema } from "../settings.ts";
import { version } from "../version.ts";
import { commands } from "./commands.ts";

export function help(): string {
  const names = Object.entries(commands).flatMap(([name, command]) =>
    command === undefined ? [] : [[`${name} ${command.usage}`.trim(), command.summary] as const],
  );
  const settings = Object.entries(urgenceSettingsSchema.properties).map(([key, property]) => {
    const { default: initial, description = "" } = property as { default?: unknown; description?: string };
    const name = key === "port" || key === "host" ? key.toUpperCase() : `URGENCE_${key.toUpperCase()}`;
    return [initial === undefined ? name : `${name}=${initial}`, plain(description)] as const;
  });
  return `Urgence ${version}, emergency medical profiles

Usage: npm start -- [command]

Commands
${table(names)}

Settings, from the environment (NAME_FILE names a file that holds the value)
${table(settings)}
`;
}

/** Descriptions are Markdown of the documentation; a terminal shows where to read on. */
function plain(markdown: string): string {
  return markdown.replaceAll("`", "").replaceAll(/\[([^\]]+)\]\(([^)]+)\)/g, "$1 (docs/$2)");
}

const width = 100;

function table(rows: readonly (readonly [string, string])[]): string {
  return rows.map(([left, right]) => `  ${left}\n${wrap(right).join("\n")}`).join("\n");
}

function wrap(text: string): readonly string[] {
  const indent = "      ";
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(" ")) {
    if (line.length > indent.length && line.length + word.length >= width) {
      lines.push(line.trimEnd());
      line = indent;
    }
    line += `${word} `;
  }
  return [...lines, line.trimEnd()];
}
