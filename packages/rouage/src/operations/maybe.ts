/** Answers that are there at once where the storage answers at once, so that the hottest paths wait for nothing. */

export type Maybe<T> = T | Promise<T>;

/** Goes on with the value: now where it is there, otherwise once it is. */
export function chain<T, U>(value: Maybe<T>, next: (value: T) => Maybe<U>): Maybe<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}
