/** What a shared cache keeps of one account or one address: counts as text, without names and addresses. Whatever cannot be read is nothing. */
import { createHash } from "node:crypto";
import type { ChangedValue } from "../cache/change.ts";
import { type Count, endOf, isLive, type ThrottleLimit } from "./throttle-count.ts";

export interface AccountState {
  readonly own: Count | undefined;
  /** By the hash of the network where the account signed in lately. */
  readonly familiar: ReadonlyMap<string, Count>;
}

export interface AccountLimits {
  readonly account: ThrottleLimit;
  readonly familiar: ThrottleLimit;
}

/** Networks remembered of one account; the one used least recently is forgotten first. */
const mostNetworks = 32;

export function readAccount(text: string | undefined, limits: AccountLimits, now: number): AccountState {
  const { own, at } = parsed(text);
  const familiar = new Map<string, Count>();
  if (typeof at === "object" && at !== null) {
    for (const [network, values] of Object.entries(at)) {
      const count = countOf(values, limits.familiar, now);
      if (count !== undefined) familiar.set(network, count);
    }
  }
  return { own: countOf(own, limits.account, now), familiar };
}

export function writeAccount({ own, familiar }: AccountState, limits: AccountLimits, now: number): ChangedValue {
  const kept = [...familiar].sort(([, a], [, b]) => b.last - a.last).slice(0, mostNetworks);
  const ends = kept.map(([, count]) => endOf(limits.familiar, count));
  if (own !== undefined) ends.push(endOf(limits.account, own));
  const at = Object.fromEntries(kept.map(([network, count]) => [network, valuesOf(count)]));
  const value = JSON.stringify({ ...(own !== undefined && { own: valuesOf(own) }), ...(kept.length > 0 && { at }) });
  return { value, ttlSeconds: secondsUntil(Math.max(now, ...ends), now) };
}

export function withFamiliar(state: AccountState, network: string, count: Count | undefined): AccountState {
  const familiar = new Map(state.familiar);
  if (count === undefined) familiar.delete(network);
  else familiar.set(network, count);
  return { ...state, familiar };
}

export function readAddress(text: string | undefined, limit: ThrottleLimit, now: number): Count | undefined {
  return countOf(parsed(text).own, limit, now);
}

export function writeAddress(count: Count | undefined, limit: ThrottleLimit, now: number): ChangedValue {
  if (count === undefined) return { value: "{}", ttlSeconds: secondsUntil(now, now) };
  return { value: JSON.stringify({ own: valuesOf(count) }), ttlSeconds: secondsUntil(endOf(limit, count), now) };
}

/** Short enough for many, long enough to tell them apart. */
export function nameHash(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, 22);
}

/** At least one: a value that says nothing goes by itself. */
function secondsUntil(end: number, now: number): number {
  return Math.max(1, Math.ceil((end - now) / 1000));
}

function valuesOf({ failures, last, lockedUntil }: Count): readonly number[] {
  return [failures, last, lockedUntil];
}

function countOf(values: unknown, limit: ThrottleLimit, now: number): Count | undefined {
  if (!Array.isArray(values) || values.length !== 3 || !values.every(Number.isFinite)) return undefined;
  const [failures, last, lockedUntil] = values as [number, number, number];
  const count = { failures, last, lockedUntil };
  return isLive(limit, count, now) ? count : undefined;
}

function parsed(text: string | undefined): { readonly own?: unknown; readonly at?: unknown } {
  try {
    const value: unknown = JSON.parse(text ?? "{}");
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}
