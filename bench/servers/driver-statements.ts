/** What a driver is asked for by the server that stands for it alone. */

export interface Put {
  readonly id: string;
  /** JSON text of the object without `id` and `last_modified`. */
  readonly body: string;
  readonly isNew: boolean;
}

/** Answers objects as JSON text. */
export interface Driver {
  get(id: string): string | undefined | Promise<string | undefined>;
  /** The newest 50 of a group. */
  list(group: number): readonly string[] | Promise<readonly string[]>;
  /** Makes all of them durable in one transaction, each with its entry of the log; resolves then. */
  put(puts: readonly Put[]): Promise<readonly string[]>;
}

export function rendered(id: string, revision: number, body: string): string {
  return `{"id":"${id}","last_modified":${revision},${body.slice(1)}`;
}

/** Writes that come while others are written share the next transaction. */
export function grouped(
  write: (groups: readonly (readonly Put[])[]) => Promise<readonly (readonly string[])[]>,
): Driver["put"] {
  interface Waiting {
    readonly puts: readonly Put[];
    readonly resolve: (written: readonly string[]) => void;
    readonly reject: (error: unknown) => void;
  }
  const queue: Waiting[] = [];
  let running = false;
  async function run(): Promise<void> {
    running = true;
    await new Promise(setImmediate);
    while (queue.length > 0) {
      const taken = queue.splice(0, 512);
      try {
        const written = await write(taken.map(({ puts }) => puts));
        for (const [index, { resolve }] of taken.entries()) resolve(written[index] ?? []);
      } catch (error) {
        for (const { reject } of taken) reject(error);
      }
    }
    running = false;
  }
  return (puts) =>
    new Promise((resolve, reject) => {
      queue.push({ puts, resolve, reject });
      if (!running) void run();
    });
}
