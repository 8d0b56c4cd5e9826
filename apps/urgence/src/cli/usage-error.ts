/** The command line was used wrongly: shown with a hint, exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
