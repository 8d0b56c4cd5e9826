/**
 * watch: what happens to a list, as one caller may see it, from a revision on and for as long as the caller may. Catches up from the
 * list and goes on from the log, without gap or duplicate. Knows no wire format: change streams and subscriptions are made of it.
 */
import { ServiceError } from "../errors.ts";
import type { OperationContext } from "./context.ts";
import { assertKept } from "./history.ts";
import type { Locate } from "./locate.ts";
import type { LogHub } from "./log-hub.ts";
import type { ResourceOperations, Target } from "./operations.ts";
import type { Plan } from "./plan.ts";
import type { Visibility } from "./visibility.ts";
import { catchUp } from "./watch-catch-up.ts";
import { type Remembered, scopeOf, viewOf } from "./watch-view.ts";
import { tell, type Watching } from "./watching.ts";

export interface WatchParts {
  readonly plan: Plan;
  readonly visibility: Visibility;
  readonly locate: Locate;
  readonly hub: LogHub;
  readonly list: ResourceOperations["list"];
}

export function watchOf(parts: WatchParts): ResourceOperations["watch"] {
  const { plan, visibility, locate, hub } = parts;
  const { storage } = plan.dependencies;
  const remembered: Remembered = { rendered: new WeakMap(), before: new WeakMap() };

  /** The whole decision, as for a list of which nothing is wanted. */
  async function admit(context: OperationContext, target: Target): Promise<number> {
    const { revision } = await parts.list(context, target, { query: () => ({ limit: 0 }) });
    return revision;
  }

  return async function* watch(context, target, request) {
    const { idleMs = 15_000, caller } = request;
    let current = context;
    // Before anything is read: what happens meanwhile is told twice rather than not at all, and told once after a comparison.
    const position = await storage.position();
    const revision = await admit(current, target);
    const list = await locate(current, target);
    const { filter, fields } = request.query?.(revision) ?? {};
    const wanted = { ...(filter === undefined ? {} : { filter }), ...(fields === undefined ? {} : { fields }) };
    visibility.assertQueryable(wanted, current.principal);
    const { since } = request;
    if (since !== undefined) await assertKept(storage, list, since);

    const look = async () => {
      const scope = await scopeOf(plan, current.principal, list);
      return viewOf({ storage, visibility, principal: current.principal, list, scope, wanted, remembered });
    };

    async function renew(): Promise<void> {
      const principal = (await caller?.()) ?? current.principal;
      if (principal !== current.principal) {
        if (principal.id !== current.principal.id) throw new ServiceError("invalid-credentials");
        visibility.assertQueryable(wanted, principal);
        current = { ...context, principal };
      }
      const again = await locate(current, target);
      if (again.parent !== list.parent) throw new ServiceError("forbidden");
      watching.view = await look();
    }

    const watching: Watching = {
      signal: context.signal,
      list,
      view: await look(),
      revision: since ?? revision,
      position,
    };
    yield { kind: "open", revision: watching.revision };
    if (since !== undefined) yield* catchUp(storage, watching, renew);
    if (context.signal.aborted) return;
    watching.revision = Math.max(watching.revision, revision);
    yield { kind: "ready", revision: watching.revision };

    const subscription = hub.join(list, watching.position, request.tooSlow);
    try {
      while (true) {
        const next = await subscription.next(context.signal, idleMs);
        if (next === "ended") return;
        if (next === "overflow") throw new ServiceError("unavailable", { message: "The reader is too slow." });
        if (next === "idle") {
          await renew();
          yield { kind: "idle" };
          continue;
        }
        await renew();
        const told = await tell(watching, next);
        if (told !== undefined) yield told;
      }
    } finally {
      subscription.close();
    }
  };
}
