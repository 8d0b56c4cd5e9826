/** `kinto import URL`: the command, and what it tells in the end. */
import { silentLogger } from "rouage";
import { progressBar } from "rouage/cli";
import { startKinto } from "../app.ts";
import type { SettingsSource } from "../settings/reader.ts";
import { type ImportReport, importKinto } from "./import-kinto.ts";
import { remoteKinto } from "./remote-kinto.ts";

export interface ImportCommand {
  readonly url: string;
  /** `user:password` for HTTP Basic. */
  readonly auth: string | undefined;
  /** The whole header, for other kinds. */
  readonly authorization: string | undefined;
}

/** @throws RemoteError, SettingsError */
export async function importCommand(source: SettingsSource, command: ImportCommand): Promise<void> {
  const { url, auth } = command;
  const authorization =
    command.authorization ?? (auth === undefined ? undefined : `Basic ${Buffer.from(auth).toString("base64")}`);
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort(new Error("interrupted; run it again to go on"));
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
  try {
    const remote = remoteKinto({ url, authorization, signal: interrupted.signal });
    await using kinto = await startKinto(source, { tasks: false, log: silentLogger });
    const bar = progressBar(process.stderr);
    const report = await importKinto({ remote, kinto, signal: interrupted.signal, progress: bar.update });
    bar.finish(messageOf(report));
  } finally {
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
  }
}

function messageOf({ counts, hiddenPermissions, problems, moreProblems, attachments }: ImportReport): string {
  const lines = [
    `imported ${counts.new} new and ${counts.changed} changed objects and deletions; ${counts.same} were here already, ${counts["newer here"]} are newer here`,
  ];
  for (const [kind, count] of hiddenPermissions)
    lines.push(
      `permissions of ${count} objects of the kind ${kind} are not shown to this user: only those above them and of the settings hold`,
    );
  if (attachments > 0) lines.push(`${attachments} records have files, which are not copied: copy their folder`);
  lines.push(...problems.map((problem) => `not imported: ${problem}`));
  if (moreProblems > 0) lines.push(`not imported: ${moreProblems} more`);
  return lines.join("\n");
}
