/** What a command of `rouage` is. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Runs after the others stop at it: arguments behind the command's name, and the environment. */
export type Command = (args: readonly string[], environment: Environment) => Promise<void>;
