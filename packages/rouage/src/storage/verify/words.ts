/**
 * What the log says last of each key, in a bounded piece of memory: hashes in typed arrays, 25 bytes a place. Where there are more keys than it
 * may hold, it keeps one half of them and leaves the other to a later pass. A hash that two keys share makes a suspicion, never a verdict.
 */

/** Two independent halves of a hash of 64 bits. */
export interface Hash {
  readonly high: number;
  readonly low: number;
}

export interface Word {
  revision: number;
  /** Of the body, see `numberOf`; NaN where the log has none. */
  body: number;
  readonly kind: "put" | "delete";
  /** The entry carries nothing: what it told of was erased, or it never did. */
  readonly isBlank: boolean;
}

/** Keys whose hash begins with these bits. */
export interface Part {
  readonly bits: number;
  readonly prefix: number;
}

export const everything: Part = { bits: 0, prefix: 0 };

export interface Words {
  /** False: another pass has this key. */
  has(hash: Hash): boolean;
  /** Remembers the word; answers the one before. */
  set(hash: Hash, word: Word): Word | undefined;
  /** The word of a key, which counts as seen from now on. */
  see(hash: Hash): Word | undefined;
  /** A word that was not seen; undefined also where the key is not known. */
  unseen(hash: Hash): Word | undefined;
  /** Unseen words, of which so many are not blank. */
  left(): { readonly blank: number; readonly others: number };
  /** What is left to other passes so far. */
  readonly later: readonly Part[];
}

const flags = { used: 1, deleted: 2, blank: 4, seen: 8 } as const;

export function lastWords(begin: Part, most: number): Words {
  let part = begin;
  let places = placesOf(1 << 12);
  let count = 0;
  const later: Part[] = [];

  const has = ({ high }: Hash): boolean => part.bits === 0 || high >>> (32 - part.bits) === part.prefix;

  /** Of this key, or the free one where it belongs. */
  function placeOf({ high, low }: Hash, { state, highs, lows, mask } = places): number {
    let place = low & mask;
    while (state[place] !== 0 && (highs[place] !== high || lows[place] !== low)) place = (place + 1) & mask;
    return place;
  }

  function move(size: number): void {
    const old = places;
    const next = placesOf(size);
    count = 0;
    for (let place = 0; place <= old.mask; place++) {
      const hash = { high: old.highs[place] ?? 0, low: old.lows[place] ?? 0 };
      if (old.state[place] === 0 || !has(hash)) continue;
      const to = placeOf(hash, next);
      next.highs[to] = hash.high;
      next.lows[to] = hash.low;
      next.revisions[to] = old.revisions[place] ?? 0;
      next.bodies[to] = old.bodies[place] ?? 0;
      next.state[to] = old.state[place] ?? 0;
      count++;
    }
    places = next;
  }

  function wordAt(place: number): Word | undefined {
    const state = places.state[place] ?? 0;
    if (state === 0) return undefined;
    return {
      revision: places.revisions[place] ?? 0,
      body: places.bodies[place] ?? Number.NaN,
      kind: (state & flags.deleted) === 0 ? "put" : "delete",
      isBlank: (state & flags.blank) !== 0,
    };
  }

  return {
    later,
    has,
    set(hash, word) {
      const place = placeOf(hash);
      const before = wordAt(place);
      places.highs[place] = hash.high;
      places.lows[place] = hash.low;
      places.revisions[place] = word.revision;
      places.bodies[place] = word.body;
      places.state[place] =
        flags.used | (word.kind === "delete" ? flags.deleted : 0) | (word.isBlank ? flags.blank : 0);
      if (before !== undefined) return before;
      count++;
      if (count > most && part.bits < 31) {
        const bits = part.bits + 1;
        later.push({ bits, prefix: part.prefix * 2 + 1 });
        part = { bits, prefix: part.prefix * 2 };
        move(places.mask + 1);
      } else if (count * 2 > places.mask) move((places.mask + 1) * 2);
      return undefined;
    },
    see(hash) {
      const place = placeOf(hash);
      const word = wordAt(place);
      if (word !== undefined) places.state[place] = (places.state[place] ?? 0) | flags.seen;
      return word;
    },
    unseen(hash) {
      const place = placeOf(hash);
      return ((places.state[place] ?? 0) & flags.seen) === 0 ? wordAt(place) : undefined;
    },
    left() {
      let blank = 0;
      let others = 0;
      for (const state of places.state) {
        if (state === 0 || (state & flags.seen) !== 0) continue;
        if ((state & flags.blank) === 0) others++;
        else blank++;
      }
      return { blank, others };
    },
  };
}

interface Places {
  readonly highs: Uint32Array;
  readonly lows: Uint32Array;
  readonly revisions: Float64Array;
  readonly bodies: Float64Array;
  readonly state: Uint8Array;
  readonly mask: number;
}

function placesOf(size: number): Places {
  return {
    highs: new Uint32Array(size),
    lows: new Uint32Array(size),
    revisions: new Float64Array(size),
    bodies: new Float64Array(size),
    state: new Uint8Array(size),
    mask: size - 1,
  };
}

/** Fast and well spread, and no more than that. */
export function hashOf(text: string): Hash {
  let high = 0x2545_f491;
  let low = 0x9e37_79b1;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    high = Math.imul(high ^ code, 0x0100_0193);
    low = Math.imul(low, 31) + code;
    low ^= low >>> 15;
  }
  return { high: spread(high ^ text.length), low: spread(low ^ Math.imul(high, 0x85eb_ca6b)) };
}

/** The hash as one number, of 53 bits. */
export function numberOf({ high, low }: Hash): number {
  return (high & 0x1f_ffff) * 0x1_0000_0000 + low;
}

/** Every bit of the value changes half of the bits of the result. */
function spread(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x7feb_352d);
  mixed ^= mixed >>> 15;
  mixed = Math.imul(mixed, 0x846c_a68b);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
