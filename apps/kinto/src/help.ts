/** What `--help` says. */
export const help = `kinto: JSON storage with synchronisation and sharing, over the Kinto protocol

  npm run kinto -- [FILE.ini]                   serve with the settings of an existing Kinto, or without a file with defaults
  npm run kinto -- create-user [FILE.ini] -u NAME [-p PASSWORD]
                                                create an account, or give it another password
  npm run kinto -- rebuild-quotas [FILE.ini]    count anew what quotas count, for a store that was filled without them
  npm run kinto -- dump [FILE.ini] [--out FILE]  write the whole store as lines of JSON, to a file or to standard output
  npm run kinto -- load [FILE.ini] [--in FILE]   fill an empty store from such lines
  npm run kinto -- doctor [FILE.ini] [--json]    say what is wrong with settings, store, disk and port, and what to do
  npm run kinto -- import URL [FILE.ini]         copy what can be read of a running Kinto into the store; again to catch up

Options:
  --host HOST, --port PORT      where to listen; win over everything else
  --workers N                   so many processes serve, 0 for one on each core
  --ini FILE                    the file of settings, as Kinto's own command line names it
  -u, --username NAME           name of the account
  -p, --password PASSWORD       its password; better in the environment, as KINTO_PASSWORD: other users see command lines
  --auth USER:PASSWORD          who asks the server to import from; better in the environment, as KINTO_IMPORT_AUTH, or the whole
                                header as KINTO_IMPORT_AUTHORIZATION
  -h, --help                    this text
  --version                     the version

Every setting can be given in the environment: KINTO_ and its name in capitals, dots and dashes as underscores
(KINTO_PAGINATE_BY=100, KINTO_STORAGE_URL=sqlite:data/kinto.db), or KINTO_…_FILE for a file that holds the value.
KINTO_INI names the file of settings where none is given.

Exit codes: 0 done or stopped in order, 1 failed, 2 called wrongly or bad settings.
`;
