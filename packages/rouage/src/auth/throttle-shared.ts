/**
 * The throttle of sign-ins counted in a cache that several instances share: the same failures, locks and familiar addresses as in one process,
 * over all of them. Where the cache cannot be reached, this process counts alone.
 */
import type { Cache } from "../cache/cache.ts";
import { changingValues } from "../cache/change.ts";
import { systemClock } from "../clock.ts";
import { ServiceError } from "../errors.ts";
import type { Logger } from "../telemetry/log.ts";
import {
  type Attempt,
  limitsOf,
  networkOf,
  type Throttle,
  type ThrottleOptions,
  throttle,
  tooManyTries,
} from "./throttle.ts";
import { afterFailure, afterUndo, type Count, noCount, waitOf } from "./throttle-count.ts";
import {
  type AccountState,
  nameHash,
  readAccount,
  readAddress,
  withFamiliar,
  writeAccount,
  writeAddress,
} from "./throttle-state.ts";

export interface SharedThrottleOptions extends ThrottleOptions {
  readonly cache: Cache;
  /** Tells it from other throttles of the same service. */
  readonly name: string;
  /** Told, once a minute at most, that the cache cannot be reached. */
  readonly log: Logger;
}

/** Counted over all who share the cache, and in this process where it is shared with nobody. Clocks of instances have to agree to the second. */
export function sharedThrottle(options: SharedThrottleOptions): Throttle {
  const alone = throttle(options);
  const { cache, clock = systemClock, log, name } = options;
  if (!cache.capabilities.shared) return alone;
  const limits = limitsOf(options);
  const change = changingValues(cache);
  const keyOf = (kind: "account" | "address", text: string) => `throttle ${name} ${kind} ${nameHash(text)}`;
  let warned = Number.NEGATIVE_INFINITY;

  /** Without the cache neither is everything open, nor is anybody locked out by what cannot be read. */
  async function unlessAway<T>(shared: () => Promise<T>, otherwise: () => T): Promise<T> {
    try {
      return await shared();
    } catch (error) {
      if (!ServiceError.is(error) || error.code !== "unavailable") throw error;
      if (clock.now() - warned >= 60_000) {
        warned = clock.now();
        log.warn(
          { err: error, throttle: name },
          "tries are counted by this process alone: the cache cannot be reached",
        );
      }
      return otherwise();
    }
  }

  const changeAccount = (account: string, next: (state: AccountState, now: number) => AccountState): Promise<void> =>
    change(keyOf("account", account), (text) => {
      const now = clock.now();
      return writeAccount(next(readAccount(text, limits, now), now), limits, now);
    });

  const changeAddress = (source: string, next: (count: Count | undefined, now: number) => Count | undefined) =>
    change(keyOf("address", source), (text) => {
      const now = clock.now();
      return writeAddress(next(readAddress(text, limits.address, now), now), limits.address, now);
    });

  const forgiven = (count: Count | undefined) => (count === undefined ? undefined : afterUndo(limits.address, count));

  async function register(account: string, source: string | undefined): Promise<Attempt> {
    const network = source === undefined ? undefined : networkKey(source, account);
    const said = source === undefined ? undefined : await cache.get(keyOf("address", source));
    const addressWait = waitOf(readAddress(said, limits.address, clock.now()), clock.now());
    /** Whether it is counted for the account at this address, and not for the account. */
    let isFamiliar = false;

    await changeAccount(account, (state, now) => {
      const familiar = network === undefined ? undefined : state.familiar.get(network);
      const wait = Math.max(addressWait, waitOf(familiar ?? state.own, now));
      if (wait > 0) throw tooManyTries(wait);
      isFamiliar = familiar !== undefined;
      if (network === undefined || familiar === undefined)
        return { ...state, own: afterFailure(limits.account, state.own, now) };
      return withFamiliar(state, network, afterFailure(limits.familiar, familiar, now));
    });

    const undoAccount = () =>
      changeAccount(account, (state) => {
        if (network === undefined || !isFamiliar)
          return { ...state, own: state.own === undefined ? undefined : afterUndo(limits.account, state.own) };
        const familiar = state.familiar.get(network);
        return withFamiliar(state, network, familiar === undefined ? undefined : afterUndo(limits.familiar, familiar));
      });

    if (source !== undefined) {
      try {
        await changeAddress(source, (count, now) => {
          // Others may have been counted since it was looked at.
          const wait = waitOf(count, now);
          if (wait > 0) throw tooManyTries(wait);
          return afterFailure(limits.address, count, now);
        });
      } catch (error) {
        await undoAccount();
        throw error;
      }
    }

    const undoAddress = async () => source !== undefined && (await changeAddress(source, forgiven));
    const settled = (...work: readonly (() => Promise<unknown>)[]): Promise<void> =>
      unlessAway(
        async () => void (await Promise.all(work.map((each) => each()))),
        () => undefined,
      );
    return {
      succeeded: () =>
        settled(
          () =>
            changeAccount(account, (state, now) => {
              const rest = isFamiliar ? state : { ...state, own: undefined };
              return network === undefined ? rest : withFamiliar(rest, network, noCount(now));
            }),
          undoAddress,
        ),
      abandoned: () => settled(undoAccount, undoAddress),
    };
  }

  return {
    attempt: (account, from) =>
      unlessAway<Attempt>(
        () => register(account, from === undefined ? undefined : networkOf(from)),
        () => alone.attempt(account, from),
      ),
    welcome: (account, from) =>
      unlessAway(
        () =>
          changeAccount(account, (state, now) =>
            from === undefined
              ? { ...state, own: undefined }
              : withFamiliar(state, networkKey(networkOf(from), account), noCount(now)),
          ),
        () => alone.welcome(account, from),
      ),
    async forget(account) {
      alone.forget(account);
      await cache.delete(keyOf("account", account));
    },
  };
}

/** Other hashes for each account: nobody can tell who shares a network. */
function networkKey(source: string, account: string): string {
  return nameHash(`${source}\n${account}`);
}
