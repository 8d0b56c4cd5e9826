/** Two sequences in the same order of keys, walked together. */
import { compareStrings } from "./evaluate.ts";

/** Pairs of what has the same key; undefined where one side has nothing. Keys are compared by code point, part by part. */
export async function* sideBySide<T>(
  left: AsyncIterable<T>,
  right: AsyncIterable<T>,
  key: readonly ((item: T) => string)[],
): AsyncIterable<readonly [T | undefined, T | undefined]> {
  const [a, b] = [left[Symbol.asyncIterator](), right[Symbol.asyncIterator]()];
  const next = async (side: AsyncIterator<T>): Promise<T | undefined> => {
    const result = await side.next();
    return result.done === true ? undefined : result.value;
  };
  const compare = (x: T, y: T): number => {
    for (const part of key) {
      const order = compareStrings(part(x), part(y));
      if (order !== 0) return order;
    }
    return 0;
  };
  try {
    let [x, y] = [await next(a), await next(b)];
    while (x !== undefined || y !== undefined) {
      const order = x === undefined ? 1 : y === undefined ? -1 : compare(x, y);
      yield [order <= 0 ? x : undefined, order >= 0 ? y : undefined];
      if (order <= 0) x = await next(a);
      if (order >= 0) y = await next(b);
    }
  } finally {
    await a.return?.();
    await b.return?.();
  }
}
