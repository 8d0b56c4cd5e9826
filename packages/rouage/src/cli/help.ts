/** The text of `rouage --help`: commands, options, and every setting a service understands. */
import { settingsTable } from "../settings/table.ts";

export function helpText(): string {
  const rows = settingsTable().map(({ key, expected, initial, description }) => {
    const head = `  ${key.padEnd(38)}${expected}${initial === undefined ? "" : `, default ${initial}`}`;
    return `${head}\n${wrap(withoutLinks(description), "      ")}`;
  });
  return `rouage: run services declared with the Rouage toolkit

Commands:
  rouage start FILE             start the service that FILE exports as its default
  rouage dev FILE               the same, started again when a file changes; where the service declares no
                                authentication, any user name signs in (HTTP Basic, any password)
  rouage openapi FILE           write the service's OpenAPI description to standard output
  rouage client FILE            write a typed TypeScript client of the service to standard output
  rouage dump FILE              write everything that the service keeps as lines of JSON (log and its positions apart)
  rouage load FILE              fill the service's empty store from such lines
  rouage verify FILE|URL        prove that a store is whole, also while it is in use: log and objects agree, revisions and
                                unique values are, nothing is half there; names what is not
  rouage doctor STORE           say what is wrong with settings, store, cache, port, disk and files, and what to do
  rouage migrate STORE          say what the store needs for this version of its service, and do it
  rouage copy STORE STORE       make the second store like the first, of whatever kind both are, and compare them
  rouage backup STORE FOLDER    copy the embedded store while it is used: a folder below FOLDER with a manifest
  rouage restore STORE BACKUP   put such a copy where no store is, beyond all that clients have seen
  rouage restored STORE         after a database's own tools have put it back: --since TIME (clients begin anew, erased go again)
  rouage purge STORE            forget tombstones that are old enough, in small steps
  rouage keys init              make a key file: --dir FOLDER --purpose NAME [--kind EdDSA|ES256|secret]
  rouage keys rotate            add a new active key: --dir FOLDER --purpose NAME [--keep SECONDS]
  rouage keys list              show the keys of a folder: --dir FOLDER
  rouage NAME …                 run an application that is installed as the package NAME-app, with its own arguments

STORE is the file of a service, whose settings name its store, or the URL of a store itself.

Options:
  --config FILE                 read settings from a TOML, YAML, INI or JSON file (all but keys)
  --set KEY=VALUE               give one setting; may be repeated (all but keys)
  --host HOST, --port PORT      short for --set host=HOST, --set port=PORT (start, dev)
  --workers N                   short for --set workers=N: so many processes serve, 0 for one on each core (start)
  --out FILE                    write to a file instead of standard output (openapi, client, dump)
  --most N                      end when so many violations are found (verify; default 100)
  --json                        write what was found as JSON to standard output (verify, doctor)
  --in FILE                     read from a file instead of standard input (load)
  --dry-run                     only say what would be done (migrate, purge)
  --older-than DAYS             how old, instead of what the service says (purge)
  --update                      go on with a copy that was interrupted, or bring one up to date (copy)
  --keep N                      how many backups of the service stay in the folder (backup; default: all)
  --ledger FOLDER               erasure ledger, where it is elsewhere than the setting says (restore, restored)
  --without-ledger              restore although nobody knows what was erased since (restore, restored)
  --dir FOLDER                  folder of the key files (keys)
  --purpose NAME                what the key is for; also the name of its file (keys init, keys rotate)
  --kind KIND                   EdDSA (default), ES256 or secret (keys init)
  --keep SECONDS                how long the key replaced keeps verifying (keys rotate)
  -h, --help                    this text

Exit codes: 0 done or stopped in order, 1 failed, 2 called wrongly, 130 ended by a second signal.

Settings come from defaults < file < environment < options. In the environment they begin with the name of the
service in capitals: KITTENS_PORT=9000, KITTENS_CONFIG=kittens.toml, KITTENS_STORAGE_FILE=/run/secrets/storage (the
value is in that file).

${rows.join("\n")}
`;
}

/** Descriptions are Markdown of the documentation; a terminal shows where to read on. */
function withoutLinks(markdown: string): string {
  return markdown.replaceAll(/\[([^\]]+)\]\(([^)]+)\)/g, "$1 (docs/$2)");
}

function wrap(text: string, indent: string): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && indent.length + line.length + 1 + word.length > 110) {
      lines.push(line);
      line = "";
    }
    line += (line === "" ? "" : " ") + word;
  }
  return [...lines, line].map((each) => indent + each).join("\n");
}
