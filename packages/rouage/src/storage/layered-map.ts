/** Maps over other maps: what is written stays in the layer until it is settled, and costs nothing of what lies below. */

export interface MapLike<K, V> extends Iterable<[K, V]> {
  readonly size: number;
  get(key: K): V | undefined;
  has(key: K): boolean;
  set(key: K, value: V): unknown;
  delete(key: K): unknown;
  clear(): void;
  keys(): Iterable<K>;
  values(): Iterable<V>;
}

const gone = Symbol("gone");

/** The map below must not change as long as the layer is in use. */
export class LayeredMap<K, V extends NonNullable<unknown>> implements MapLike<K, V> {
  readonly #below: MapLike<K, V>;
  readonly #changes = new Map<K, V | typeof gone>();
  #size: number;

  constructor(below: MapLike<K, V>) {
    this.#below = below;
    this.#size = below.size;
  }

  get size(): number {
    return this.#size;
  }

  get(key: K): V | undefined {
    const change = this.#changes.get(key);
    if (change === undefined) return this.#below.get(key);
    return change === gone ? undefined : change;
  }

  has(key: K): boolean {
    const change = this.#changes.get(key);
    return change === undefined ? this.#below.has(key) : change !== gone;
  }

  set(key: K, value: V): void {
    if (!this.has(key)) this.#size++;
    this.#changes.set(key, value);
  }

  delete(key: K): void {
    if (!this.has(key)) return;
    this.#size--;
    if (this.#below.has(key)) this.#changes.set(key, gone);
    else this.#changes.delete(key);
  }

  clear(): void {
    for (const key of [...this.keys()]) this.delete(key);
  }

  *[Symbol.iterator](): Generator<[K, V]> {
    for (const [key, value] of this.#below) {
      const change = this.#changes.get(key);
      if (change === undefined) yield [key, value];
      else if (change !== gone) yield [key, change];
    }
    for (const [key, change] of this.#changes) if (change !== gone && !this.#below.has(key)) yield [key, change];
  }

  *keys(): Generator<K> {
    for (const [key] of this) yield key;
  }

  *values(): Generator<V> {
    for (const [, value] of this) yield value;
  }

  /** What was set in this layer, and is still there. */
  *written(): Generator<[K, V]> {
    for (const [key, change] of this.#changes) if (change !== gone) yield [key, change];
  }

  /** Writes everything into the map below; the layer is of no more use. */
  settle(): void {
    for (const [key, change] of this.#changes)
      if (change === gone) this.#below.delete(key);
      else this.#below.set(key, change);
  }
}
