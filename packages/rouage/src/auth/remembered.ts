/** What was computed from texts that came lately, such as headers with credentials: for pure functions only, in bounded memory. */

export interface RememberedOptions {
  /** About half as many results are kept at least, as soon as there were so many. */
  readonly most?: number;
  /** Longer texts are computed each time. */
  readonly longest?: number;
}

/** The same function, that remembers. What it answers is handed out again and again: nobody may change it. */
export function remembered<T>(
  compute: (text: string) => T,
  { most = 2_000, longest = 512 }: RememberedOptions = {},
): (text: string) => T {
  // Two generations, so that a hit costs no upkeep.
  let young = new Map<string, T>();
  let old = new Map<string, T>();

  return (text) => {
    const known = young.get(text);
    if (known !== undefined) return known;
    const value = old.get(text) ?? compute(text);
    if (text.length > longest || value === undefined) return value;
    if (young.size >= most / 2) {
      old = young;
      young = new Map();
    }
    young.set(text, value);
    return value;
  };
}
