/**
 * `npm run services`: makes sure that what the tests need is on this machine. Chromium comes from Debian's packages when it is missing and
 * this user may install packages; the SMTP server of the mail tests comes with the development dependencies and is started by them.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

const chromium = process.env.CHROMIUM_PATH ?? "/usr/bin/chromium";

if (existsSync(chromium)) {
  process.stdout.write(`chromium: ${run(chromium, ["--version"]).trim()}\n`);
} else if (process.env.CHROMIUM_PATH !== undefined) {
  fail(`CHROMIUM_PATH names ${chromium}, which does not exist`);
} else if (process.getuid?.() === 0 && existsSync("/usr/bin/apt-get")) {
  process.stdout.write("chromium: installing from Debian's packages\n");
  run("apt-get", ["update", "-q"]);
  run("apt-get", ["install", "-y", "-q", "--no-install-recommends", "chromium", "fonts-dejavu-core"], {
    DEBIAN_FRONTEND: "noninteractive",
  });
  process.stdout.write(`chromium: ${run(chromium, ["--version"]).trim()}\n`);
} else {
  fail("chromium is missing. Install it (Debian: apt-get install chromium), or name another one in CHROMIUM_PATH");
}

function run(command: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}): string {
  const result = spawnSync(command, args, { encoding: "utf8", env: { ...process.env, ...environment } });
  if (result.status !== 0) fail(`${command} ${args.join(" ")} failed: ${result.error?.message ?? result.stderr}`);
  return result.stdout;
}

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
