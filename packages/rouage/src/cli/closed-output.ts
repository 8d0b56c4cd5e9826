/** What a command does when whoever reads its output has gone, as `head` does. */

/** As other programs end by SIGPIPE: what was written is not all there was. */
const cut = 141;

/** Ends this process quietly as soon as standard output is closed. Not for services, which go on. */
export function endWithOutput(): void {
  process.stdout.on("error", (error: Error & { readonly code?: unknown }) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(cut);
  });
}
