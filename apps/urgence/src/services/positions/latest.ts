/** Which of several positions to show as the last one. Pure. */
import { type Position, staleAfterMs } from "./position.ts";

/**
 * The newest fix that has not expired. A report whose sender proved who it is goes before an unproven one (an unsigned AML message
 * may be a forgery), unless the proven one is stale and the unproven one is newer.
 */
export function latestPosition<P extends Position>(positions: readonly P[], now: number): P | undefined {
  let proven: P | undefined;
  let unproven: P | undefined;
  for (const position of positions) {
    if (Date.parse(position.expires_at) <= now) continue;
    if (position.authenticated) proven = newer(proven, position);
    else unproven = newer(unproven, position);
  }
  if (proven === undefined || unproven === undefined) return proven ?? unproven;
  return now - Date.parse(proven.fix_time) <= staleAfterMs ? proven : newer(proven, unproven);
}

/** The position as it is at `now`: its age in whole seconds, and whether that is stale by now. */
export function withAge<P extends Position>(position: P, now: number): P & { readonly age_seconds: number } {
  const age = Math.max(0, now - Date.parse(position.fix_time));
  return { ...position, stale: age > staleAfterMs, age_seconds: Math.floor(age / 1000) };
}

function newer<P extends Position>(a: P | undefined, b: P): P {
  if (a === undefined) return b;
  const order =
    Date.parse(b.fix_time) - Date.parse(a.fix_time) || Date.parse(b.received_at) - Date.parse(a.received_at);
  return order >= 0 ? b : a;
}
