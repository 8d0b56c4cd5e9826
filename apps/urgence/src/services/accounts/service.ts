/** The accounts service: people, responders, officers and operators, how they sign in, and how they leave. */
import { type BackgroundTask, type ServiceContext, type ServiceDefinition, service } from "rouage";
import { followRevocations, type Revocation } from "rouage/auth";
import type { LogEntry } from "rouage/storage";
import { type Erasures, erasures } from "./erasure.ts";
import { internalRoutes } from "./internal-routes.ts";
import { type Maintenance, maintenance } from "./maintenance.ts";
import { meRoutes } from "./me-routes.ts";
import { type AccountsDeps, makeParts, type Parts } from "./parts.ts";
import { publicRoutes } from "./public-routes.ts";

export function accountsService(deps: AccountsDeps): ServiceDefinition {
  const running = new WeakMap<object, Running>();
  /** One set of parts for each start, shared by routes and tasks. */
  const runningIn = (context: ServiceContext): Running => {
    const known = running.get(context.storage);
    if (known !== undefined) return known;
    const parts = makeParts(deps, context);
    const erasing = erasures(parts);
    const made = { parts, erasing, maintain: maintenance(parts, erasing) };
    running.set(context.storage, made);
    return made;
  };

  return service({
    name: "accounts",
    version: "1.0.0",
    description: "Accounts: registration, sign-in, second factor, sessions, erasure",
    authentication: () => deps.identity.authentication,
    routes: (context) => {
      const { parts, erasing, maintain } = runningIn(context);
      return [
        ...publicRoutes(parts, erasing),
        ...meRoutes(parts, erasing),
        ...internalRoutes(parts, maintain, erasing),
      ];
    },
    checks: () => ({
      revocations: async () => {
        if (deps.identity.revocations.blindSince !== undefined) throw new Error("revocations cannot be learned");
      },
    }),
    tasks: [
      task("revocations", (context) => follow(runningIn(context).parts)),
      task("mail", async (context) => {
        const { parts } = runningIn(context);
        const stop = new AbortController();
        await parts.ready();
        const sending = parts.outbox.run(stop.signal);
        return async () => {
          await parts.settled();
          stop.abort();
          await sending;
        };
      }),
      { ...task("maintenance", (context) => repeatedly(runningIn(context))), once: true },
      task("keys", (context) => reloadKeys(runningIn(context).parts)),
    ],
  });
}

interface Running {
  readonly parts: Parts;
  readonly erasing: Erasures;
  readonly maintain: Maintenance;
}

function task(name: string, start: BackgroundTask["start"]): BackgroundTask {
  return { name, start };
}

/** Learns what was revoked, by this process before it started and by others while it runs. */
async function follow({ identity, storage, clock, ready, log }: Parts): Promise<() => Promise<void>> {
  await ready();
  const stop = new AbortController();
  const following = followRevocations({
    log: storage,
    into: identity.revocations,
    read: readRevocation,
    lifetimeMs: identity.revocationMs,
    resources: ["session", "account"],
    clock,
    signal: stop.signal,
    failed: (error) => log.error({ err: error }, "the log cannot be followed for revocations; it is tried again"),
  });
  const done = following.done.catch((error: unknown) => log.error({ err: error }, "revocations can't be followed"));
  await following.ready;
  return async () => {
    stop.abort();
    await done;
  };
}

/** The revocation that an event of accounts stands for. */
export function readRevocation({ type, id }: LogEntry): Revocation | undefined {
  if (type === "session.revoked") return { kind: "sid", id };
  if (type === "account.erasing" || type === "account.deleted") return { kind: "sub", id };
  return undefined;
}

/** Keys that were rotated are known to every process. */
function reloadKeys({ identity, log }: Parts): () => Promise<void> {
  let reloading: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    reloading = identity.reload().catch((error: unknown) => log.error({ err: error }, "the keys cannot be read again"));
  }, hourMs).unref();
  return async () => {
    clearInterval(timer);
    await reloading;
  };
}

const tickMs = 30_000;
/** Erasures are looked at on every tick, the rest each hour. */
const hourMs = 3600_000;

function repeatedly({ parts, erasing, maintain }: Running): () => Promise<void> {
  let last = Number.NEGATIVE_INFINITY;
  let current: Promise<void> = Promise.resolve();
  let busy = false;
  const tick = async () => {
    const due = parts.clock.now() - last >= hourMs;
    if (due) last = parts.clock.now();
    try {
      await parts.ready();
      if (due) await maintain();
      else await erasing.resume();
    } catch (error) {
      parts.log.error({ err: error }, "maintenance failed and is tried again");
      last = Number.NEGATIVE_INFINITY;
    }
  };
  const start = () => {
    if (busy) return;
    busy = true;
    current = tick().finally(() => {
      busy = false;
    });
  };
  // After the start, when the services it calls are reachable.
  const first = setTimeout(start, 1000);
  const timer = setInterval(start, tickMs);
  first.unref();
  timer.unref();
  return async () => {
    clearTimeout(first);
    clearInterval(timer);
    await current;
  };
}
