/** What the benchmarks store: an object of some 400 bytes of JSON. */

/** Objects of 1 000 share a group, so that a page of 50 is the end of a long index range. */
export const groups = 20;

export function kitten(group: number, n: number) {
  return { name: `Kitten ${n}`, group, weight: 1 + (n % 50) / 10, notes: "x".repeat(300) };
}
