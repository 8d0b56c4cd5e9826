/**
 * Many questions to a storage, few of them at the same time: one after the other each would wait for the network, and all at once for a connection
 * until the pool gives up.
 */

const most = 16;

/** Answers in the order of the items. @throws what `ask` throws first; no further question is begun then */
export async function fewAtOnce<T, U>(items: readonly T[], ask: (item: T) => Promise<U>): Promise<readonly U[]> {
  const answers: U[] = [];
  const left = items.entries();
  let failed = false;
  const work = async (): Promise<void> => {
    for (const [index, item] of left) {
      if (failed) return;
      try {
        answers[index] = await ask(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, work));
  return answers;
}
