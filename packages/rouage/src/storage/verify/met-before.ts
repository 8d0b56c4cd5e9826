/**
 * Whether a text was met before, in a piece of memory that does not grow: a Bloom filter. Its yes may be wrong, and the more often the fuller it is; its
 * no is certain.
 */
import { hashOf } from "./words.ts";

/** Bits that one text sets. */
const probes = 4;
const fewest = 1 << 16;
/** 16 MB: a million texts are mistaken for others less than once, ten million now and then. */
const most = 1 << 27;

/** @param expected how many texts will come, about */
export function metBefore(expected: number): (text: string) => boolean {
  let size = fewest;
  while (size < expected * 64 && size < most) size *= 2;
  const words = new Uint32Array(size / 32);
  return (text) => {
    const { high, low } = hashOf(text);
    let met = true;
    for (let probe = 0; probe < probes; probe++) {
      const bit = (high + Math.imul(probe, low | 1)) & (size - 1);
      const mask = 1 << (bit & 31);
      const word = words[bit >>> 5] ?? 0;
      if ((word & mask) === 0) {
        met = false;
        words[bit >>> 5] = word | mask;
      }
    }
    return met;
  };
}
