/** Applications built with the toolkit as commands of their own: `rouage NAME` runs the package `NAME-app` where it is installed. */
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Environment } from "./command.ts";

/** The file that `NAME-app` exports as `./cli`, looked for from the working directory and from beside the toolkit; undefined: there is none. */
export function applicationOf(name: string): string | undefined {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) return undefined;
  for (const place of [join(process.cwd(), "rouage.js"), import.meta.url]) {
    try {
      return createRequire(place).resolve(`${name}-app/cli`);
    } catch {
      // Not installed there.
    }
  }
  return undefined;
}

/** @returns the exit code */
export async function runApplication(file: string, args: readonly string[], environment: Environment): Promise<number> {
  const module: { readonly main?: unknown } = await import(pathToFileURL(file).href);
  if (typeof module.main !== "function") throw new Error(`${file} exports no function main(args, environment)`);
  return module.main(args, environment);
}
