/** `demo-code`: the current code of the demo responder's second factor, for whoever has no authenticator at hand. */
import { systemClock } from "rouage";
import { demoCode, loadDemo } from "../demo.ts";
import { demoFileOf } from "../place.ts";
import { readUrgenceSettings } from "../settings.ts";
import type { Command } from "./command.ts";
import { UsageError } from "./usage-error.ts";

export const demoCodeCommand: Command = {
  usage: "",
  summary: "Prints the current code of the demo responder's second factor.",
  options: {},
  async run({ positionals, environment }) {
    if (positionals.length > 0) throw new UsageError("demo-code takes no arguments");
    const file = demoFileOf(readUrgenceSettings(environment));
    const demo = file === undefined ? undefined : await loadDemo(file);
    if (demo === undefined) throw new Error("there is no demonstration in this store");
    process.stdout.write(`${demoCode(demo, systemClock)}\n`);
    return 0;
  },
};
